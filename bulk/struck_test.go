package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// A place is where a process can be struck: before or after the nth thing of its kind
// that it does for an order.
type place struct {
	order string // "": of no order
	kind  bulk.DoKind
	nth   int // from 1
	after bool
	bytes part // of the POST that got through, where kind is doWire
}

// What a Turn does not ask for.
const (
	doLost bulk.DoKind = "missing" // look for attempts that the ledger has lost
	doHold bulk.DoKind = "hold"    // hold the rows behind quarantined ones
	doWire bulk.DoKind = "wire"    // write the POST on its connection
)

// A part of a request is how many of its bytes came through.
type part string

const (
	nothing part = "0 bytes"
	aByte   part = "1 byte"
	half    part = "half"
	most    part = "all but one"
	whole   part = "all"
)

func (p part) of(n int) int {
	return map[part]int{nothing: 0, aByte: 1, half: n / 2, most: n - 1, whole: n}[p]
}

// A blow is what happens at a place, once.
type blow string

const (
	crash blow = "crash" // what was done stays; nothing more is done by this process
	fail  blow = "error" // before: the call fails undone; after: it is done, and its outcome is lost
	pause blow = "pause" // the whole process stands still for longer than a token lives; another goes on meanwhile
	stall blow = "stall" // the same until after a refund that is not listed counts as absent
)

var (
	errDead   = fmt.Errorf("this process has died: %w", context.Canceled)
	errStruck = errors.New("struck")
)

// A process is an issuer of its own, around which every call of the ledger and of PortOne is
// a place to be struck at. It stands between the real issuer and the real ledger, client
// and connections.
type process struct {
	bulk.Ledger
	bulk.PortOne
	issuer *bulk.Issuer
	at     place
	blow   blow
	long   time.Duration // of a pause
	struck chan struct{} // closed once it was, or stands still
	die    context.CancelFunc

	mu    sync.Mutex
	stop  place // where it stands still first, if anywhere
	hit   bool
	dead  bool
	wake  time.Time
	nth   map[place]int
	trace []place // every place that it came to
	ready []string
	knows map[string]bool        // the ledger has the order
	read  map[string]bulk.DoKind // what the order's next read of the list is for
	order map[string]string      // by attempt
	early []string               // orders that were to be sent for without a durable attempt
	naive bool                   // T1 is said to be durable, and is not
}

func (w *world) newProcess(f failpoint) *process {
	p := &process{
		stop: f.stop, at: f.at, blow: f.blow, long: f.long, struck: make(chan struct{}),
		nth: map[place]int{}, knows: map[string]bool{}, read: map[string]bulk.DoKind{}, order: map[string]string{},
	}
	p.issuer = w.newIssuer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := w.sim.Dial(ctx, network, addr)
		return &wire{Conn: c, p: p, closed: make(chan struct{})}, err
	})
	p.Ledger, p.PortOne = p.issuer.Ledger, p.issuer.PortOne
	p.issuer.Ledger, p.issuer.PortOne, p.issuer.Concurrency = p, p, 4
	return p
}

// issue ends early when the process dies.
func (p *process) issue(ctx context.Context, b bulk.Batch, orders []string) error {
	ctx, p.die = context.WithCancel(ctx)
	defer p.die()
	return p.issuer.Issue(ctx, b.ID, orders)
}

// come counts a place that the process comes to.
func (p *process) come(order string, kind bulk.DoKind) place {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := place{order: order, kind: kind}
	p.nth[at]++
	at.nth = p.nth[at]
	p.trace = append(p.trace, at)
	return at
}

// reach strikes at the place where it is to, waits while the process stands still, and fails
// when it has died or is made to fail here.
func (p *process) reach(at place) error {
	hit := p.strike(at)
	for {
		p.mu.Lock()
		d, dead := time.Until(p.wake), p.dead
		p.mu.Unlock()
		switch {
		case dead:
			return errDead
		case d > 0:
			time.Sleep(d)
		case hit && p.blow == fail:
			return errStruck
		default:
			return nil
		}
	}
}

func (p *process) strike(at place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	stop := at == p.stop
	if p.dead || at != p.at && !stop {
		return false
	}
	switch {
	case stop:
		p.stop, p.wake = place{}, time.Now().Add(p.long)
	case p.blow == crash:
		p.dead = true
		p.die()
		_ = p.issuer.Journal.Close()
	case p.blow == pause || p.blow == stall:
		p.wake = time.Now().Add(p.long)
	}
	p.hit = p.hit || !stop
	select {
	case <-p.struck:
	default:
		close(p.struck)
	}
	return !stop
}

func step[T any](p *process, order string, kind bulk.DoKind, do func() (T, error)) (T, error) {
	var none T
	at := p.come(order, kind)
	if err := p.reach(at); err != nil {
		return none, err
	}
	v, err := do()
	at.after = true
	if lost := p.reach(at); lost != nil {
		return none, lost
	}
	return v, err
}

func (p *process) only(order string, kind bulk.DoKind, do func() error) error {
	_, err := step(p, order, kind, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (p *process) OrderState(ctx context.Context, orderRef, batchID string) (bulk.OrderState, error) {
	st, err := step(p, orderRef, bulk.DoState, func() (bulk.OrderState, error) { return p.Ledger.OrderState(ctx, orderRef, batchID) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = slices.DeleteFunc(p.ready, func(o string) bool { return o == orderRef })
	p.read[orderRef], p.knows[orderRef] = bulk.DoLook, st.Order != nil
	if err == nil && st.Open == nil && st.Order != nil && len(st.Rows) > 0 {
		p.ready, p.read[orderRef] = append(p.ready, orderRef), bulk.DoBaseline
	}
	return st, err
}

func (p *process) PutOrder(ctx context.Context, o bulk.Order) error {
	return p.only(o.OrderRef, bulk.DoPut, func() error { return p.Ledger.PutOrder(ctx, o) })
}

// Begin is followed by the journal, which is a file and no interface: it fails when it is closed.
func (p *process) Begin(ctx context.Context, a bulk.Attempt, version int64) error {
	p.mu.Lock()
	p.order[a.ID] = a.OrderRef
	p.mu.Unlock()
	err := p.only(a.OrderRef, bulk.DoBegin, func() error {
		if p.naive {
			return nil
		}
		return p.Ledger.Begin(ctx, a, version)
	})
	if err != nil {
		return err
	}
	err = p.reach(p.come(a.OrderRef, bulk.DoJournal))
	if errors.Is(err, errStruck) {
		return p.issuer.Journal.Close()
	}
	return err
}

func (p *process) Settle(ctx context.Context, s bulk.Settlement) error {
	return p.only(s.OrderRef, bulk.DoSettle, func() error { return p.Ledger.Settle(ctx, s) })
}

func (p *process) Hold(ctx context.Context, batchID string, at time.Time) (int, error) {
	return step(p, "", doHold, func() (int, error) { return p.Ledger.Hold(ctx, batchID, at) })
}

// MissingAttempts is asked for all at the beginning, and then for one that was sent.
func (p *process) MissingAttempts(ctx context.Context, ids []string) ([]string, error) {
	kind, order := doLost, ""
	p.mu.Lock()
	if len(p.trace) > 0 {
		kind, order = bulk.DoRecall, p.order[ids[0]]
	}
	p.mu.Unlock()
	return step(p, order, kind, func() ([]string, error) { return p.Ledger.MissingAttempts(ctx, ids) })
}

func (p *process) Order(ctx context.Context, orderRef string) (portone.Order, error) {
	kind := bulk.DoFetch
	p.mu.Lock()
	if p.knows[orderRef] {
		kind = bulk.DoAsk
	}
	p.mu.Unlock()
	return step(p, orderRef, kind, func() (portone.Order, error) { return p.PortOne.Order(ctx, orderRef) })
}

func (p *process) Refunds(ctx context.Context, orderRef string, c portone.Currency) (portone.RefundList, error) {
	p.mu.Lock()
	kind := p.read[orderRef]
	p.mu.Unlock()
	return step(p, orderRef, kind, func() (portone.RefundList, error) { return p.PortOne.Refunds(ctx, orderRef, c) })
}

// Ready does not name its order: it is the one that has waited longest to be sent for.
func (p *process) Ready(ctx context.Context) error {
	p.mu.Lock()
	order := p.ready[0]
	p.ready = p.ready[1:]
	p.mu.Unlock()
	return p.only(order, bulk.DoGate, func() error { return p.PortOne.Ready(ctx) })
}

func (p *process) Prepare(r portone.RefundRequest, now time.Time) (portone.Prepared, error) {
	return step(p, r.OrderRef, bulk.DoPrepare, func() (portone.Prepared, error) { return p.PortOne.Prepare(r, now) })
}

// Send comes after the journal's line. A send that fails before was not sent; one that
// fails after may have been anything.
func (p *process) Send(ctx context.Context, r portone.Prepared) portone.Answer {
	p.mu.Lock()
	p.read[r.OrderRef] = bulk.DoConfirm
	journal := place{order: r.OrderRef, kind: bulk.DoJournal, nth: p.nth[place{order: r.OrderRef, kind: bulk.DoJournal}], after: true}
	p.mu.Unlock()
	if err := p.reach(journal); err != nil {
		return portone.Answer{Class: portone.NotSent, Err: err}
	}
	p.seeDurable(ctx, r)
	class := portone.NotSent
	a, err := step(p, r.OrderRef, bulk.DoSend, func() (portone.Answer, error) {
		class = portone.Unknown
		return p.PortOne.Send(ctx, r), nil
	})
	if err != nil {
		return portone.Answer{Class: class, Err: err}
	}
	return a
}

// seeDurable looks whether the ledger has the attempt that is about to be sent. While it
// stood still another may have settled it, and then it is too old to be sent.
func (p *process) seeDurable(ctx context.Context, r portone.Prepared) {
	st, err := p.Ledger.OrderState(context.WithoutCancel(ctx), r.OrderRef, "")
	if err == nil && time.Now().Before(r.ExpiresAt) && (st.Open == nil || st.Open.TokenSHA256 != r.TokenSHA256()) {
		p.mu.Lock()
		p.early = append(p.early, r.OrderRef)
		p.mu.Unlock()
	}
}

// A wire is a connection to PortOne that can break while a POST is written on it.
type wire struct {
	net.Conn
	p      *process
	once   sync.Once
	closed chan struct{}
}

func (c *wire) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Write lets the part of a POST through that its place says, and strikes then. A pause
// ends when the connection is closed, as a blocked write does.
func (c *wire) Write(b []byte) (int, error) {
	at := c.p.at
	post := bytes.HasPrefix(b, []byte("POST /api/refund/"))
	if order, _, _ := bytes.Cut(b[min(len(b), len("POST /api/refund/")):], []byte(" ")); post && at.kind == doWire && string(order) == at.order {
		here := c.p.come(at.order, doWire)
		if here.bytes = at.bytes; here == at {
			return c.broken(b, at)
		}
	}
	c.p.mu.Lock()
	dead := c.p.dead
	c.p.mu.Unlock()
	if dead {
		return 0, errDead
	}
	return c.Conn.Write(b)
}

func (c *wire) broken(b []byte, at place) (int, error) {
	n, err := 0, error(nil)
	if through := at.bytes.of(len(b)); through > 0 {
		if n, err = c.Conn.Write(b[:through]); err != nil {
			return n, err
		}
	}
	c.p.strike(at)
	if c.p.blow == crash || c.p.blow == fail {
		_ = c.Close()
		return n, errStruck
	}
	select {
	case <-time.After(c.p.long):
	case <-c.closed:
		return n, net.ErrClosed
	}
	m, err := c.Conn.Write(b[n:])
	return n + m, err
}
