package portone

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestConnectionClosedWhileIdle races the POST with the closing of the connection
// that it is about to use. Whoever wins, at most one POST comes, and what Send says
// agrees with it.
func TestConnectionClosedWhileIdle(t *testing.T) {
	for _, wait := range []time.Duration{0, 20 * time.Microsecond, 200 * time.Microsecond, 50 * time.Millisecond} {
		for _, reset := range []bool{false, true} {
			for range 10 {
				p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
					io.WriteString(c, httpAnswer("200 OK", goodList))
					if r.Method == "GET" && reset {
						c.(*net.TCPConn).SetLinger(0)
					}
					return r.Method == "POST" // the GET's connection is closed, which its answer does not tell
				})
				c := newClient(t, testConfig(p.url()))
				if err := c.read(t.Context(), "GET", "/", nil, func([]byte) error { return nil }); err != nil {
					t.Fatal(err)
				}
				time.Sleep(wait)
				a := send(t, c)
				p.drain(c)
				n := p.count("POST")
				if n > 1 || a.Class == Listed && n != 1 || a.Class == NotSent && n != 0 || a.Class == Refused || a.Class == Limited {
					t.Fatalf("%s (%v), but %d POSTs came", a.Class, a.Err, n)
				}
				if wait >= 50*time.Millisecond && a.Class != Listed {
					t.Errorf("a connection closed long ago was used: %s (%v)", a.Class, a.Err)
				}
			}
		}
	}
}

// TestResetAfterTheRequest: the server takes the POST and resets the connection.
func TestResetAfterTheRequest(t *testing.T) {
	p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
		if r.Method == "GET" {
			io.WriteString(c, httpAnswer("200 OK", goodList))
			return true
		}
		c.(*net.TCPConn).SetLinger(0)
		return false
	})
	c := newClient(t, testConfig(p.url()))
	for range 20 {
		before := p.count("POST")
		if _, err := c.Refunds(t.Context(), "order1", "THB"); err != nil {
			t.Fatal(err)
		}
		if a := send(t, c); a.Class != Unknown || p.count("POST") != before+1 {
			t.Fatalf("got %s, %d POSTs", a.Class, p.count("POST")-before)
		}
	}
}

// TestErrandStopsASecondTry tempts net/http with all that makes it send a POST again,
// once without the errand, to see that it does, and once with it.
func TestErrandStopsASecondTry(t *testing.T) {
	for _, watched := range []bool{false, true} {
		p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
			if r.Method == "GET" {
				io.WriteString(c, httpAnswer("200 OK", goodList))
			}
			return r.Method == "GET"
		})
		c := newClient(t, testConfig(p.url()))
		if _, err := c.Refunds(t.Context(), "order1", "THB"); err != nil {
			t.Fatal(err)
		}
		ctx, e := t.Context(), errand{ready: func() error { return nil }}
		if watched {
			ctx = httptrace.WithClientTrace(ctx, e.trace())
		}
		req := c.request(ctx, call{method: "POST", path: "/tempting", body: []byte("{}")})
		req.Header.Set("Idempotency-Key", "tempting")
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("{}")), nil }
		if res, err := c.http.RoundTrip(req); err == nil {
			t.Fatalf("got an answer: %v", res)
		}
		p.drain(c)
		if n, want := p.count("POST"), map[bool]int{false: 2, true: 1}[watched]; n != want {
			t.Errorf("errand %v: %d POSTs came, want %d", watched, n, want)
		}
		if watched && !e.wrote() {
			t.Error("the errand does not know that something was written")
		}
	}
}

// TestRequestCanNotBeRepeated: net/http sends a POST again by itself only if it has GetBody.
func TestRequestCanNotBeRepeated(t *testing.T) {
	c := newClient(t, testConfig("http://127.0.0.1:1"))
	if r := c.request(t.Context(), call{method: "POST", path: "/", body: []byte("{}")}); r.GetBody != nil || r.Body == nil {
		t.Errorf("GetBody is there: %t, a body: %t", r.GetBody != nil, r.Body != nil)
	}
}

// TestRedirectIsAnAnswer: its status comes back as what was answered, and nobody goes where it leads.
func TestRedirectIsAnAnswer(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
			if r.Method == "POST" && n == 1 {
				io.WriteString(c, httpAnswer(strconv.Itoa(status)+" Elsewhere", goodList, "Location: /elsewhere"))
			} else {
				io.WriteString(c, httpAnswer("200 OK", goodList))
			}
			return true
		})
		c := newClient(t, testConfig(p.url()))
		a := send(t, c)
		p.drain(c)
		if a.Class != Unknown || a.HTTPStatus != status || len(p.raw) != 1 {
			t.Errorf("%d: got %s of HTTP %d (%v), %d requests", status, a.Class, a.HTTPStatus, a.Err, len(p.raw))
		}
	}
}

// TestReadIsNotResentBehindThePace: net/http would send a GET again by itself.
func TestReadIsNotResentBehindThePace(t *testing.T) {
	p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
		if n == 1 {
			io.WriteString(c, httpAnswer("200 OK", goodList))
		}
		return n == 1
	})
	c := newClient(t, testConfig(p.url()))
	for range 2 {
		c.exchange(t.Context(), call{method: "GET", path: "/"})
	}
	if n := p.count("GET"); n != 2 {
		t.Errorf("%d GETs came of 2 calls", n)
	}
}
