package bulk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"refunds/portone"
)

// WentBack tells of history that the ledger has lost, or may have.
type WentBack struct {
	// Of the attempts that the journal has and the ledger has not, and that are not seen to
	// yet. Zero attempts: the journal is new and the ledger is not, so nobody knows of any.
	Attempts, Orders int
	First, Last      time.Time // when they began
	Until            time.Time // nothing is sent before that for the orders concerned
}

// lostSlack is how much a refund's date may lie behind the time by which it must have been listed,
// for it to be one that was lost: PortOne's dates come in three forms and any zone.
const lostSlack = 24 * time.Hour

// begin forgets the last run. If the ledger has lost attempts it reads every open order again:
// those of the lost attempts, and, unless that settles them all, those with an outcome to settle
// and those of this run. Its error means that nothing may be sent.
func (i *Issuer) begin(ctx context.Context, batchID string, orders []string) error {
	i.turns, i.tries, i.reached = map[string]*Turn{}, map[string]int{}, false
	i.lost, i.careful = map[string][]JournalLine{}, time.Time{}
	i.ahead = make(chan struct{}, max(1, i.Ahead))
	lines, careful, err := i.Journal.missing(func(ids []string) ([]string, error) { return i.Ledger.MissingAttempts(ctx, ids) })
	if err != nil {
		return fmt.Errorf("compare the journal with the ledger: %w; nothing was sent", err)
	}
	i.careful = careful
	for _, l := range lines {
		i.lost[l.OrderRef] = append(i.lost[l.OrderRef], l)
	}
	if len(lines) == 0 {
		if time.Now().Before(careful) {
			i.tell(WentBack{Until: careful})
		}
		return nil
	}
	err = i.readAgain(ctx, batchID, i.lostOrders())
	if len(i.lost) == 0 {
		return err // each was settled meanwhile: nothing is left to tell
	}
	i.tell(i.wentBack())
	if err != nil {
		return err
	}
	unsettled, err := i.Ledger.Unsettled(ctx, time.Now().Add(100*365*24*time.Hour))
	if err != nil {
		return err
	}
	rest := slices.Concat(orders, unsettled)
	slices.Sort(rest)
	rest = slices.DeleteFunc(slices.Compact(rest), func(ref string) bool { return len(i.lost[ref]) > 0 })
	return i.readAgain(ctx, batchID, rest)
}

// wentBack sums up the lost attempts that are not seen to.
func (i *Issuer) wentBack() WentBack {
	w := WentBack{Orders: len(i.lost)}
	for _, lines := range i.lost {
		w.Attempts += len(lines)
		for _, l := range lines {
			if w.First.IsZero() || l.At.Before(w.First) {
				w.First = l.At
			}
			if l.At.After(w.Last) {
				w.Last = l.At
			}
			if l.AbsentAt.After(w.Until) {
				w.Until = l.AbsentAt
			}
		}
	}
	return w
}

func (i *Issuer) tell(w WentBack) {
	i.Log.Debug("the ledger went back in time, or may have", "attempts", w.Attempts, "orders", w.Orders, "until", w.Until)
	if i.WentBack != nil {
		i.WentBack(w)
	}
}

func (i *Issuer) lostOrders() []string {
	var refs []string
	for ref := range i.lost {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs
}

// lostUntil is when the refunds of an order's lost attempts are listed, if they were made; zero:
// it lost none.
func (i *Issuer) lostUntil(order string) time.Time {
	until := i.careful
	for _, l := range i.lost[order] {
		if l.AbsentAt.After(until) {
			until = l.AbsentAt
		}
	}
	return until
}

// readAgain reads the lists of the orders, settles what they tell, and writes down which lost
// attempts are seen to by it. An order that PortOne does not know, or whose list is no list, is
// answered for: nothing is sent for it either. One that can't be reached is an error.
func (i *Issuer) readAgain(ctx context.Context, batchID string, orders []string) error {
	var unread atomic.Int64
	defer i.forgetSeen()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(i.Concurrency)
	for _, order := range orders {
		group.Go(func() error {
			err := i.readOne(groupCtx, batchID, order)
			switch {
			case err == nil || errors.Is(err, portone.ErrOrderUnknown) || errors.Is(err, portone.ErrUnreadable):
				return nil
			case errors.Is(err, portone.ErrUnavailable):
				unread.Add(1)
				i.Log.Warn("order not read again", "order_ref", order, "error", err)
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n := unread.Load(); n > 0 {
		return fmt.Errorf("%w: the ledger has lost attempts, and the lists of %d open orders could not be read again; nothing was sent, issue the file again", ErrStop, n)
	}
	return nil
}

// forgetSeen takes what is seen to off the lost attempts.
func (i *Issuer) forgetSeen() {
	for _, l := range i.seen {
		left := slices.DeleteFunc(i.lost[l.OrderRef], func(o JournalLine) bool { return o == l })
		if i.lost[l.OrderRef] = left; len(left) == 0 {
			delete(i.lost, l.OrderRef)
		}
	}
	i.seen = nil
}

func (i *Issuer) readOne(ctx context.Context, batchID, order string) error {
	st, err := i.Ledger.OrderState(ctx, order, batchID)
	if err != nil {
		return err
	}
	lost := i.lost[order]
	var currency portone.Currency
	switch {
	case st.Order != nil:
		currency = st.Order.Amount.Currency
	case len(st.Rows) > 0:
		currency = st.Rows[0].Amount.Currency
	case len(lost) > 0:
		currency = portone.Currency(lost[0].Currency)
	default:
		return nil
	}
	readAt := time.Now()
	list, err := i.PortOne.Refunds(ctx, order, currency)
	if err != nil {
		return err
	}
	if err := i.Apply(ctx, order, list, readAt); err != nil || len(lost) == 0 {
		return err
	}
	if st, err = i.Ledger.OrderState(ctx, order, batchID); err != nil {
		return err
	}
	for _, l := range lost {
		if seenTo(l, st, list, readAt) {
			if err := i.Journal.seen(l, readAt); err != nil {
				i.Log.Warn("journal not written; the loss is told of again", "order_ref", order, "error", err)
			}
			i.mu.Lock()
			i.seen = append(i.seen, l)
			i.mu.Unlock()
		}
	}
	return nil
}

// closeLost looks, at the end of a run, whether lost attempts are seen to by now, so that they
// are not told of again.
func (i *Issuer) closeLost(ctx context.Context) {
	if len(i.lost) == 0 {
		return
	}
	if err := i.readAgain(ctx, "", i.lostOrders()); err != nil {
		i.Log.Warn("the ledger's loss is told of again", "error", err)
	}
}

// seenTo tells whether an attempt that the ledger lost is settled for good: its refund is booked
// for its row; or a list read after it must have been listed shows neither its marker nor a
// refund of its amount that nobody has booked, so that it was not made.
func seenTo(l JournalLine, st OrderState, list portone.RefundList, readAt time.Time) bool {
	marker := l.Attempt[:max(0, strings.LastIndexByte(l.Attempt, '-'))]
	for _, b := range st.Bound {
		if b.Marker == marker {
			return true
		}
	}
	amount, err := portone.ParseMoney(l.Amount, portone.Currency(l.Currency))
	switch state := st.Markers[marker]; {
	case err != nil || marker == "" || readAt.Before(l.AbsentAt):
		return false
	case state == Quarantined || state == Sending || state == Unknown:
		return false
	}
	return len(withMarker(list, marker)) == 0 && !nobodys(st, list, amount, l.AbsentAt.Add(lostSlack))
}

// nobodys tells whether the list shows a refund of that amount that nobody has booked, that is no
// other row's by its marker, not failed, and that is not dated after before; zero: whenever.
func nobodys(s OrderState, list portone.RefundList, amount portone.Money, before time.Time) bool {
	for _, i := range unbooked(list, s.Bound, s.Imported) {
		r := list.Refunds[i]
		if r.Amount == amount && !r.Status.Failed() && !carriesAny(r, s.Markers) && (before.IsZero() || r.Date.IsZero() || !r.Date.After(before)) {
			return true
		}
	}
	return false
}
