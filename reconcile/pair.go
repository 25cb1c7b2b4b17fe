package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"refunds/portone"
)

// told is one refund as one side tells it: booked, listed, or seen earlier.
type told struct {
	psp, id, marker string
	amount          portone.Money
	status          BookedStatus // any word of PortOne's that is not final is Pending
	word            string       // the side's own word for status
	reason          string
	date            time.Time
	instructionID   string
	listed          bool // by the list that is matched
	echoed          bool // the channel gave the marker back in the reason
}

// counted is what the side counts as refunded: nothing for a failed refund.
func (t told) counted() portone.Money {
	if t.status == Failed {
		return portone.Money{Currency: t.amount.Currency}
	}
	return t.amount
}

// about names the refund for a discrepancy's id, by what changes least.
func (t told) about() string {
	switch {
	case t.psp != "":
		return "psp:" + t.psp
	case t.id != "":
		return "ref:" + t.id
	case t.marker != "":
		return "marker:" + t.marker
	}
	return fmt.Sprintf("content:%s %s", t.amount, t.amount.Currency)
}

// compareTold is a total order up to refunds that are the same in every field.
func compareTold(a, b told) int {
	return cmp.Or(cmp.Compare(a.psp, b.psp), cmp.Compare(a.id, b.id), cmp.Compare(a.marker, b.marker),
		a.date.Compare(b.date), cmp.Compare(a.amount.Currency, b.amount.Currency), cmp.Compare(a.amount.Minor, b.amount.Minor),
		cmp.Compare(a.status, b.status), cmp.Compare(a.word, b.word), cmp.Compare(a.reason, b.reason),
		cmp.Compare(a.instructionID, b.instructionID))
}

// contradict tells whether the first kind of identity that both sides have is another
// on each: then they are two refunds, however equal they look.
func contradict(a, b told) bool {
	switch {
	case a.psp != "" && b.psp != "":
		return a.psp != b.psp
	case a.id != "" && b.id != "":
		return a.id != b.id
	}
	return a.marker != "" && b.marker != "" && a.marker != b.marker
}

// unmarked tells whether y, of the list, lacks the marker that the list showed x with.
func unmarked(x, y told) bool { return y.listed && y.marker == "" && x.echoed }

// pair finds for each of a the one of b that is the same refund: by psp_refund_id, else by
// refund_id, else by marker, else by amount and currency with multiplicity. It gives
// for each of a the place in b, or -1, and the reverse. Both must be sorted by compareTold.
func pair(a, b []told) (ofA, ofB []int) {
	ofA, ofB = slices.Repeat([]int{-1}, len(a)), slices.Repeat([]int{-1}, len(b))
	for _, same := range []func(x, y told) bool{
		func(x, y told) bool { return x.psp != "" && x.psp == y.psp },
		func(x, y told) bool { return x.id != "" && x.id == y.id && !contradict(x, y) },
		func(x, y told) bool { return x.marker != "" && x.marker == y.marker && !contradict(x, y) },
		func(x, y told) bool { return x.amount == y.amount && !contradict(x, y) && !unmarked(x, y) },
	} {
		pairBy(a, b, ofA, ofB, same)
	}
	return ofA, ofB
}

// pairBy pairs as many as can be of those that are still alone, preferring those
// that are alike in more than same asks for. Each step only adds pairs (augmenting
// paths), so a preference never costs one.
func pairBy(a, b []told, ofA, ofB []int, same func(x, y told) bool) {
	freeA, freeB := alone(ofA), alone(ofB)
	if len(freeA) == 0 || len(freeB) == 0 {
		return
	}
	for likeness := 3; likeness >= 0; likeness-- {
		edge := func(i, j int) bool { return same(a[i], b[j]) && alike(a[i], b[j]) >= likeness }
		for _, i := range freeA {
			if ofA[i] < 0 {
				augment(i, freeB, ofA, ofB, edge, make([]bool, len(b)))
			}
		}
	}
}

func augment(i int, freeB, ofA, ofB []int, edge func(i, j int) bool, tried []bool) bool {
	for _, j := range freeB { // first without moving anybody: hundreds of equal ones stay quick
		if ofB[j] < 0 && !tried[j] && edge(i, j) {
			ofA[i], ofB[j] = j, i
			return true
		}
	}
	for _, j := range freeB {
		if tried[j] || !edge(i, j) {
			continue
		}
		tried[j] = true
		if augment(ofB[j], freeB, ofA, ofB, edge, tried) {
			ofA[i], ofB[j] = j, i
			return true
		}
	}
	return false
}

// alike is how much of two refunds is the same besides their identity.
func alike(x, y told) int {
	switch {
	case x.amount != y.amount:
		return 0
	case x.status != y.status:
		return 1
	case x.id != y.id || !sameDay(x, y):
		return 2
	}
	return 3
}

// sameDay tells whether both dates are known and no further apart than a day: the two
// sides may keep them in different time zones.
func sameDay(x, y told) bool {
	return !x.date.IsZero() && !y.date.IsZero() && x.date.Sub(y.date).Abs() <= 24*time.Hour
}

func alone(of []int) (free []int) {
	for i, j := range of {
		if j < 0 {
			free = append(free, i)
		}
	}
	return free
}

// resemble tells whether two refunds without an identity in common, each the only one
// left on its side, are one refund told with another amount or another currency: they
// must share one of the two, and a date or a reason.
func resemble(x, y told) bool {
	if contradict(x, y) || unmarked(x, y) || x.amount.Currency != y.amount.Currency && plain(x.amount) != plain(y.amount) {
		return false
	}
	return sameDay(x, y) || x.reason != "" && x.reason == y.reason
}

// plain is the bare number: the same for 100.00 THB and 100 JPY.
func plain(m portone.Money) string {
	s := m.String()
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func bookedTold(books []Booked) []told {
	ts := make([]told, 0, len(books))
	for _, b := range books {
		ts = append(ts, told{psp: b.PSPRefundID, id: b.RefundID, marker: b.Marker, amount: b.Amount, status: b.Status,
			word: string(b.Status), reason: strings.TrimSpace(b.Reason), date: b.RefundedAt, instructionID: b.InstructionID,
			echoed: b.Marker != "" && strings.Contains(b.Reason, b.Marker)})
	}
	slices.SortFunc(ts, compareTold)
	return ts
}

func listedTold(refunds []portone.Refund, markers map[string]Instruction) []told {
	ts := make([]told, 0, len(refunds))
	for _, r := range refunds {
		marker := markerIn(r.Reason, markers)
		ts = append(ts, told{psp: r.PSPRefundID, id: r.RefundID, marker: marker, amount: r.Amount, status: statusOf(r.Status),
			word: string(r.Status), reason: strings.TrimSpace(strings.Replace(r.Reason, marker, "", 1)), date: r.Date,
			instructionID: markers[marker].ID, listed: true})
	}
	slices.SortFunc(ts, compareTold)
	return ts
}

func statusOf(s portone.Status) BookedStatus {
	switch {
	case s.Succeeded():
		return Success
	case s.Failed():
		return Failed
	}
	return Pending
}
