package reconcile

import (
	"slices"
	"time"
)

// reversed tells of refunds that an earlier read showed successful and this one shows
// failed or, past the grace, not at all, unless the ledger has them as failed, and so knows. One
// that the ledger never had is told of until it is booked as failed there.
func (m *match) reversed() {
	var seen []told
	for _, s := range m.books.Seen {
		if !s.SucceededAt.IsZero() {
			t := s.told()
			t.instructionID = m.instructions[s.Marker].ID
			seen = append(seen, t)
		}
	}
	slices.SortFunc(seen, compareTold)
	var gone []told
	ofSeen, _ := pair(seen, m.listed)
	for n, j := range ofSeen {
		switch {
		case j < 0 && !m.recent(seen[n]): // a list may lag behind another
			gone = append(gone, seen[n])
		case j < 0:
		case m.listed[j].status == Failed && !m.saidListed[j]:
			m.nowFailed(seen[n], j)
		}
	}
	m.gone(gone)
}

func (m *match) nowFailed(seen told, j int) {
	i := m.ofListed[j]
	if i >= 0 && (m.booked[i].status == Failed || m.saidBooked[i]) {
		return
	}
	m.tell(Reversed, i, j, "")
	m.nameReversed(seen)
}

// gone gives each refund that the list no longer shows to the booked refund it was: one that is
// not listed, if there is any; else one that the list tells otherwise now, which
// explains it.
func (m *match) gone(gone []told) {
	var lone, listed []told
	var places []int
	for i, b := range m.booked {
		if m.ofBooked[i] < 0 && !m.saidBooked[i] {
			lone, places = append(lone, b), append(places, i)
		} else {
			listed = append(listed, b)
		}
	}
	var rest []told
	ofGone, _ := pair(gone, lone)
	for n, i := range ofGone {
		switch {
		case i < 0:
			rest = append(rest, gone[n])
		case lone[i].status != Failed:
			m.tell(Reversed, places[i], -1, "PortOne lists it no longer.")
			m.nameReversed(gone[n])
		}
	}
	explained, _ := pair(rest, listed)
	for n, i := range explained {
		if i >= 0 {
			continue
		}
		none := rest[n].amount
		none.Minor = 0
		m.add(Discrepancy{Kind: Reversed, RefundID: rest[n].id, PSPRefundID: rest[n].psp, InstructionID: rest[n].instructionID,
			Difference: &none, about: rest[n].about(), Note: "PortOne lists it no longer, and the ledger never had it."})
		m.nameReversed(rest[n])
	}
}

// nameReversed completes the discrepancy added last with what an earlier read showed.
func (m *match) nameReversed(seen told) {
	d := &m.found[len(m.found)-1]
	at := ""
	if !seen.date.IsZero() {
		at = " of " + seen.date.UTC().Format(time.RFC3339)
	}
	d.Note = joinNotes(d.Note, "An earlier read showed "+seen.amount.String()+" "+string(seen.amount.Currency)+at+" as successful.")
}
