package reconcile

import (
	"cmp"
	"fmt"
	"slices"

	"refunds/portone"
)

// totals sums what a side counts as refunded, per currency.
func totals(ts []told) []portone.Money {
	var sums []portone.Money
	for _, t := range ts {
		if t.status != Failed {
			sums = AddTo(sums, t.amount)
		}
	}
	return sums
}

// AddTo adds m to the sum of its currency; sums stay sorted by currency.
func AddTo(sums []portone.Money, m portone.Money) []portone.Money {
	i, ok := slices.BinarySearchFunc(sums, m, func(a, b portone.Money) int { return cmp.Compare(a.Currency, b.Currency) })
	if !ok {
		return slices.Insert(sums, i, m)
	}
	sums[i] = sums[i].Add(m)
	return sums
}

// overRefunded compares the order's amount with the refunds that PortOne calls
// successful, one listed twice counting once.
func (m *match) overRefunded() {
	order := m.books.Amount
	sum := portone.Money{Currency: order.Currency}
	for j, l := range m.listed {
		twice := slices.ContainsFunc(m.listed[:j], func(x told) bool { return x.status == Success && oneIdentity(x, l) })
		if l.status == Success && l.amount.Currency == order.Currency && !twice {
			sum = sum.Add(l.amount)
		}
	}
	if sum.Minor <= order.Minor {
		return
	}
	d := Discrepancy{Kind: OverRefunded, Ledger: &order, Portone: &sum,
		Note: fmt.Sprintf("The order's amount is %s %s; the refunds add up to %s.", order, order.Currency, sum)}
	d.setDifference()
	m.add(d)
}

// A claim is what one refund may have taken from what is left of the order, in
// minor units: what the list shows, or something else that the order's other
// discrepancies, or a refund that is still under way, leave possible.
type claim struct{ listed, other int64 }

// remaining compares what PortOne says is left with the order's amount less its refunds. With
// a refund in another currency than the order's nobody can tell what it took.
func (m *match) remaining() {
	order, left := m.books.Amount, m.list.Remaining
	claims, ok := m.claims()
	if !ok || left.Currency != order.Currency || possible(claims, order.Minor-left.Minor) {
		return
	}
	expected := order
	for _, c := range claims {
		expected.Minor -= c.listed
	}
	d := Discrepancy{Kind: RemainingDiffers, Ledger: &expected, Portone: &left,
		Note: fmt.Sprintf("Of %s %s, less the refunds listed, %s should be left; PortOne says %s.", order, order.Currency, expected, left)}
	d.setDifference()
	m.add(d)
}

func (m *match) claims() (cs []claim, ok bool) {
	currency := m.books.Amount.Currency
	for j, l := range m.listed {
		counted, i := l.counted(), m.ofListed[j]
		if l.status != Failed && l.amount.Currency != currency {
			return nil, false
		}
		c := claim{counted.Minor, counted.Minor}
		switch {
		case l.status == Pending || i < 0 && l.status == Success || m.isTwice(j):
			c.other = 0
		case i >= 0 && m.booked[i].amount.Currency == currency:
			if b := m.booked[i]; b.status != Pending || l.status != Failed { // a pending one that failed just settles
				c.other = b.counted().Minor
			}
		}
		cs = append(cs, c)
	}
	for i, b := range m.booked {
		if m.ofBooked[i] < 0 && b.amount.Currency == currency {
			cs = append(cs, claim{0, b.counted().Minor})
		}
	}
	for _, in := range m.waiting {
		if in.Amount.Currency == currency {
			cs = append(cs, claim{0, in.Amount.Minor})
		}
	}
	return cs, true
}

func (m *match) isTwice(j int) bool {
	for x := range m.listed {
		if x != j && oneIdentity(m.listed[x], m.listed[j]) {
			return true
		}
	}
	return false
}

// possible tells whether some choice among the claims adds up to taken. With more than
// 12 open choices it asks only whether taken lies between the least and the most.
func possible(claims []claim, taken int64) bool {
	var least, most int64
	var open []claim
	for _, c := range claims {
		least, most = least+min(c.listed, c.other), most+max(c.listed, c.other)
		if c.listed == c.other {
			taken -= c.listed
			least, most = least-c.listed, most-c.listed
		} else {
			open = append(open, c)
		}
	}
	if len(open) > 12 {
		return least <= taken && taken <= most
	}
	sums := map[int64]bool{0: true}
	for _, c := range open {
		next := make(map[int64]bool, 2*len(sums))
		for s := range sums {
			next[s+c.listed], next[s+c.other] = true, true
		}
		sums = next
	}
	return sums[taken]
}
