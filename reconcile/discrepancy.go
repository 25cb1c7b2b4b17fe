package reconcile

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"refunds/portone"
)

// A Discrepancy is one thing on which ledger and PortOne differ.
//
// An amount is what its side counts as refunded: a failed refund counts zero, whatever its
// amount was (the note tells it). Over an order as a whole it is the sum, and for
// remaining_differs what is left. For still_unknown the ledger's amount is the
// instruction's, which is not booked.
type Discrepancy struct {
	ID               string // "D-" and 12 characters; see identify
	Kind             Kind
	OrderRef         string
	MerchantOrderRef string
	RefundID         string
	PSPRefundID      string
	InstructionID    string
	Ledger           *portone.Money // nil: the ledger has nothing
	Portone          *portone.Money // nil: PortOne has nothing
	// Difference is Ledger minus Portone, a side that has nothing counting zero. Nil
	// where there is none: two currencies, or an outcome that nobody knows.
	Difference    *portone.Money
	LedgerStatus  string
	PortoneStatus string // PortOne's own word
	Note          string // what the other fields don't say

	about string // the identity of what it is about, within its order
}

// identify gives each discrepancy of one order its id: a hash of its kind, its order
// and what it is about, and nothing that changes from one night to the next. Of several
// that are about things with the same content and no id, the nth gets the nth id.
func identify(ds []Discrepancy) {
	slices.SortFunc(ds, func(a, b Discrepancy) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.about, b.about), cmp.Compare(a.Note, b.Note),
			cmp.Compare(a.InstructionID, b.InstructionID), cmp.Compare(a.LedgerStatus, b.LedgerStatus),
			cmp.Compare(a.PortoneStatus, b.PortoneStatus), compareMoney(a.Ledger, b.Ledger), compareMoney(a.Portone, b.Portone))
	})
	n := 0
	for i := range ds {
		d := &ds[i]
		if n++; i == 0 || ds[i-1].Kind != d.Kind || ds[i-1].about != d.about {
			n = 1
		}
		h := sha256.Sum256(fmt.Appendf(nil, "%s\x1f%s\x1f%s\x1f%d", d.Kind, d.OrderRef, d.about, n))
		d.ID = "D-" + base32.StdEncoding.EncodeToString(h[:])[:12]
	}
}

// setDifference computes Difference from the two amounts.
func (d *Discrepancy) setDifference() {
	var diff portone.Money
	switch {
	case d.Ledger != nil && d.Portone != nil && d.Ledger.Currency != d.Portone.Currency:
		return
	case d.Ledger != nil && d.Portone != nil:
		diff = d.Ledger.Sub(*d.Portone)
	case d.Ledger != nil:
		diff = *d.Ledger
	case d.Portone != nil:
		diff = portone.Money{Minor: -d.Portone.Minor, Currency: d.Portone.Currency}
	default:
		return
	}
	d.Difference = &diff
}

// Currency is the currency of both sides; of two different ones the ledger's, a
// slash, and PortOne's, so that no sum over the column mixes them.
func (d Discrepancy) Currency() string {
	switch {
	case d.Ledger != nil && d.Portone != nil && d.Ledger.Currency != d.Portone.Currency:
		return string(d.Ledger.Currency) + "/" + string(d.Portone.Currency)
	case d.Ledger != nil:
		return string(d.Ledger.Currency)
	case d.Portone != nil:
		return string(d.Portone.Currency)
	case d.Difference != nil:
		return string(d.Difference.Currency)
	}
	return ""
}

func compareMoney(a, b *portone.Money) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Minor, b.Minor))
}

func joinNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), " ")
}
