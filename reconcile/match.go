package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// An Outcome is what one order's match came to.
type Outcome struct {
	Discrepancies []Discrepancy   // gravest kind first, then by id
	Ledger        []portone.Money // what the ledger counts as refunded, a sum per currency, sorted by it
	Portone       []portone.Money // what PortOne counts as refunded
}

// Match compares one order's books with PortOne's answer, as of the answer's ReadAt. The
// order in which either side's slices stand makes no difference.
//
// One cause gives one discrepancy: a refund that is the same on both sides is told of once, by
// the difference that moves most money (the note names another one); a refund explained
// by a graver kind is not missing as well; and what is left is judged by everything that the
// other discrepancies leave possible. Over_refunded alone stands beside its cause, since a
// refund that is not booked and a customer who got too much are two things to mend.
func Match(b Books, l Listing, bounds Bounds) Outcome {
	m := &match{books: b, list: l, bounds: bounds, instructions: b.markers(), booked: bookedTold(b.Booked)}
	out := Outcome{Ledger: totals(m.booked)}
	if l.OrderUnknown {
		m.orderUnknown()
	} else {
		m.listed = listedTold(l.Refunds, m.instructions)
		m.ofBooked, m.ofListed = pair(m.booked, m.listed)
		m.saidBooked, m.saidListed = make([]bool, len(m.booked)), make([]bool, len(m.listed))
		m.listedTwice()
		m.refundedTwice()
		m.unsettled()
		m.lastPair()
		m.reversed()
		m.pairs()
		m.missing()
		m.overRefunded()
		m.remaining()
		out.Portone = totals(m.listed)
	}
	identify(m.found)
	kinds := Kinds()
	slices.SortFunc(m.found, func(a, b Discrepancy) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.ID, b.ID))
	})
	out.Discrepancies = m.found
	return out
}

type match struct {
	books        Books
	list         Listing
	bounds       Bounds
	instructions map[string]Instruction

	booked, listed         []told
	ofBooked, ofListed     []int  // each one's partner, or -1
	saidBooked, saidListed []bool // told of already, or explained: nothing more to say
	waiting                []Instruction
	found                  []Discrepancy
}

// tell adds a discrepancy about a booked refund, a listed refund, or both; -1 is none.
func (m *match) tell(k Kind, booked, listed int, note string) {
	d := Discrepancy{Kind: k, Note: note}
	var b, l told
	if booked >= 0 {
		b = m.booked[booked]
		m.saidBooked[booked] = true
		counted := b.counted()
		d.Ledger, d.LedgerStatus = &counted, b.word
		if b.status == Failed {
			d.Note = joinNotes(d.Note, fmt.Sprintf("The ledger has %s %s as failed.", b.amount, b.amount.Currency))
		}
	}
	if listed >= 0 {
		l = m.listed[listed]
		m.saidListed[listed] = true
		counted := l.counted()
		d.Portone, d.PortoneStatus = &counted, l.word
		if l.status == Failed {
			d.Note = joinNotes(d.Note, fmt.Sprintf("PortOne lists %s %s as %s.", l.amount, l.amount.Currency, l.word))
		}
	}
	both := told{psp: cmp.Or(b.psp, l.psp), id: cmp.Or(b.id, l.id), marker: cmp.Or(b.marker, l.marker), amount: b.amount}
	if booked < 0 || k == ListedTwice || k == RefundedTwice { // these are about the listed one
		both = l
	}
	d.PSPRefundID, d.RefundID, d.about = both.psp, both.id, both.about()
	d.InstructionID = cmp.Or(b.instructionID, l.instructionID)
	d.setDifference()
	m.add(d)
}

func (m *match) add(d Discrepancy) {
	d.OrderRef, d.MerchantOrderRef = m.books.OrderRef, m.books.MerchantOrderRef
	m.found = append(m.found, d)
}

// recent tells whether a refund is too young for its absence on the other side to
// count. One without a date is not, nor one whose date lies far in the future.
func (m *match) recent(t told) bool {
	return !t.date.IsZero() && m.list.ReadAt.Sub(t.date).Abs() < m.bounds.Grace
}

func (m *match) orderUnknown() {
	sum := portone.Money{Currency: m.books.Amount.Currency}
	note := ""
	for _, t := range totals(m.booked) {
		if t.Currency == sum.Currency {
			sum = t
		} else {
			note = joinNotes(note, fmt.Sprintf("The ledger has also booked %s %s.", t, t.Currency))
		}
	}
	m.add(Discrepancy{Kind: OrderUnknown, Ledger: &sum, Difference: &sum, Note: note})
}

// pairs tells how the refunds that both sides have differ.
func (m *match) pairs() {
	for i, j := range m.ofBooked {
		if j < 0 || m.saidBooked[i] || m.saidListed[j] {
			continue
		}
		if k, note := m.differ(m.booked[i], m.listed[j]); k != "" {
			m.tell(k, i, j, note)
		}
	}
}

// differ finds the one kind to tell of a refund that both sides have, "" if none.
func (m *match) differ(b, l told) (k Kind, note string) {
	settles := b.status == Pending && b.marker != "" && l.status != Pending // ours: its next look books it
	status := b.status != l.status && !settles
	also := ""
	if status {
		also = fmt.Sprintf("The statuses differ as well: %s, and %s at PortOne.", b.word, l.word)
	}
	switch {
	case b.status == Failed && l.status == Failed, settles && l.status == Failed:
		return "", "" // no money on either side
	case b.amount.Currency != l.amount.Currency:
		return CurrencyDiffers, also
	case status && (b.status == Failed || l.status == Failed):
		if b.amount != l.amount {
			note = "The amounts differ as well."
		}
		return StatusDiffers, note
	case b.amount != l.amount:
		return AmountDiffers, also
	case status:
		return StatusDiffers, ""
	case b.status == Pending && l.status == Pending && !b.date.IsZero() && m.list.ReadAt.Sub(b.date) > m.bounds.StalePending:
		return StalePending, "Pending since " + b.date.UTC().Format(time.RFC3339) + "."
	}
	return "", ""
}

// missing tells of the refunds that only one side has. A failed one moved no
// money, and PortOne's list is not known to keep it: its absence says nothing.
func (m *match) missing() {
	for _, i := range m.loneBooked() {
		m.tell(MissingAtPortone, i, -1, "")
	}
	for _, j := range m.loneListed() {
		note, in := "", m.instructions[m.listed[j].marker]
		if in.State != "" {
			note = fmt.Sprintf("It carries the marker of an instruction that the ledger calls %s.", in.State)
		}
		m.tell(MissingInLedger, -1, j, note)
	}
}

func (m *match) loneBooked() (is []int) {
	for i, b := range m.booked {
		if m.ofBooked[i] < 0 && !m.saidBooked[i] && b.status != Failed && !m.recent(b) {
			is = append(is, i)
		}
	}
	return is
}

func (m *match) loneListed() (js []int) {
	for j, l := range m.listed {
		if m.ofListed[j] < 0 && !m.saidListed[j] && l.status != Failed && !m.recent(l) {
			js = append(js, j)
		}
	}
	return js
}

// lastPair takes the only refund left on each side for one and the same where they
// resemble each other, so that a changed amount without any id is one difference. More
// than one on a side, or nothing in common: then nobody can tell, and they are missing
// both ways, with the same sum.
func (m *match) lastPair() {
	is, js := m.loneBooked(), m.loneListed()
	if len(is) == 1 && len(js) == 1 && resemble(m.booked[is[0]], m.listed[js[0]]) {
		m.ofBooked[is[0]], m.ofListed[js[0]] = js[0], is[0]
	}
}

// unsettled takes the listed refunds that may be what an instruction of unknown outcome
// made out of those to be called missing, and tells of outcomes unknown for too long.
func (m *match) unsettled() {
	ins := slices.Clone(m.books.Instructions)
	slices.SortFunc(ins, func(a, b Instruction) int { return cmp.Compare(a.Marker, b.Marker) })
	for _, in := range ins {
		if !in.unsettled() {
			continue
		}
		j := m.candidate(in)
		if j >= 0 && m.listed[j].marker == in.Marker && in.State == bulk.Quarantined {
			continue // known after all: listed, and not booked
		}
		if j < 0 {
			m.waiting = append(m.waiting, in)
		} else {
			m.saidListed[j] = true
		}
		if !m.list.ReadAt.After(in.Until) || m.list.ReadAt.Sub(in.Since) <= m.bounds.StillUnknown {
			continue
		}
		d := Discrepancy{Kind: StillUnknown, InstructionID: in.ID, Ledger: &in.Amount, LedgerStatus: string(in.State),
			about: "marker:" + in.Marker, Note: "Sent " + in.Since.UTC().Format(time.RFC3339) + "; no listed refund could be it."}
		if j >= 0 {
			l := m.listed[j]
			d.Portone, d.PortoneStatus, d.RefundID, d.PSPRefundID = &l.amount, l.word, l.id, l.psp
			d.Note = "Sent " + in.Since.UTC().Format(time.RFC3339) + "; the listed refund beside it could be it, but nothing proves it."
		}
		m.add(d)
	}
}

// candidate finds the listed refund that may be in's: by its marker, else by content
// where it bears no other marker and is not older.
func (m *match) candidate(in Instruction) int {
	content := -1
	for j, l := range m.listed {
		switch {
		case m.ofListed[j] >= 0 || m.saidListed[j]:
		case l.marker == in.Marker:
			return j
		case content < 0 && l.marker == "" && l.amount == in.Amount && l.status != Failed &&
			(l.date.IsZero() || !l.date.Before(in.Since.Add(-m.bounds.Grace))):
			content = j
		}
	}
	return content
}
