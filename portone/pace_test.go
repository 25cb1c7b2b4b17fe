package portone

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// worst is the largest number of times within any second.
func worst(at []time.Time) (most int) {
	slices.SortFunc(at, time.Time.Compare)
	from := 0
	for to := range at {
		for at[to].Sub(at[from]) >= time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// passes lets workers pass p n times altogether, and tells when.
func passes(t *testing.T, p *pace, workers, n int) []time.Time {
	var mu sync.Mutex
	var at []time.Time
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for range n/workers + min(1, max(0, n%workers-w)) {
				if err := p.wait(t.Context(), true); err != nil {
					t.Error(err)
				}
				mu.Lock()
				at = append(at, time.Now())
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return at
}

// TestPaceExact: with a clock that is never late, nothing of the rate is wasted and
// none is added.
func TestPaceExact(t *testing.T) {
	for _, tt := range []struct {
		rate  float64
		burst int
	}{{0.5, 1}, {20, 1}, {99.5, 2}, {100, 5}, {333, 1}, {1000, 1}, {5000, 1}, {5000, 50}, {7, 7}} {
		synctest.Test(t, func(t *testing.T) {
			n := int(tt.rate*3) + tt.burst + 10
			at := passes(t, newPace(tt.rate, tt.burst), 16, n)
			if most, limit := worst(at), int(tt.rate+float64(tt.burst)); most > limit {
				t.Errorf("rate %v, burst %d: %d passed within a second", tt.rate, tt.burst, most)
			}
			took := at[len(at)-1].Sub(at[0]).Seconds()
			if used := float64(n-tt.burst) / (tt.rate * took); used < 0.995 || len(at) != n {
				t.Errorf("rate %v, burst %d: %.4f of the rate was used", tt.rate, tt.burst, used)
			}
		})
	}
}

// TestPaceAfterStall: however long the process stood still while others waited, no
// more than the burst passes at the moment when it goes on.
func TestPaceAfterStall(t *testing.T) {
	p := newPace(50, 3)
	now := time.Unix(1e9, 0)
	for _, stall := range []time.Duration{0, time.Second, time.Hour, time.Millisecond} {
		now = now.Add(stall)
		passed := 0
		for next(p, now) == 0 {
			passed++
		}
		if passed > 3 || stall >= time.Second && passed != 3 {
			t.Errorf("%d passed at once after a stall of %v", passed, stall)
		}
		if d := next(p, now); d <= 0 || d > 20*time.Millisecond {
			t.Errorf("the next has to wait %v after a stall of %v", d, stall)
		}
	}
}

// TestTurnstile: nobody takes from the limiter before the turn comes, so those who
// queue while the one in front stands still have reserved nothing.
func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(50, 3)
		p.turn <- struct{}{} // whoever has the turn does not move
		go func() {
			time.Sleep(time.Second)
			<-p.turn
		}()
		start := time.Now()
		at := passes(t, p, 64, 200)
		if most := worst(at); most > 53 {
			t.Errorf("%d passed within a second", most)
		}
		if at[0].Sub(start) != time.Second || at[3].Sub(start) == time.Second {
			t.Errorf("the first four passed after %v, %v, %v and %v", at[0].Sub(start), at[1].Sub(start), at[2].Sub(start), at[3].Sub(start))
		}
	})
}

func TestWaitIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, 1)
		passes(t, p, 1, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		var wait sync.WaitGroup
		for range 5 {
			wait.Go(func() {
				if err := p.wait(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		wait.Wait()
		if d := time.Since(start); d != 300*time.Millisecond {
			t.Errorf("given up after %v", d)
		}
		passes(t, p, 1, 1)
		if d := time.Since(start); d > time.Second {
			t.Errorf("those who gave up took of the rate: the next passed after %v", d)
		}
	})
}

// TestTokenTooOld: whoever waits for the pace until less than Timeout is left of the
// token's life sends nothing, and no longer waits either.
func TestTokenTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		cfg := inProcess(t, func(c net.Conn, r *http.Request) {
			sent++
			io.WriteString(c, httpAnswer("200 OK", goodList))
		})
		cfg.Rate, cfg.Burst, cfg.Timeout, cfg.TokenTTL = 0.1, 1, 2*time.Second, 5*time.Second
		c := newClient(t, cfg)
		if a := send(t, c); a.Class != Listed {
			t.Fatalf("got %s (%v)", a.Class, a.Err)
		}
		start := time.Now()
		if a := send(t, c); a.Class != NotSent || !errors.Is(a.Err, errStale) {
			t.Errorf("got %s (%v)", a.Class, a.Err)
		}
		if d := time.Since(start); d > 3*time.Second || sent != 1 {
			t.Errorf("given up after %v, %d sent", d, sent)
		}
		time.Sleep(time.Minute)
		for left, want := range map[time.Duration]Class{2*time.Second + 1: Listed, 2 * time.Second: NotSent} {
			p, err := c.Prepare(testRefund(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(p.ExpiresAt) - left)
			if a := c.Send(t.Context(), p); a.Class != want {
				t.Errorf("with %v left: %s (%v)", left, a.Class, a.Err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestHold(t *testing.T) {
	const ms = time.Millisecond
	type limited struct{ at, told time.Duration }
	for name, tt := range map[string]struct {
		answers []limited
		want    time.Duration // after the last
	}{
		"one":                         {[]limited{{0, 9 * time.Second}}, 0},
		"two":                         {[]limited{{0, 9 * time.Second}, {ms, 0}}, 0},
		"three that tell nothing":     {[]limited{{0, 0}, {ms, 0}, {2 * ms, 0}}, defaultHold},
		"three, the longest counts":   {[]limited{{0, 9 * time.Second}, {ms, 0}, {2 * ms, 3 * time.Second}}, 9 * time.Second},
		"three in exactly a second":   {[]limited{{0, 0}, {ms, 0}, {1000 * ms, 0}}, defaultHold},
		"three in more than a second": {[]limited{{0, 0}, {ms, 0}, {1001 * ms, 0}}, 0},
		"the last three count":        {[]limited{{0, 0}, {900 * ms, 0}, {1500 * ms, 0}, {1600 * ms, 2 * time.Second}}, 2 * time.Second},
	} {
		var h hold
		var got time.Duration
		for _, a := range tt.answers {
			got = h.limited(time.Unix(1e9, 0).Add(a.at), a.told)
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestHoldsAllCalls: three answers of 429 stop everybody; one stops nobody else. A POST
// is then given back at once, and Ready tells when it is worth preparing again.
func TestHoldsAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		cfg := inProcess(t, func(c net.Conn, r *http.Request) {
			if n++; n <= 3 {
				io.WriteString(c, httpAnswer("429 Too Many", "", "Retry-After: 5"))
				return
			}
			io.WriteString(c, httpAnswer("200 OK", goodList))
		})
		c := newClient(t, cfg)
		start := time.Now()
		at := func(what string, want time.Duration) {
			t.Helper()
			if d := time.Since(start).Round(time.Millisecond); d != want {
				t.Errorf("%s ended after %v, want %v", what, d, want)
			}
		}
		for i := range 3 {
			if err := c.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a := send(t, c); a.Class != Limited || a.RetryAfter != 5*time.Second {
				t.Errorf("call %d: %s, Retry-After %v", i+1, a.Class, a.RetryAfter)
			}
		}
		if a := send(t, c); a.Class != NotSent || !a.NotYet() || n != 3 {
			t.Errorf("held: %s, not yet %t, after %d calls", a.Class, a.NotYet(), n)
		}
		at("the held call", 0)
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		at("the hold", 5*time.Second)
		if a := send(t, c); a.Class != Listed {
			t.Errorf("after the hold: %s", a.Class)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"007":                            7 * time.Second,
		"60":                             time.Minute,
		"61":                             maxRetryAfter,
		"86400":                          maxRetryAfter,
		"9223372036854775807":            maxRetryAfter,
		"99999999999999999999999999":     maxRetryAfter,
		"-1":                             0,
		"-99999999999999999999999999":    0,
		"1.5":                            0,
		"1e3":                            0,
		"+5":                             0,
		"5, 10":                          0,
		"soon":                           0,
		"\x00":                           0,
		"Sun, 01 Nov 2026 12:00:10 GMT":  10 * time.Second,
		"Sunday, 01-Nov-26 12:00:10 GMT": 10 * time.Second,
		"Sun Nov  1 12:00:10 2026":       10 * time.Second,
		"Sun, 01 Nov 2026 11:59:00 GMT":  0,
		"Sun, 01 Nov 2099 12:00:00 GMT":  maxRetryAfter,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
		"2026-11-01T12:00:10Z":           0,
	} {
		h := http.Header{"Retry-After": {text}}
		if got := retryAfter(h, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func next(p *pace, now time.Time) time.Duration {
	d, _ := p.next(now)
	return d
}
