package bulk

import (
	"errors"
	"time"
)

// readStep is refunds resolve, or the nightly run: Resolve and Apply, a step at a time.
func (w *simWorld) readStep(t *simThread) {
	switch t.phase {
	case restarts:
		t.phase, t.wake = looksUp, w.now+time.Duration(1+w.dice[timing].n(600))*time.Second
	case looksUp:
		all := w.calm || w.dice[timing].n(3) == 0
		t.queue = w.unsettled(w.clockOf(t), all)
		w.says(t.self, "reads orders %v", t.queue)
		t.phase = readsOne
	case readsOne:
		if len(t.queue) == 0 {
			w.readsAgain(t)
			return
		}
		t.order, t.queue = t.queue[0], t.queue[1:]
		t.readAt, t.rounds, t.looked = w.clockOf(t), 0, false
		var err error
		if t.list, err = w.read(&w.orders[t.order]); err == nil {
			t.phase = tells
		}
		w.says(t.self, "list: %s %v", vndList(t.list), err)
	case tells:
		t.phase = readsOne
		if t.rounds++; t.rounds > 2+len(t.list.Refunds) {
			return
		}
		st := w.orderState(&w.orders[t.order], -1)
		if t.settle = Tell(st, t.list, w.rules, t.readAt, t.looked); t.settle != nil {
			t.phase = settles
			t.looked = t.looked || t.settle.To.Open()
		}
	case settles:
		s := *t.settle
		o := &w.orders[t.order]
		err := w.commits(func() error { return w.settleT2(o, s) })
		w.says(t.self, "settles %s %s → %s, %s %s: %v", s.Marker[18:], s.From, s.To, s.State, s.ReasonCode, err)
		switch {
		case errors.Is(err, ErrBoundElsewhere):
			*t.settle = s.boundElsewhere()
		case err != nil && !errors.Is(err, ErrMoved):
			t.phase = readsOne
		default:
			t.phase = tells
		}
	}
}

// readsAgain plans the next reading. Once all is calm and all rows have their last word, two
// more nights pass, and then the world ends.
func (w *simWorld) readsAgain(t *simThread) {
	t.phase = looksUp
	if !w.done() {
		w.wakeAll()
	}
	switch {
	case !w.calm:
		t.wake = w.now + time.Duration(1+w.dice[timing].n(900))*time.Second
	case !w.done() || w.underWay():
		t.wake = w.now + 5*time.Minute
	case t.nights < 2:
		t.nights++
		t.wake = w.now + 2*time.Hour
	default:
		t.phase, t.wake = rests, never
	}
}

func (w *simWorld) underWay() bool { return len(w.events) > 0 }
