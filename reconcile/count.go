package reconcile

import (
	"cmp"
	"slices"

	"refunds/portone"
)

// checked is what is recorded of an order whose list was read.
func checked(b Books, l Listing, out Outcome) Checked {
	c := Checked{Found: out.Discrepancies, At: l.ReadAt, Sums: sums(out)}
	c.Line = OrderLine{OrderRef: b.OrderRef, MerchantOrderRef: b.MerchantOrderRef, Verdict: OrderClean, Found: len(out.Discrepancies),
		Amount: b.Amount, Ledger: in(out.Ledger, b.Amount.Currency), Portone: in(out.Portone, b.Amount.Currency)}
	if len(out.Discrepancies) > 0 {
		c.Line.Verdict = OrderDiffers
	}
	if !l.OrderUnknown {
		c.Seen = remember(b, l)
	}
	return c
}

func unchecked(b Books, reason string) Checked {
	return Checked{Line: OrderLine{OrderRef: b.OrderRef, MerchantOrderRef: b.MerchantOrderRef, Verdict: OrderUnchecked,
		Reason: reason, Amount: b.Amount}}
}

func in(sums []portone.Money, c portone.Currency) portone.Money {
	for _, m := range sums {
		if m.Currency == c {
			return m
		}
	}
	return portone.Money{Currency: c}
}

// sums puts one order's outcome into the run's sums.
func sums(out Outcome) []Sum {
	var all []Sum
	for _, m := range out.Ledger {
		sumOf(&all, m.Currency).Ledger += m.Minor
	}
	for _, m := range out.Portone {
		sumOf(&all, m.Currency).Portone += m.Minor
	}
	for _, d := range out.Discrepancies {
		if !d.Kind.OfRefund() {
			continue
		}
		if d.Ledger != nil {
			sumOf(&all, d.Ledger.Currency).Explained += d.Ledger.Minor
		}
		if d.Portone != nil {
			sumOf(&all, d.Portone.Currency).Explained -= d.Portone.Minor
		}
	}
	return all
}

func sumOf(sums *[]Sum, c portone.Currency) *Sum {
	i, ok := slices.BinarySearchFunc(*sums, c, func(s Sum, c portone.Currency) int { return cmp.Compare(s.Currency, c) })
	if !ok {
		*sums = slices.Insert(*sums, i, Sum{Currency: c})
	}
	return &(*sums)[i]
}

func (r *Run) count(c Checked) {
	if c.Line.Verdict == OrderUnchecked {
		return
	}
	r.Read++
	for _, s := range c.Sums {
		to := sumOf(&r.Sums, s.Currency)
		to.Ledger, to.Portone, to.Explained = to.Ledger+s.Ledger, to.Portone+s.Portone, to.Explained+s.Explained
	}
}

// Money gives the line of one currency, to be changed in place.
func (r *Roll) money(c portone.Currency) *RollMoney {
	i, ok := slices.BinarySearchFunc(r.Money, c, func(m RollMoney, c portone.Currency) int { return cmp.Compare(m.Currency, c) })
	if !ok {
		r.Money = slices.Insert(r.Money, i, RollMoney{Currency: c})
	}
	return &r.Money[i]
}

func (r *Roll) add(by Roll) {
	r.Opening, r.New, r.Resolved = r.Opening+by.Opening, r.New+by.New, r.Resolved+by.Resolved
	for _, m := range by.Money {
		to := r.money(m.Currency)
		to.Opening, to.New, to.Changed, to.Resolved = to.Opening+m.Opening, to.New+m.New, to.Changed+m.Changed, to.Resolved+m.Resolved
	}
}

func (r *Roll) close() {
	r.Closing = r.Opening + r.New - r.Resolved
	for i := range r.Money {
		m := &r.Money[i]
		m.Closing = m.Opening + m.New + m.Changed - m.Resolved
	}
}

// A discrepancy's part in a Roll: nil where its kind has no part in the money.
func rolled(d *Discrepancy) *portone.Money {
	if d == nil || !d.Kind.OfRefund() {
		return nil
	}
	return d.Difference
}

// Opens counts a discrepancy that was open before the run.
func (r *Roll) Opens(d Discrepancy) {
	r.Opening++
	if m := rolled(&d); m != nil {
		r.money(m.Currency).Opening += m.Minor
	}
}

// Finds counts one that the run found; before is how it was told while open, nil if it
// was not.
func (r *Roll) Finds(d Discrepancy, before *Discrepancy) {
	was, is := rolled(before), rolled(&d)
	if before == nil {
		r.New++
		if is != nil {
			r.money(is.Currency).New += is.Minor
		}
		return
	}
	if was != nil {
		r.money(was.Currency).Changed -= was.Minor
	}
	if is != nil {
		r.money(is.Currency).Changed += is.Minor
	}
}

// Resolves counts one that was open and is not found any more.
func (r *Roll) Resolves(d Discrepancy) {
	r.Resolved++
	if m := rolled(&d); m != nil {
		r.money(m.Currency).Resolved += m.Minor
	}
}
