package bulk

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"refunds/portone"
)

// PortOne is what issuing needs of the API.
type PortOne interface {
	Refunds(ctx context.Context, orderRef string, currency portone.Currency) (portone.RefundList, error)
	Order(ctx context.Context, orderRef string) (portone.Order, error)
	Prepare(r portone.RefundRequest, now time.Time) (portone.Prepared, error)
	Send(ctx context.Context, p portone.Prepared) portone.Answer
	Ready(ctx context.Context) error // waits while PortOne holds all calls
}

// An Issuer issues the open rows of a batch, orders side by side, one attempt at a time
// per order. Any number of Issuers, in one process or several, may work on one ledger.
type Issuer struct {
	Ledger      Ledger
	PortOne     PortOne
	Rules       Rules
	Journal     *Journal
	Breaker     *Breaker
	Concurrency int // orders side by side
	// Ahead is how many attempts may be durable and wait for their turn of the pace at a
	// time. Each is a row that a kill leaves for a person, so they are few: as many as the
	// pace uses up while one is made durable.
	Ahead  int
	NoWait bool // leave unknown outcomes to a later Issue or Resolve
	Log    *slog.Logger
	// Observe is told of each settlement as it is recorded; from several goroutines.
	Observe func(Settlement)
	// Paused is told why sending pauses, and "" when it goes on. Nil: nobody listens.
	Paused func(why string)
	// WentBack is told before anything is sent where the ledger has lost history. Nil: nobody listens.
	WentBack func(WentBack)

	mu      sync.Mutex
	turns   map[string]*Turn         // by order
	tries   map[string]int           // by order: visits in a row that PortOne or the ledger failed
	lost    map[string][]JournalLine // by order: attempts that the ledger has lost
	seen    []JournalLine            // of lost, settled for good by what was read last
	careful time.Time                // until then an attempt of any order may have been lost; zero: not so
	ahead   chan struct{}            // holds one for each attempt that waits for its turn
	reached bool                     // PortOne has answered a read of this run
}

// ErrStop ends a run at once, and leaves its rows as they are: no other row can do better.
var ErrStop = errors.New("stopped")

// maxTries is how often in a row an order is visited again after PortOne or the ledger
// could not be read. The client has retried each read by then.
const maxTries = 5

// A visit is how an order's turn ended.
type visit struct {
	order string
	End
}

// Issue takes each order as far as it goes: until all its rows are final, wait behind a
// quarantined row, or can't be gone on with because PortOne or the ledger can't be read. When
// ctx ends nothing new is begun; what is in flight is finished and recorded. The error is
// what ended the run early, nil also when ctx did; whatever happens, the ledger tells how
// far each row came, and a later Issue goes on from there.
func (i *Issuer) Issue(ctx context.Context, batchID string, orders []string) error {
	if err := i.begin(ctx, batchID, orders); err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		ready   = slices.Clone(orders) // to send for, as far as the breaker lets
		due     []string               // to visit whatever the breaker says: a list is to be read
		waiting waitHeap
		running int
		failed  error
		done    = make(chan visit, i.Concurrency)
		group   errgroup.Group
		alarm   = time.NewTimer(time.Hour)
	)
	defer alarm.Stop()
	group.SetLimit(i.Concurrency)
	for {
		for len(waiting) > 0 && !time.Now().Before(waiting[0].Until) {
			due = append(due, heap.Pop(&waiting).(visit).order)
		}
		if running+len(waiting)+len(due) == 0 {
			i.Breaker.Settled() // nothing is left to wait for
		}
		for running < i.Concurrency && runCtx.Err() == nil {
			from := &due
			if len(due) == 0 {
				from = &ready
			}
			if len(*from) == 0 || from == &ready && !i.mayStart() {
				break
			}
			order := (*from)[0]
			*from = (*from)[1:]
			running++
			group.Go(func() error { done <- i.visit(runCtx, order, batchID); return nil })
		}
		left := len(waiting)
		if i.NoWait && !slices.ContainsFunc(waiting, func(v visit) bool { return !v.Unknown }) {
			left = 0
		}
		if running == 0 && (runCtx.Err() != nil || len(ready)+len(due)+left == 0) {
			if failed == nil && ctx.Err() == nil {
				i.closeLost(ctx)
			}
			_, err := i.Ledger.Hold(context.WithoutCancel(ctx), batchID, time.Now())
			return errors.Join(failed, err)
		}
		var finished <-chan struct{}
		if running == 0 {
			finished = runCtx.Done() // else what is in flight ends by itself
		}
		if len(waiting) > 0 {
			alarm.Reset(time.Until(waiting[0].Until))
		}
		select {
		case <-finished:
		case <-alarm.C:
		case v := <-done:
			running--
			switch {
			case v.Stop != nil:
				if failed == nil && ctx.Err() == nil {
					failed = v.Stop
				}
				stop()
			case v.Paused:
				ready = append(ready, v.order)
			case !v.Until.IsZero() && !(v.Unknown && i.NoWait && i.Breaker.Paused() == ""): // paused, the unknown ones are all there is to go by
				heap.Push(&waiting, v)
			}
		}
	}
}

// mayStart tells whether the breaker lets an order be sent for now.
func (i *Issuer) mayStart() bool {
	why := i.Breaker.Paused()
	if i.Paused != nil {
		i.Paused(why)
	}
	return why == ""
}

// waitHeap is a min-heap of visits by their time.
type waitHeap []visit

func (h waitHeap) Len() int           { return len(h) }
func (h waitHeap) Less(a, b int) bool { return h[a].Until.Before(h[b].Until) }
func (h waitHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *waitHeap) Push(v any)        { *h = append(*h, v.(visit)) }
func (h *waitHeap) Pop() any {
	v := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return v
}
