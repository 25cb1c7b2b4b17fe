package portonetest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"refunds/portone"
	"refunds/portone/portonetest"
)

func TestStart(t *testing.T) {
	s := portonetest.New(portonetest.Config{})
	if s.URL() != portonetest.InProcessURL {
		t.Errorf("before Start: %s", s.URL())
	}
	for addr, want := range map[string]string{
		"0.0.0.0:0": "reachable from other machines", ":0": "reachable from other machines", "127.0.0.1": "missing port", "127.0.0.1:x": "127.0.0.1:PORT",
	} {
		if err := s.Start(addr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", addr, err, want)
		}
	}
	if err := s.Start("127.0.0.1:0"); err != nil || !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Error(s.URL(), err)
	}
	if err := portonetest.New(portonetest.Config{}).Start(strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("two servers on one port")
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.Start("") == nil {
		t.Error("started after Close")
	}
	if _, err := s.Dial(context.Background(), "tcp", "x"); err == nil {
		t.Error("dialled after Close")
	}
}

func TestAddOrdersIsAllOrNothing(t *testing.T) {
	s := portonetest.New(portonetest.Config{})
	good := portonetest.Order{OrderRef: "A", Amount: money("1", "VND"), Channel: "M"}
	for name, change := range map[string]func(o *portonetest.Order){
		"twice": func(*portonetest.Order) {}, "no ref": func(o *portonetest.Order) { o.OrderRef = "" },
		"no channel": func(o *portonetest.Order) { o.OrderRef, o.Channel = "B", "" },
		"no amount":  func(o *portonetest.Order) { o.OrderRef, o.Amount.Minor = "B", 0 },
		"currency":   func(o *portonetest.Order) { o.OrderRef, o.Amount = "B", portone.Money{Minor: 1} },
	} {
		bad := good
		change(&bad)
		if s.AddOrders(good, bad) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := s.AddOrders(good); err != nil {
		t.Error(err)
	}
	if s.AddOrders(good) == nil {
		t.Error("taken twice")
	}
}

// Many at once: no order gives more than it has, and the truth adds up.
func TestConcurrentRefunds(t *testing.T) {
	cfg := portonetest.Config{Seed: 7, MaxHang: 20 * time.Millisecond, Script: portonetest.MustParse(
		"post 5% 500-after, post 5% reset-after, post 5% cut-chunked, post 5% timeout-after, post 5% drop-before, lag 10% 20ms, empty-ids 20%, shuffle")}
	worlds(t, cfg, func(t *testing.T, p *peer) {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := range 20 {
					p.post([]string{"VND1", "THB1", "KWD1"}[i%3], "1.0", "r")
					p.get("VND1")
				}
			})
		}
		wg.Wait()
		made := map[string]portone.Money{}
		for _, f := range p.s.Made("") {
			sum := made[f.OrderRef]
			made[f.OrderRef] = portone.Money{Minor: sum.Minor + f.Amount.Minor, Currency: f.Amount.Currency}
		}
		if m := made["KWD1"]; m != money("7", "KWD") {
			t.Errorf("KWD1 gave %s of 7.125 in steps of 1", m)
		}
		if m := made["THB1"]; m.Minor > 11100 {
			t.Errorf("THB1 gave %s of 111.12", m)
		}
		truth := p.s.Truth()
		answered := 0
		for _, r := range truth.Requests {
			if r.Refund != 0 {
				answered++
				if f := truth.Refunds[r.Refund-1]; f.Request != r.N || f.OrderRef != r.OrderRef {
					t.Errorf("%+v and %+v", r, f)
				}
			}
		}
		if answered != len(truth.Refunds) || len(truth.Requests) != 640 || p.s.Posts("") != 320 {
			t.Errorf("%d requests, %d POSTs, %d refunds, of which %d have a request", len(truth.Requests), p.s.Posts(""), len(truth.Refunds), answered)
		}
		counted := 0
		for _, st := range p.s.Stats() {
			counted += st.Count
		}
		if counted != 640 {
			t.Errorf("stats count %d: %v", counted, p.s.Stats())
		}
	})
}

// Delay stands for the way there and the work: sixty-four at once wait side by side.
func TestDelayIsSideBySide(t *testing.T) {
	bubble(t, portonetest.Config{Delay: 150 * time.Millisecond}, func(t *testing.T, p *peer) {
		start := time.Now()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { p.get("VND1").listing(t) })
		}
		wg.Wait()
		if d := time.Since(start); d != 150*time.Millisecond {
			t.Errorf("took %s", d)
		}
	})
}

func TestLogAndDroppedBodies(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	bubble(t, portonetest.Config{Log: log, DropBodies: true, Script: portonetest.MustParse("post nth=2 500-after")}, func(t *testing.T, p *peer) {
		p.post("VND1", "1", "r")
		p.post("VND1", "1", "r")
		for _, r := range p.s.Truth().Requests {
			if r.Body != "" {
				t.Errorf("a body was kept: %+v", r)
			}
		}
		if err := p.s.Close(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{
			"route=post order_ref=VND1 nth=1 fault=\"\" http_status=200 code=\"\" refund=1 took=0s",
			"route=post order_ref=VND1 nth=2 fault=500-after http_status=500 code=\"\" refund=2 took=0s",
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, b.String())
			}
		}
		if strings.Contains(b.String(), string(p.s.SecretKey())) {
			t.Error("the log has the secret")
		}
	})
}

// One core of the server's side; the client is in the figure too.
func BenchmarkServer(b *testing.B) {
	for _, method := range []string{"GET", "POST"} {
		b.Run(method, func(b *testing.B) {
			s := portonetest.New(portonetest.Config{DropBodies: true, Script: portonetest.MustParse("post 1% 429, get 1% 503, lag 10% 300ms, empty-ids 20%")})
			defer s.Close()
			var all []portonetest.Order
			for i := range 50_000 {
				all = append(all, portonetest.Order{OrderRef: fmt.Sprintf("O%d", i), Amount: money("1000000", "VND"), Channel: "MOMOPAY"})
			}
			if err := s.AddOrders(all...); err != nil {
				b.Fatal(err)
			}
			if err := s.Start(""); err != nil {
				b.Fatal(err)
			}
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			defer transport.CloseIdleConnections()
			p := &peer{s: s, expiry: time.Hour, key: s.ClientKey(), secret: string(s.SecretKey()), header: "X-Portone-Client-Key"}
			token := "Bearer " + p.token()
			const body = `{"amount":1,"channel":"MOMOPAY","description":"d","refund_type":"partial","refund_reason":"r","environment":"sandbox"}`
			b.SetParallelism(16)
			var n int
			var mu sync.Mutex
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					n++
					i := n % len(all)
					mu.Unlock()
					req, _ := http.NewRequest(method, s.URL()+"/api/refund/"+all[i].OrderRef, strings.NewReader(body))
					req.Header.Set("X-Portone-Client-Key", p.key)
					req.Header.Set("Authorization", token)
					resp, err := transport.RoundTrip(req)
					if err != nil {
						b.Error(err)
						return
					}
					var sink bytes.Buffer
					_, _ = sink.ReadFrom(resp.Body)
					resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}
