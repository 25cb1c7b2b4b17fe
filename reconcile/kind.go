package reconcile

import "fmt"

// Kind is one way in which ledger and PortOne differ.
type Kind string

const (
	MissingAtPortone Kind = "missing_at_portone"
	MissingInLedger  Kind = "missing_in_ledger"
	AmountDiffers    Kind = "amount_differs"
	CurrencyDiffers  Kind = "currency_differs"
	StatusDiffers    Kind = "status_differs"
	ListedTwice      Kind = "listed_twice"
	RefundedTwice    Kind = "refunded_twice"
	OverRefunded     Kind = "over_refunded"
	RemainingDiffers Kind = "remaining_differs"
	StalePending     Kind = "stale_pending"
	StillUnknown     Kind = "still_unknown"
	Reversed         Kind = "reversed"
	OrderUnknown     Kind = "order_unknown"
)

// Kinds are all kinds, in the order in which a report shows them: the gravest first.
func Kinds() []Kind {
	return []Kind{
		RefundedTwice, OverRefunded, MissingInLedger, MissingAtPortone, Reversed, CurrencyDiffers, AmountDiffers,
		StatusDiffers, OrderUnknown, RemainingDiffers, StillUnknown,
		ListedTwice, StalePending,
	}
}

// Severity says how soon a person should look.
type Severity string

const (
	High   Severity = "high"   // money may have moved wrongly, or not at all
	Medium Severity = "medium" // the books are wrong, or nobody knows
	Low    Severity = "low"    // most often settles by itself
)

// Explanation is what a kind means to somebody who does not know the program.
type Explanation struct {
	Severity Severity
	Title    string
	Means    string // one sentence
	Next     string // what to do, one or two sentences
}

// Explain is complete over Kinds, and an error for any other word.
func (k Kind) Explain() (Explanation, error) {
	switch k {
	case MissingAtPortone:
		return Explanation{High, "In the ledger, not at PortOne",
			"The ledger has booked this refund, but PortOne does not list it, so the customer has probably not been paid.",
			"Look the order up in the PortOne portal. If the refund is not there, correct the ledger, and refund again only when it is certain that nothing was paid."}, nil
	case MissingInLedger:
		return Explanation{High, "At PortOne, not in the ledger",
			"PortOne lists this refund, but the ledger has not booked it, so money was paid out that the books do not show.",
			"Find out who made it (the portal shows that), then book it in the ledger."}, nil
	case AmountDiffers:
		return Explanation{High, "The amounts differ",
			"Both sides have this refund, with different amounts.",
			"Compare with the instruction and with the PSP's statement, then correct the side that is wrong."}, nil
	case CurrencyDiffers:
		return Explanation{High, "The currencies differ",
			"Both sides have this refund, in different currencies.",
			"Compare with the currency in which the order was paid, then correct the side that is wrong."}, nil
	case StatusDiffers:
		return Explanation{Medium, "The statuses differ",
			"Both sides have this refund, but one calls it paid, failed or pending where the other does not.",
			"Ask PortOne or the PSP which is right, then correct the ledger; a refund that failed may have to be made again."}, nil
	case ListedTwice:
		return Explanation{Low, "Listed twice by PortOne",
			"PortOne lists one refund, with one id, more than once; most likely it was paid once.",
			"Look at the PSP's statement: one payment means that only the list is wrong; tell PortOne. Two mean that the customer was paid twice."}, nil
	case RefundedTwice:
		return Explanation{High, "Refunded twice",
			"PortOne lists two refunds for one and the same instruction, so the customer was probably paid twice.",
			"Check both with the PSP, and recover the second payment if both were made."}, nil
	case OverRefunded:
		return Explanation{High, "More refunded than was paid",
			"The successful refunds that PortOne lists add up to more than the order's amount.",
			"Check each refund of the order with the PSP, and recover what was paid too much."}, nil
	case RemainingDiffers:
		return Explanation{Medium, "What is left does not add up",
			"What PortOne says is still refundable is not the order's amount less its refunds.",
			"Compare the order's amount in the ledger with PortOne's; else ask PortOne which refund or fee its remainder holds."}, nil
	case StalePending:
		return Explanation{Low, "Pending for too long",
			"Both sides call this refund pending, for longer than it may be.",
			"Settle it in the PortOne portal if it waits there in a queue; else ask PortOne."}, nil
	case StillUnknown:
		return Explanation{Medium, "Outcome still not known",
			"A refund was sent to PortOne, and it is still not known whether it was made. Nothing more is sent for it by itself.",
			"Look the order up in the PortOne portal, then settle the row with what is found there."}, nil
	case Reversed:
		return Explanation{High, "Taken back after it had succeeded",
			"PortOne listed this refund as successful before; now it calls it failed or lists it no longer, so the customer may not have kept the money.",
			"Ask the PSP what became of it, and book the reversal in the ledger; then decide whether to refund again."}, nil
	case OrderUnknown:
		return Explanation{Medium, "PortOne does not know the order",
			"PortOne answered that it knows no order of this reference, so none of its refunds can be confirmed.",
			"Check the reference and the environment (sandbox or live); correct the order in the ledger."}, nil
	}
	return Explanation{}, fmt.Errorf("reconcile: %q is no kind of discrepancy", string(k))
}

// OfRefund tells whether the kind is about the money of one refund (or, for an unknown
// order, of all of them): the differences of these kinds add up to the difference between
// the two sides' totals. The others tell of an order as a whole, or of what is in
// nobody's books, and would count the same money twice.
func (k Kind) OfRefund() bool {
	return k != OverRefunded && k != RemainingDiffers && k != StillUnknown
}
