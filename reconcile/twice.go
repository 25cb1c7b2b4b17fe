package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// oneIdentity tells whether two elements of one list have one id and no id that differs.
func oneIdentity(x, y told) bool {
	if x.psp != "" && y.psp != "" && x.psp != y.psp || x.id != "" && y.id != "" && x.id != y.id {
		return false
	}
	return x.psp != "" && x.psp == y.psp || x.id != "" && x.id == y.id
}

// listedTwice tells of every element after the first of one identity. The first is one
// that the ledger has, if it has any.
func (m *match) listedTwice() {
	places := m.bookedFirst(func(int) bool { return true })
	var firsts []int
	for _, j := range places {
		f := slices.IndexFunc(firsts, func(f int) bool { return oneIdentity(m.listed[f], m.listed[j]) })
		if f < 0 {
			firsts = append(firsts, j)
			continue
		}
		m.tell(ListedTwice, m.ofListed[j], j, "PortOne's list has an element with the same id besides this one.")
	}
}

// refundedTwice tells of every listed refund after the first that carries one marker and
// did not fail: a failed one is why the instruction was sent again.
func (m *match) refundedTwice() {
	byMarker := map[string][]int{}
	for _, j := range m.bookedFirst(func(j int) bool {
		return !m.saidListed[j] && m.listed[j].status != Failed && m.listed[j].marker != ""
	}) {
		byMarker[m.listed[j].marker] = append(byMarker[m.listed[j].marker], j)
	}
	for _, marker := range slices.Sorted(maps.Keys(byMarker)) {
		js := byMarker[marker]
		first := m.listed[js[0]]
		for _, j := range js[1:] {
			m.tell(RefundedTwice, m.ofListed[j], j, fmt.Sprintf("The same instruction's other refund at PortOne is %s of %s %s.",
				cmp.Or(first.psp, first.id, "one without an id"), first.amount, first.amount.Currency))
		}
	}
}

// bookedFirst gives the places of the listed refunds that keep wants: those that the ledger
// has under the same marker, then those that it has, then the rest; each sorted.
func (m *match) bookedFirst(keep func(j int) bool) []int {
	rank := func(j int) int {
		i := m.ofListed[j]
		switch {
		case i < 0:
			return 2
		case m.booked[i].marker != m.listed[j].marker:
			return 1
		}
		return 0
	}
	var js []int
	for j := range m.listed {
		if keep(j) {
			js = append(js, j)
		}
	}
	slices.SortStableFunc(js, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	return js
}
