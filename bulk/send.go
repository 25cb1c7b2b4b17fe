package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"refunds/portone"
)

// fetch books an order that the ledger lacks. One that PortOne does not know ends its rows.
func (i *Issuer) fetch(ctx context.Context, st OrderState, orderRef string) error {
	o, err := i.PortOne.Order(ctx, orderRef)
	if errors.Is(err, portone.ErrOrderUnknown) {
		row := st.Rows[0]
		return i.settle(ctx, Settlement{
			OrderRef: orderRef, Marker: row.Marker, At: time.Now(), State: Refused,
			ReasonCode: "order_unknown", Message: "PortOne does not know this order; check order_ref and the environment",
		})
	}
	if err != nil {
		return fmt.Errorf("fetch order %s: %w", orderRef, err)
	}
	return i.Ledger.PutOrder(ctx, Order{
		OrderRef: orderRef, MerchantOrderRef: o.MerchantOrderRef, Amount: o.Amount, Channel: o.Channel,
		RefundAllowed: o.RefundAllowed, MultiRefundAllowed: o.MultiRefundAllowed, PaidAt: o.PaidAt,
	})
}

// send takes the order's first row from its baseline to a recorded outcome. A time means
// that the order is to be visited again then.
//
// The order of things is the promise: the attempt is durable in the ledger, then in the
// journal, then one POST goes out with the very token whose expiry was stored. Killed
// before T1 it leaves nothing; killed after, an attempt that Resolve settles.
func (i *Issuer) send(ctx context.Context, st OrderState) (again time.Time, err error) {
	sent := false
	defer func() {
		if !sent {
			i.Breaker.GiveBack()
		}
	}()
	if err := i.PortOne.Ready(ctx); err != nil {
		return again, err
	}
	plan, err := i.plan(ctx, &st)
	if err != nil {
		return again, err
	}
	switch {
	case plan.Settle != nil:
		return again, i.settle(ctx, *plan.Settle)
	case plan.ReadAgain:
		return time.Now().Add(max(i.Rules.Bounds.ListLag/8, 50*time.Millisecond)), nil
	}
	select {
	case i.ahead <- struct{}{}:
	case <-ctx.Done():
		return again, ctx.Err()
	}
	turned := sync.OnceFunc(func() { <-i.ahead })
	defer turned()
	row, now := st.Rows[0], time.Now()
	prepared, err := i.PortOne.Prepare(*plan.Request, now)
	if err != nil {
		return again, i.settle(ctx, Settlement{
			OrderRef: st.Order.OrderRef, Marker: row.Marker, At: now, Version: st.Version,
			State: Refused, ReasonCode: "not_sendable", Message: err.Error(),
		})
	}
	a := Attempt{
		ID: fmt.Sprintf("%s-%d", row.Marker, row.Attempts+1), N: row.Attempts + 1, Marker: row.Marker,
		OrderRef: st.Order.OrderRef, Amount: row.Amount, Channel: plan.Request.Channel,
		Body: prepared.Body, BodySHA256: prepared.BodySHA256(), TokenSHA256: prepared.TokenSHA256(),
		TokenExpires: prepared.ExpiresAt, Baseline: plan.Baseline, Bounds: i.Rules.Bounds,
		StartedAt: now, NextLook: now.Add(i.Rules.Timeout + time.Second), State: AttemptSending,
	}
	prepared.Turned = turned
	// From here on a stop must not cut: a T1 or T2 whose outcome is not known helps nobody.
	whole := context.WithoutCancel(ctx)
	if err := i.Ledger.Begin(whole, a, st.Version); err != nil {
		return again, err
	}
	if unjournaled := i.Journal.Append(a); unjournaled != nil {
		_, err := i.record(whole, a, row, st.Echoes, portone.Answer{Class: portone.NotSent, Err: context.Canceled})
		return again, errors.Join(fmt.Errorf("%w: %w", ErrStop, unjournaled), err)
	}
	sent = true
	ans := i.PortOne.Send(ctx, prepared)
	row.NotSent = i.countNotSent(a.OrderRef, ans)
	stop, err := i.record(whole, a, row, st.Echoes, ans)
	i.Breaker.Sent(stop == nil && ans.Class == portone.Unknown)
	return again, errors.Join(stop, err)
}

// plan reads a baseline and decides on the order's first row by it.
func (i *Issuer) plan(ctx context.Context, st *OrderState) (Plan, error) {
	order := st.Order.OrderRef
	i.mu.Lock()
	since, lost := i.behind[order], i.lost[order]
	i.mu.Unlock()
	st.Lost = !lost.IsZero()
	now := time.Now()
	if now.Before(lost) {
		return Plan{ReadAgain: true}, nil
	}
	list, err := i.PortOne.Refunds(ctx, order, st.Order.Amount.Currency)
	switch {
	case errors.Is(err, portone.ErrUnreadable), errors.Is(err, portone.ErrOrderUnknown):
		s := Settlement{OrderRef: order, Marker: st.Rows[0].Marker, At: now, Version: st.Version,
			State: Failed, ReasonCode: "list_unreadable", Message: err.Error() + "; nothing was sent"}
		if errors.Is(err, portone.ErrOrderUnknown) {
			s.State, s.ReasonCode, s.Message = Refused, "order_unknown", "PortOne does not know this order; check order_ref and the environment"
		}
		return Plan{Settle: &s}, nil
	case err != nil:
		return Plan{}, fmt.Errorf("read the refunds of order %s: %w", order, err)
	}
	p := PlanRow(*st, list, i.Rules, since, now)
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case !p.ReadAgain:
		delete(i.behind, order)
	case since.IsZero():
		i.behind[order] = now
	}
	return p, nil
}

// countNotSent counts the attempts of this run and order before this one that could not be
// sent, though it was time for it. Only a run counts them: another day the network is back.
func (i *Issuer) countNotSent(order string, ans portone.Answer) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.notSent[order]
	if ans.Class == portone.NotSent && !ans.NotYet() {
		i.notSent[order]++
	} else {
		delete(i.notSent, order)
	}
	return before
}

// record classifies an answer and makes its T2. Stop is set where no other row can do better.
func (i *Issuer) record(ctx context.Context, a Attempt, row OpenRow, echoes bool, ans portone.Answer) (stop, err error) {
	s, confirm := Classify(a, row, ans, echoes, time.Now())
	if confirm {
		list, err := i.PortOne.Refunds(ctx, a.OrderRef, a.Amount.Currency)
		switch {
		case err == nil:
			var ends bool
			if s, ends = Confirm(a, row, ans, list, time.Now()); ends {
				stop = fmt.Errorf("%w: PortOne answered %s", ErrStop, words(ans))
			}
		default:
			s.unknown(a, time.Now(), "refused_unconfirmed", "PortOne refused ("+words(ans)+"), and the list could not be read to confirm it")
			if errors.Is(err, portone.ErrUnauthorized) {
				stop = err
			}
		}
	}
	return stop, i.settle(ctx, s)
}

// look reads the list for an order's open attempt, and records what it tells.
func (i *Issuer) look(ctx context.Context, st OrderState) error {
	readAt := time.Now()
	list, err := i.PortOne.Refunds(ctx, st.Open.OrderRef, st.Open.Amount.Currency)
	if err != nil {
		return fmt.Errorf("read the refunds of order %s: %w", st.Open.OrderRef, err)
	}
	return i.settle(context.WithoutCancel(ctx), Resolve(st, list, i.Rules, readAt))
}

// settle makes a T2, tells who observes, and lets the breaker know.
func (i *Issuer) settle(ctx context.Context, s Settlement) error {
	err := i.Ledger.Settle(ctx, s)
	if errors.Is(err, ErrBoundElsewhere) {
		s = s.boundElsewhere()
		err = i.Ledger.Settle(ctx, s)
	}
	if err != nil {
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
