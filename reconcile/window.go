package reconcile

import (
	"fmt"
	"slices"
	"time"
)

// WindowKind says which orders a run reads.
type WindowKind string

const (
	// Activity: the orders on which something happened on the business dates (paid, a
	// refund, an instruction, an attempt), and those with something open, whenever it
	// happened: a discrepancy, an unsettled outcome, a pending refund, a list that the last
	// run could not read, a refund that was too recent then to be missed.
	Activity WindowKind = "activity"
	// Listed: the orders that a person named.
	Listed WindowKind = "orders"
	// All: every order of the ledger.
	All WindowKind = "all"
)

// A Window is what one run reads.
type Window struct {
	Kind     WindowKind
	From, To Date   // of Activity, both included
	Zone     string // IANA name in which the dates are meant; ages are counted in it too
	Orders   []string
	zone     *time.Location
}

// ActivityWindow is from one business date to another, both included.
func ActivityWindow(from, to Date, zone *time.Location) (Window, error) {
	if from > to {
		return Window{}, fmt.Errorf("the window ends (%s) before it begins (%s)", to, from)
	}
	return Window{Kind: Activity, From: from, To: to, Zone: zone.String(), zone: zone}, nil
}

// OrdersWindow is the orders named, each once.
func OrdersWindow(orderRefs []string, zone *time.Location) Window {
	refs := slices.Clone(orderRefs)
	slices.Sort(refs)
	return Window{Kind: Listed, Orders: slices.Compact(refs), Zone: zone.String(), zone: zone}
}

// AllWindow is every order of the ledger.
func AllWindow(zone *time.Location) Window {
	return Window{Kind: All, Zone: zone.String(), zone: zone}
}

// Yesterday is the business date that a nightly run at now reconciles.
func Yesterday(now time.Time, zone *time.Location) Date { return DateOf(now, zone).Add(-1) }

// Bounds are the first instant of an Activity window and the first one after it.
func (w Window) Bounds() (from, to time.Time) {
	zone := w.Location()
	return w.From.Begin(zone), w.To.Add(1).Begin(zone)
}

// String says the window in words for people.
func (w Window) String() string {
	switch w.Kind {
	case Activity:
		if w.From == w.To {
			return fmt.Sprintf("activity on %s (%s)", w.From, w.Zone)
		}
		return fmt.Sprintf("activity from %s to %s (%s)", w.From, w.To, w.Zone)
	case Listed:
		return "the orders that were named"
	case All:
		return "all orders of the ledger"
	}
	return string(w.Kind)
}

// Missed gives the business dates from first to last that are not among done, in order.
func Missed(first, last Date, done []Date) []Date {
	var missed []Date
	for d := first; d <= last; d = d.Add(1) {
		if !slices.Contains(done, d) {
			missed = append(missed, d)
		}
	}
	return missed
}
