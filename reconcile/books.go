package reconcile

import (
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// Books is what the ledger knows of one order, read in one transaction. Its slices
// stand in no promised order.
type Books struct {
	OrderRef         string
	MerchantOrderRef string
	Amount           portone.Money // of the order, as it was paid
	Booked           []Booked
	Instructions     []Instruction
	Seen             []Seen
}

// An Instruction is what reconciliation needs to know of one instruction of the order.
type Instruction struct {
	Marker string
	ID     string // instruction_id, or ""
	State  bulk.State
	Amount portone.Money
	// Of one whose outcome is not known (see unsettled), else zero: when it was sent,
	// and by when its outcome should be known.
	Since, Until time.Time
}

func (i Instruction) unsettled() bool {
	return i.State == bulk.Sending || i.State == bulk.Unknown || i.State == bulk.Quarantined
}

// Seen is one refund as earlier reads of PortOne's list showed it.
type Seen struct {
	Identity    string // of the refund within its order, for good
	RefundID    string
	PSPRefundID string
	Marker      string
	Amount      portone.Money
	Status      portone.Status // when last seen
	Reason      string
	Date        time.Time // PortOne's, or zero
	FirstSeen   time.Time
	LastSeen    time.Time
	SucceededAt time.Time // when first seen successful; zero: never
}

// A Listing is PortOne's answer about one order: its refunds, or that PortOne does
// not know the order.
type Listing struct {
	portone.RefundList
	OrderUnknown bool
	ReadAt       time.Time // when the reading began
}

// Bounds are how long a difference may last before it is one.
type Bounds struct {
	// Grace is how old a refund must be before its absence on the other side
	// counts: the longest that PortOne may process plus the longest that its list may lag.
	Grace time.Duration
	// StalePending is how long a refund may be pending on both sides.
	StalePending time.Duration
	// StillUnknown is how long an outcome may be unknown, even where its own bounds
	// have run out before.
	StillUnknown time.Duration
}
