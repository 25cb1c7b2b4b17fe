package bulk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"refunds/portone"
)

// drive is one visit of an order: it does what the order's Turn asks for.
type drive struct {
	*Issuer
	order, batchID string
	prepared       portone.Prepared
	gated          bool   // the breaker let us send, and we have not yet
	turned         func() // gives the place among those ahead back
}

// visit takes one order as far as it goes now.
func (i *Issuer) visit(ctx context.Context, order, batchID string) visit {
	i.mu.Lock()
	t := i.turns[order]
	if t == nil {
		t = NewTurn(order, i.Rules, i.lostUntil(order))
		i.turns[order] = t
	}
	i.mu.Unlock()
	d := &drive{Issuer: i, order: order, batchID: batchID, turned: func() {}}
	defer d.leave()
	for do := t.Start(); ; {
		if do.Kind == DoEnd {
			return visit{order, i.after(order, do.End)}
		}
		if do.Kind == DoState {
			d.leave()
		}
		done := d.do(ctx, do)
		if ctx.Err() != nil && errors.Is(done.Err, ctx.Err()) && do.Kind != DoConfirm {
			return visit{order, End{Stop: ctx.Err()}}
		}
		do = t.Next(done)
	}
}

// leave gives back what was taken for a send that did not come.
func (d *drive) leave() {
	d.turned()
	if d.gated {
		d.gated = false
		d.Breaker.GiveBack()
	}
}

// do does one thing. ctx cuts whatever may be left undone. From T1 on nothing may: a T1 or T2
// whose outcome is not known helps nobody.
func (d *drive) do(ctx context.Context, do Do) (done Done) {
	done.At = time.Now()
	whole := context.WithoutCancel(ctx)
	switch do.Kind {
	case DoState, DoFetch, DoAsk, DoGate, DoBaseline, DoPrepare, DoBegin, DoLook:
		if done.Err = ctx.Err(); done.Err != nil {
			return done
		}
	}
	switch do.Kind {
	case DoState:
		done.State, done.Err = d.Ledger.OrderState(ctx, d.order, d.batchID)
		done.At = time.Now()
	case DoFetch, DoAsk:
		done.Order, done.Err = d.PortOne.Order(ctx, d.order)
	case DoPut:
		done.Err = d.Ledger.PutOrder(whole, do.Order)
	case DoGate:
		if done.Err = d.PortOne.Ready(ctx); done.Err == nil {
			d.gated = d.Breaker.Take()
			done.Paused = !d.gated
		}
	case DoBaseline, DoLook:
		done.List, done.Err = d.PortOne.Refunds(ctx, d.order, do.Currency)
	case DoConfirm:
		// A stop does not cut it, but bounds it: a refusal that is not confirmed is unknown, not lost.
		bounded, cancel := context.WithCancel(whole)
		defer cancel()
		defer context.AfterFunc(ctx, func() { time.AfterFunc(d.Rules.Timeout, cancel) })()
		done.List, done.Err = d.PortOne.Refunds(bounded, d.order, do.Currency)
	case DoPrepare:
		select {
		case d.ahead <- struct{}{}:
			d.turned = sync.OnceFunc(func() { <-d.ahead })
		case <-ctx.Done():
			done.Err = ctx.Err()
			return done
		}
		done.At = time.Now()
		d.prepared, done.Err = d.PortOne.Prepare(do.Request, done.At)
		d.prepared.Turned = d.turned
		done.Prepared = d.prepared
	case DoBegin:
		done.Err = d.Ledger.Begin(whole, do.Attempt, do.Version)
	case DoJournal:
		done.Err = d.Journal.Append(do.Attempt)
	case DoSend:
		done.Answer = d.PortOne.Send(ctx, d.prepared)
		done.At = time.Now()
		d.turned()
	case DoSettle:
		if s := do.Settlement; s.Answer != nil && s.To != AttemptNotSent {
			d.gated = false
			d.Breaker.Sent(s.To == AttemptUnknown && !s.Limited)
		}
		done.Err = d.settle(whole, do.Settlement)
	case DoRecall:
		var missing []string
		missing, done.Err = d.Ledger.MissingAttempts(whole, []string{do.Attempt.ID})
		done.Missing = len(missing) > 0
	default:
		panic(fmt.Sprintf("bulk: %q is asked for", do.Kind))
	}
	if done.Err == nil && (do.Kind == DoFetch || do.Kind == DoBaseline || do.Kind == DoLook) {
		d.mu.Lock()
		d.reached = true
		d.mu.Unlock()
	}
	return done
}

// after decides what a failed visit means for the run: stop it, visit the order later, or
// leave it as it is.
func (i *Issuer) after(order string, e End) End {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e.Failed == nil {
		delete(i.tries, order)
		return e
	}
	i.tries[order]++
	switch n, err := i.tries[order], e.Failed; {
	case errors.Is(err, portone.ErrUnauthorized),
		errors.Is(err, portone.ErrUnavailable) && !i.reached: // a wrong address, or no network
		return End{Stop: err}
	case n >= maxTries && !ofPortOne(err): // the ledger: no other order can do better
		return End{Stop: err}
	case n >= maxTries:
		i.Log.Error("order left as it is", "order_ref", order, "tries", n, "error", err)
		return End{}
	default:
		level := slog.LevelWarn
		if len(i.tries) > 10 {
			level = slog.LevelDebug // one cause, told often enough
		}
		i.Log.Log(context.Background(), level, "order visited again later", "order_ref", order, "tries", n, "error", err)
		return End{Until: time.Now().Add(time.Second << n)}
	}
}

// ofPortOne tells a failure of PortOne's from one of the ledger's.
func ofPortOne(err error) bool {
	return errors.Is(err, portone.ErrUnavailable) || errors.Is(err, portone.ErrUnreadable) || errors.Is(err, portone.ErrOrderUnknown)
}

// settle makes a T2, tells who observes, and lets the breaker know.
func (i *Issuer) settle(ctx context.Context, s Settlement) error {
	if err := i.Ledger.Settle(ctx, s); err != nil {
		return fmt.Errorf("settle order %s: %w", s.OrderRef, err)
	}
	if s.From.Open() && !s.To.Open() || s.To == AttemptQuarantined {
		i.Breaker.Settled()
	}
	if i.Observe != nil {
		i.Observe(s)
	}
	return nil
}
