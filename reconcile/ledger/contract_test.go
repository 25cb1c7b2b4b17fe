package ledger

import "refunds/bulk"

var (
	_ bulk.Ledger = (*DB)(nil)
	_ bulk.Intake = (*DB)(nil)
)
