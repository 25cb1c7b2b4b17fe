package portone

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stalls measures how long this process stands still because the machine gives it no
// time. The pace can neither use that time, nor keep the calls that were on their
// way to the socket from leaving together after it.
type stalls struct {
	total, longest time.Duration
	end            func()
}

func watchStalls() *stalls {
	const often, much = 2 * time.Millisecond, 10 * time.Millisecond
	var s stalls
	stop, done := make(chan struct{}), make(chan struct{})
	s.end = func() { close(stop); <-done }
	go func() {
		defer close(done)
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-time.After(often):
			}
			now := time.Now()
			if d := now.Sub(last) - often; d > much {
				s.total += d
				s.longest = max(s.longest, d)
			}
			last = now
		}
	}()
	return &s
}

// used is the part of the rate that n calls made use of while the process ran.
func (s *stalls) used(at []time.Time, rate float64, burst int) float64 {
	took := at[len(at)-1].Sub(at[0]) - s.total
	return float64(len(at)-burst) / (rate * took.Seconds())
}

// TestPaceReal measures what is wasted on this machine's clock, whose timers ring late. A
// machine that is busy with other things wastes more, so one run of five has to do.
func TestPaceReal(t *testing.T) {
	for _, tt := range []struct {
		rate  float64
		burst int
		least float64
	}{{20, 1, 0.9}, {500, 1, 0.75}, {1000, 10, 0.9}, {5000, 50, 0.9}} {
		best := 0.0
		for try := 0; try < 5 && best < tt.least; try++ {
			s := watchStalls()
			at := passes(t, newPace(tt.rate, tt.burst), 64, max(20, int(tt.rate)/2)+tt.burst)
			s.end()
			best = max(best, s.used(at, tt.rate, tt.burst))
		}
		t.Logf("rate %v, burst %d: %.4f used", tt.rate, tt.burst, best)
		if best < tt.least {
			t.Errorf("rate %v, burst %d: only %.4f of the rate was used", tt.rate, tt.burst, best)
		}
	}
}

// sentTimes notes when each request is written on the sender's sockets.
type sentTimes struct {
	mu sync.Mutex
	at []time.Time
}

func (s *sentTimes) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return wayward(func(c net.Conn, p []byte) (int, error) {
		s.mu.Lock()
		s.at = append(s.at, time.Now())
		s.mu.Unlock()
		return c.Write(p)
	}).dial(ctx, network, addr)
}

// TestPaceOfCalls sends 600 refunds and reads from 64 workers to a server that takes
// 150 ms for each, at 100 a second with a burst of 5, in real time. Every run must keep the
// rate; one of three must waste nothing.
func TestPaceOfCalls(t *testing.T) {
	t.Parallel()
	best := 0.0
	for try := 0; try < 3 && best < 0.97; try++ {
		s := watchStalls()
		at := sendPaced(t)
		s.end()
		used, most := s.used(at, 100, 5), worst(at)
		t.Logf("%.4f of the rate was used, %d calls in the worst second, stalled for %v in all", used, most, s.total)
		if len(at) != 600 || most > 105+int(100*s.longest.Seconds()) {
			t.Errorf("%d calls, %d of them in the worst second, the longest stall was %v", len(at), most, s.longest)
		}
		best = max(best, used)
	}
	if best < 0.97 {
		t.Errorf("only %.4f of the rate was used at best", best)
	}
}

// sendPaced returns when each call was written on the sender's socket.
func sendPaced(t *testing.T) []time.Time {
	p := newPeer(t, func(c net.Conn, _ *http.Request, _ int) bool {
		time.Sleep(150 * time.Millisecond)
		_, err := io.WriteString(c, httpAnswer("200 OK", goodList))
		return err == nil
	})
	var sent sentTimes
	cfg := testConfig(p.url())
	cfg.Rate, cfg.Burst, cfg.Dial = 100, 5, sent.dial
	c := newClient(t, cfg)
	todo := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range todo {
				if i%2 == 0 {
					if a := send(t, c); a.Class != Listed {
						t.Errorf("got %s: %s", a.Class, a.Message)
					}
				} else if _, err := c.Refunds(t.Context(), "order1", "THB"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 600 {
		todo <- i
	}
	close(todo)
	workers.Wait()
	return sent.at
}

// TestSlowDials: the first connections take 300 ms to make, so that the first calls are
// ready together with those that pass 300 ms later.
func TestSlowDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		cfg := inProcess(t, func(c net.Conn, r *http.Request) {
			mu.Lock()
			at = append(at, time.Now())
			mu.Unlock()
			io.WriteString(c, httpAnswer("200 OK", goodList))
		})
		dial := cfg.Dial
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(300 * time.Millisecond)
			return dial(ctx, network, addr)
		}
		cfg.Rate, cfg.Burst = 100, 5
		c := newClient(t, cfg)
		var workers sync.WaitGroup
		for range 64 {
			workers.Go(func() {
				for range 5 {
					if _, err := c.Refunds(t.Context(), "order1", "THB"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		start := time.Now()
		workers.Wait()
		if most := worst(at); most > 105 || len(at) != 320 || time.Since(start) > 3500*time.Millisecond {
			t.Errorf("%d calls in %v, %d of them in the worst second", len(at), time.Since(start), most)
		}
	})
}

// inProcess is a PortOne behind net.Pipe, for tests whose clock is not real.
func inProcess(t *testing.T, answer func(c net.Conn, r *http.Request)) Config {
	var servers sync.WaitGroup
	cfg := testConfig("http://portone.test")
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		servers.Go(func() {
			defer there.Close()
			b := bufio.NewReader(there)
			for {
				r, err := http.ReadRequest(b)
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				answer(there, r)
			}
		})
		return here, nil
	}
	t.Cleanup(servers.Wait) // after the client's Close, which is registered later
	return cfg
}

func TestPaceOfCallsInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		cfg := inProcess(t, func(c net.Conn, r *http.Request) {
			mu.Lock()
			at = append(at, time.Now())
			mu.Unlock()
			time.Sleep(150 * time.Millisecond)
			io.WriteString(c, httpAnswer("200 OK", goodList))
		})
		cfg.Rate, cfg.Burst = 100, 5
		c := newClient(t, cfg)
		var workers sync.WaitGroup
		for range 30 {
			workers.Go(func() {
				for range 10 {
					if a := send(t, c); a.Class != Listed {
						t.Errorf("got %s: %s", a.Class, a.Message)
					}
				}
			})
		}
		workers.Wait()
		took := at[len(at)-1].Sub(at[0]).Seconds()
		if used := 295 / (100 * took); len(at) != 300 || used < 0.995 || worst(at) > 105 {
			t.Errorf("%d calls, %.4f of the rate was used, %d calls in the worst second", len(at), used, worst(at))
		}
	})
}
