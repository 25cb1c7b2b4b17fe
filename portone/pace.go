package portone

import (
	"context"
	"errors"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A pace spaces the calls of one key: in any second no more than rate + burst are sent.
// A call first waits for its turn, then, when it has a connection, for its slot.
//
// Waiters queue at a turnstile, and only the one in it looks at the limiter, and
// takes from it at the moment of passing. Were each to reserve its place on arrival,
// as rate.Limiter.Wait does, a process that was stalled for a second would wake up to a
// second's worth of expired reservations and send them all at once.
type pace struct {
	turn    chan struct{}
	limiter *rate.Limiter // in parts of a call
	rate    float64
	slack   time.Duration // how late a waiter may pass without wasting any of the rate

	mu    sync.Mutex
	held  hold
	until time.Time // nobody passes before
	slots slots
}

// The limiter counts thousandths of a call, so that it can hold burst and a tenth:
// the tenth is what a timer that rings late would otherwise waste when burst is 1.
// With a rate of whole calls it adds none to any second, since a tenth of a call does
// not pass; with another rate it is left out.
const (
	partsOfCall = 1000
	latePart    = 100
)

func newPace(r float64, burst int) *pace {
	parts := burst * partsOfCall
	if r == math.Trunc(r) {
		parts += latePart
	}
	spare := float64(parts-partsOfCall) / (r * partsOfCall) // seconds
	return &pace{
		turn:    make(chan struct{}, 1),
		limiter: rate.NewLimiter(rate.Limit(r*partsOfCall), parts),
		rate:    r,
		slack:   time.Duration(min(spare, 1) * float64(time.Second)),
		slots:   newSlots(r, burst),
	}
}

// errHeld says that PortOne asked all calls to wait.
var errHeld = errors.New("PortOne asked for a pause (429)")

// wait returns nil when one call may be sent now. If ctx ends first it takes nothing
// from the rate and returns ctx's error. An impatient caller is sent away with errHeld
// while all calls are held.
func (p *pace) wait(ctx context.Context, patient bool) error {
	for {
		if err := p.unheld(ctx, patient); err != nil {
			return err
		}
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		passed := p.pass(ctx)
		<-p.turn
		if passed {
			return nil
		}
	}
}

// unheld waits until calls are not held, or tells an impatient caller that they are.
func (p *pace) unheld(ctx context.Context, patient bool) error {
	for {
		p.mu.Lock()
		d := time.Until(p.until)
		p.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d <= 0:
			return nil
		case !patient:
			return errHeld
		}
		p.sleep(ctx, d)
	}
}

// pass waits in the turnstile for the limiter. False: calls are held, or ctx ended, meanwhile.
func (p *pace) pass(ctx context.Context) bool {
	for ctx.Err() == nil {
		d, held := p.next(time.Now())
		if held || d <= 0 {
			return !held
		}
		p.sleep(ctx, d)
	}
	return false
}

// next takes one call from the limiter, or tells how long there will be none.
func (p *pace) next(now time.Time) (d time.Duration, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.until) {
		return 0, true
	}
	if p.limiter.AllowN(now, partsOfCall) {
		return 0, false
	}
	missing := partsOfCall - p.limiter.TokensAt(now)
	return time.Duration(math.Ceil(missing / (p.rate * partsOfCall) * float64(time.Second))), false
}

// sleep waits for about d, or less; the caller looks again. Timers on Linux ring up to
// a millisecond late. Where the limiter can't make up for that, the end of the wait is
// spent asking the clock, and giving way to others in between. A clock that does not
// move while it is asked is a test's (testing/synctest), which moves only for sleepers.
func (p *pace) sleep(ctx context.Context, d time.Duration) {
	const late = 1500 * time.Microsecond
	if p.slack < late && d <= late {
		start := time.Now()
		for i := 0; ; i++ {
			runtime.Gosched()
			gone := time.Since(start)
			if gone >= d {
				return
			}
			if i == 100 && gone == 0 {
				break
			}
		}
	} else if p.slack < late {
		d -= late
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// settle is called when everything is ready for the first byte. Calls that passed one after
// the other may be ready all at once, when the first had to dial and the last had
// not; the slots keep those from being more than rate + burst in a second. It
// returns ctx's error if ctx ends first.
func (p *pace) settle(ctx context.Context) error {
	p.mu.Lock()
	d := p.slots.take(time.Now())
	p.mu.Unlock()
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// slots hold when the last calls were sent, as many as a second may have.
type slots struct {
	most int
	span time.Duration // a second, and a little for what lies between a slot and the first byte
	last []time.Time   // a ring once it has most
	head int           // its oldest
}

func newSlots(r float64, burst int) slots {
	little := min(5*time.Millisecond, time.Duration(float64(burst)/r/2*float64(time.Second))) // so little that a steady rate never waits
	return slots{most: int(r + float64(burst)), span: time.Second + little}
}

// take reserves the next slot and tells how long it is until then.
func (s *slots) take(now time.Time) time.Duration {
	if len(s.last) < s.most {
		s.last = append(s.last, now)
		return 0
	}
	d := max(0, s.last[s.head].Add(s.span).Sub(now))
	s.last[s.head] = now.Add(d)
	s.head = (s.head + 1) % s.most
	return d
}

// limited notes an answer of 429 that came at now and told how long to wait (0: it
// did not tell). One answer holds back only its own call, which is its caller's
// business; three within a second hold all.
func (p *pace) limited(now time.Time, told time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.held.limited(now, told); d > 0 {
		if until := now.Add(d); until.After(p.until) {
			p.until = until
		}
	}
}

// defaultHold is how long all calls are held when no answer told.
const defaultHold = time.Second

// A hold remembers the last answers of 429.
type hold struct {
	at   [3]time.Time // oldest first
	told [3]time.Duration
}

// limited adds one, and tells how long all calls have to wait from now on: 0 unless
// this is the third within a second, else the longest that any of the three told.
func (h *hold) limited(now time.Time, told time.Duration) time.Duration {
	h.at = [3]time.Time{h.at[1], h.at[2], now}
	h.told = [3]time.Duration{h.told[1], h.told[2], told}
	if now.Sub(h.at[0]) > time.Second {
		return 0
	}
	if d := max(h.told[0], h.told[1], h.told[2]); d > 0 {
		return d
	}
	return defaultHold
}

// maxRetryAfter is the longest that we let PortOne make us wait at a time. After it
// we ask again.
const maxRetryAfter = time.Minute

// retryAfter reads a Retry-After header: whole seconds, or an HTTP date. One that is
// negative, past, or neither, tells nothing: 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if digits(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	t, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), maxRetryAfter)
}
