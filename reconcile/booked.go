package reconcile

import (
	"time"

	"refunds/portone"
)

// BookedStatus is the ledger's word for the state of a booked refund.
type BookedStatus string

const (
	Success BookedStatus = "success"
	Pending BookedStatus = "pending"
	Failed  BookedStatus = "failed"
)

// Booked is one refund that the ledger has booked. Either id may be empty; an
// imported refund has no Marker and no InstructionID.
type Booked struct {
	OrderRef      string
	Amount        portone.Money
	Status        BookedStatus
	RefundID      string
	PSPRefundID   string
	Reason        string
	RefundedAt    time.Time
	Marker        string
	InstructionID string
}
