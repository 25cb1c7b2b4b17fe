package reconcile

import (
	"time"

	"refunds/portone"
)

// Booked is one refund as the ledger has it.
type Booked struct {
	OrderRef      string
	Amount        portone.Money
	Status        BookedStatus
	RefundID      string // or ""
	PSPRefundID   string // or ""
	Reason        string // as PortOne lists it, or as it was imported
	RefundedAt    time.Time
	Marker        string // of the instruction it was made for, or ""
	InstructionID string // of that instruction, or ""
}

// BookedStatus is the ledger's word for how far a refund is.
type BookedStatus string

const (
	Success BookedStatus = "success"
	Pending BookedStatus = "pending" // PortOne's last word is outstanding, or not known to be final
	Failed  BookedStatus = "failed"
)
