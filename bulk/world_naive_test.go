package bulk

import (
	"strings"
	"time"

	"refunds/portone"
)

// simNaive is an issuer as one writes it in an afternoon. It has a database too: a row
// that was answered with 200 or refused is never sent again.
type simNaive struct {
	row   int // plus one; 0: none is under way
	posts int
	phase naivePhase
}

type naivePhase int

const (
	naivePosts naivePhase = iota
	naiveAwaits
	naiveLooks
)

const (
	retryOnError = "retry on error"
	lookOnce     = "look once, retry if absent"
)

func (w *simWorld) naiveStep(t *simThread) {
	n := &t.naive
	o := &w.orders[t.order]
	t.phase = steps
	if n.row == 0 {
		for i := range w.rows {
			if r := &w.rows[i]; r.order == t.order && r.state == Planned {
				*n = simNaive{row: i + 1}
				break
			}
		}
		if n.row == 0 {
			t.phase = rests
			return
		}
	}
	r := &w.rows[n.row-1]
	switch n.phase {
	case naivePosts:
		n.posts++
		t.epoch++
		f, x := w.fateOf()
		t.waits, t.patience, n.phase = true, w.now+simTimeout, naiveAwaits
		t.wake = t.patience
		w.later(w.now+50*time.Millisecond, simEvent{kind: eventArrive, order: t.order, post: simPost{
			thread: t.self, epoch: t.epoch, order: t.order, row: n.row - 1, attempt: r.Marker[18:], expires: w.clockOf(t).Add(simTokenTTL),
			kind: portone.Partial, amount: r.Amount.Minor, reason: r.Marker, fate: f, dice: x,
		}})
	case naiveAwaits:
		a := t.done.Answer
		if t.waits {
			t.waits = false
			a = portone.Answer{Class: portone.Unknown}
		}
		switch {
		case a.Class == portone.Listed:
			r.state, n.row = Issued, 0
		case a.Class == portone.Refused:
			r.state, n.row = Refused, 0
		case n.posts == 5:
			r.state, n.row = Failed, 0
		case w.naive == lookOnce:
			n.phase = naiveLooks
			t.wake = w.now + time.Second
		default:
			n.phase = naivePosts
			t.wake = w.now + time.Second
		}
	case naiveLooks:
		n.phase = naivePosts
		l, err := w.read(o)
		if err != nil {
			n.phase = naiveLooks
		}
		for _, x := range l.Refunds {
			if strings.Contains(x.Reason, r.Marker) {
				r.state, n.row, n.phase = Issued, 0, naivePosts
				return
			}
		}
	}
	w.says(t.self, "row %d: phase %d, %s", n.row-1, n.phase, r.state)
}
