package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"refunds/portone"
)

// does is the production shell's part, against the world.
func (w *simWorld) does(t *simThread, do Do) {
	o := &w.orders[t.order]
	t.done = Done{At: w.clockOf(t)}
	d := &t.done
	switch do.Kind {
	case DoState:
		d.State, t.late = w.orderState(o, t.batch), true
	case DoFetch, DoAsk:
		if _, ok := w.strikes(get, w.rate.get); ok {
			d.Err = portone.ErrUnavailable
			break
		}
		d.Order = portone.Order{OrderRef: o.ref, Amount: vnd(o.amount), Channel: channelNames[o.channel], MultiRefundAllowed: o.multi}
	case DoPut:
		d.Err = w.commits(func() error { w.put(o, do.Order); return nil })
	case DoRecall:
		d.Missing = o.attempt(do.Attempt.ID) == nil
	case DoGate:
		_, d.Paused = w.strikes(gate, w.rate.gate)
	case DoBaseline, DoConfirm, DoLook:
		d.List, d.Err = w.read(o)
	case DoPrepare:
		t.body = do.Request
		t.expires = d.At.Truncate(time.Second).Add(simTokenTTL)
		d.Prepared = portone.Prepared{OrderRef: o.ref, Currency: "VND", Body: []byte(do.Request.Description), ExpiresAt: t.expires}
	case DoBegin:
		t.attempt = do.Attempt
		a, v := do.Attempt, do.Version
		d.Err = w.commits(func() error { return w.begin(o, a, v) })
	case DoJournal:
		if _, ok := w.strikes(journal, w.rate.journal); ok {
			d.Err = errors.New("no space left on device")
		}
	case DoSend:
		if !d.At.Before(t.expires.Add(-simTimeout)) {
			d.Answer, t.late = portone.Answer{Class: portone.NotSent, Err: context.Canceled}, true
			break
		}
		t.phase = writes
	case DoSettle:
		s := do.Settlement
		d.Err = w.commits(func() error { return w.settleT2(o, s) })
	}
	if w.tracing {
		w.saysDone(t, do)
	}
}

func (w *simWorld) put(o *simOrder, order Order) {
	if !o.known {
		o.known, o.order, o.version = true, order, 1
	}
}

// commits makes a transaction, whose outcome its maker may never learn.
func (w *simWorld) commits(tx func() error) error {
	x, ok := w.strikes(commit, w.rate.commit)
	if !ok {
		return tx()
	}
	switch x.n(3) {
	case 0:
		return errCommit
	case 1:
		err := tx()
		w.says(-1, "the commit that fails was made: %v", err)
		return errCommit
	default:
		w.later(w.now+x.upTo(2*time.Minute), simEvent{kind: eventCommit, commit: tx})
		return errCommit
	}
}

// write puts the bytes on their way. The checks were passed a step ago.
func (w *simWorld) write(t *simThread) {
	f, x := w.fateOf()
	if f == unsent {
		t.phase, t.late = steps, true
		t.done.Answer = portone.Answer{Class: portone.NotSent, Message: "connection refused"}
		return
	}
	o := &w.orders[t.order]
	w.hold(o.attempt(t.attempt.ID) != nil, "a POST byte before a durable attempt")
	t.epoch++
	t.phase, t.waits, t.patience = answers, true, w.now+simTimeout
	t.wake = t.patience
	way := time.Duration(w.dice[timing].n(200)) * time.Millisecond
	if w.dice[timing].n(12) == 0 {
		way = time.Duration(w.dice[timing].n(int(simTimeout)))
	}
	if last := t.expires.Add(time.Second-1).Sub(w.clock) - w.now; w.edge && last > 0 {
		way = last
	}
	w.later(w.now+way, simEvent{kind: eventArrive, order: t.order, post: simPost{
		thread: t.self, epoch: t.epoch, order: t.order, row: w.rowOf(t.attempt.Marker), attempt: t.attempt.ID, expires: t.expires,
		kind: t.body.Type, amount: t.body.Amount.Minor, reason: t.body.Reason, fate: f, dice: x,
	}})
	w.says(t.self, "writes the POST")
}

func (w *simWorld) saysDone(t *simThread, do Do) {
	d := &t.done
	switch do.Kind {
	case DoState:
		open := "nothing open"
		if a := d.State.Open; a != nil {
			open = fmt.Sprintf("%s is %s, look %s", a.ID[18:], a.State, a.NextLook.Sub(w.clock).Round(time.Millisecond))
		}
		w.says(t.self, "state: version %d, %d rows, %s, %d bound", d.State.Version, len(d.State.Rows), open, len(d.State.Bound))
	case DoBaseline, DoConfirm, DoLook:
		w.says(t.self, "%s: %s %v", do.Kind, vndList(d.List), d.Err)
	case DoBegin:
		w.says(t.self, "begin %s: %v", do.Attempt.ID[18:], d.Err)
	case DoSend:
		w.says(t.self, "send: %s", d.Answer.Class)
	case DoSettle:
		s := do.Settlement
		w.says(t.self, "settle %s %s → %s, %s %s: %v", s.Marker[18:], s.From, s.To, s.State, s.ReasonCode, d.Err)
	default:
		w.says(t.self, "%s: %v", do.Kind, d.Err)
	}
}
