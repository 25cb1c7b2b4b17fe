package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"refunds/portone"
)

// Resolve reads, of each order with an outcome that is to be looked at by due, the list, and
// settles by it what it tells: unknown outcomes, quarantined rows whose marker turned
// up, pending refunds that became final. It posts nothing. An order whose list can't be
// read is left for the next time and counted in unread; a wrong key ends it.
func (i *Issuer) Resolve(ctx context.Context, due time.Time) (looked, unread int, err error) {
	orders, err := i.Ledger.Unsettled(ctx, due)
	if err != nil {
		return 0, 0, err
	}
	errs := make([]error, len(orders))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(i.Concurrency)
	for n, order := range orders {
		group.Go(func() error {
			errs[n] = i.resolveOrder(groupCtx, order)
			if errors.Is(errs[n], portone.ErrUnauthorized) {
				return errs[n]
			}
			return nil
		})
	}
	err = group.Wait()
	for n, e := range errs {
		if e == nil {
			continue
		}
		unread++
		i.Log.Warn("order not resolved", "order_ref", orders[n], "error", e)
	}
	return len(orders), unread, err
}

func (i *Issuer) resolveOrder(ctx context.Context, orderRef string) error {
	st, err := i.Ledger.OrderState(ctx, orderRef, "")
	if err != nil || st.Order == nil {
		return err
	}
	readAt := time.Now()
	list, err := i.PortOne.Refunds(ctx, orderRef, st.Order.Amount.Currency)
	if err != nil {
		return fmt.Errorf("read the refunds of order %s: %w", orderRef, err)
	}
	return i.Apply(ctx, orderRef, list, readAt)
}

// Apply settles what a list, whose reading began at readAt, tells of an order's instructions.
// It posts nothing, and may be called with any list, also twice.
func (i *Issuer) Apply(ctx context.Context, orderRef string, list portone.RefundList, readAt time.Time) error {
	looked := false
	for range 2 + len(list.Refunds) { // each round settles one refund of the list, or looks for the open attempt, or is the last
		st, err := i.Ledger.OrderState(ctx, orderRef, "")
		if err != nil {
			return err
		}
		s := Tell(st, list, i.Rules, readAt, looked)
		if s == nil {
			return nil
		}
		looked = looked || s.To.Open() // still open, this list tells no more of it
		err = i.settle(context.WithoutCancel(ctx), *s)
		if errors.Is(err, ErrBoundElsewhere) {
			*s = s.boundElsewhere()
			err = i.settle(context.WithoutCancel(ctx), *s)
		}
		if err != nil && !errors.Is(err, ErrMoved) {
			return err
		}
	}
	return nil
}

// Tell is what a list, whose reading began at readAt, tells of an order: first Resolve, where an
// outcome is open, then, once that was looked at, Refresh. Nil: nothing more.
func Tell(st OrderState, list portone.RefundList, r Rules, readAt time.Time, looked bool) *Settlement {
	switch {
	case st.Open != nil && !looked:
		s := Resolve(st, list, r, readAt)
		return &s
	case st.Order != nil:
		return Refresh(st, list, readAt)
	default:
		return nil
	}
}
