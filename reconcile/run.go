package reconcile

import (
	"time"

	"refunds/portone"
)

// Verdict is what a run came to.
type Verdict string

const (
	Clean         Verdict = "clean"
	Discrepancies Verdict = "discrepancies"
	// Incomplete: stopped early, or an order could not be read. It stands above
	// discrepancies, since there may be more of them.
	Incomplete Verdict = "incomplete"
)

// A Run is one reconciliation. Of one that was killed only the first group of fields is
// set: it has no verdict, and nobody may call it clean.
type Run struct {
	ID          string
	Environment portone.Environment
	Window      Window
	StartedAt   time.Time

	FinishedAt time.Time // zero: it never finished
	Verdict    Verdict
	Stopped    string // why it ended early, "" if it did not
	Read       int    // orders whose list was read and matched
	Unchecked  int    // orders of the window whose list was not
	Sums       []Sum  // by currency, sorted
	Roll       Roll
}

// A Sum is what the orders read came to in one currency, in minor units.
type Sum struct {
	Currency  portone.Currency
	Ledger    int64 // refunded, by the ledger's count
	Portone   int64 // refunded, by PortOne's
	Explained int64 // of their difference, what the discrepancies of single refunds add up to
}

// Difference is ledger minus PortOne.
func (s Sum) Difference() int64 { return s.Ledger - s.Portone }

// Waiting is what is left of the difference: refunds too recent to be missed, and those whose
// outcome is not known.
func (s Sum) Waiting() int64 { return s.Difference() - s.Explained }

// Roll carries the ledger's open discrepancies over one run. Opening + New - Resolved =
// Closing, counted from what was open when the run began: of two runs at once, each
// tells its own part. Outside is the part of Closing on orders that the run did not look at.
type Roll struct {
	Opening, New, Resolved, Closing, Outside int
	Money                                    []RollMoney // by currency, sorted
}

// RollMoney is the same by money: the signed differences, in minor units, of kinds that tell of
// single refunds. Opening + New + Changed - Resolved = Closing; Changed is by how much
// those still open were told otherwise this time.
type RollMoney struct {
	Currency                                 portone.Currency
	Opening, New, Changed, Resolved, Closing int64
}

// State is whether a discrepancy still stands.
type State string

const (
	Open     State = "open"
	Resolved State = "resolved" // not found again on an order that was read
)

// A Finding is a discrepancy as one run found it, or did not find it again.
type Finding struct {
	Discrepancy
	State     State
	FirstSeen time.Time
	// Carried: open since an earlier run, on an order that this run could not read.
	Carried bool
}

// AgeDays counts from the business day on which the discrepancy was first seen to that of the run.
func (f Finding) AgeDays(r Run) int {
	zone := r.Window.Location()
	return DateOf(r.StartedAt, zone).DaysSince(DateOf(f.FirstSeen, zone))
}

// An OrderLine is what one run says of one order of its window.
type OrderLine struct {
	OrderRef         string
	MerchantOrderRef string
	Verdict          OrderVerdict
	Found            int    // discrepancies
	Reason           string // why it is unchecked
	Amount           portone.Money
	Ledger, Portone  portone.Money // refunded, in the order's currency
}

// OrderVerdict is what one order came to.
type OrderVerdict string

const (
	OrderClean     OrderVerdict = "clean"
	OrderDiffers   OrderVerdict = "discrepancies"
	OrderUnchecked OrderVerdict = "unchecked"
)

func verdict(r Run, found int) Verdict {
	switch {
	case r.Stopped != "" || r.Unchecked > 0:
		return Incomplete
	case found > 0:
		return Discrepancies
	}
	return Clean
}

// Location is the zone in which the window's dates are meant; UTC if it can't be loaded any more.
func (w Window) Location() *time.Location {
	if w.zone != nil {
		return w.zone
	}
	if zone, err := time.LoadLocation(w.Zone); err == nil {
		return zone
	}
	return time.UTC
}
