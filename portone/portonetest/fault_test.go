package portonetest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"refunds/portone/portonetest"
)

// Every fault of a POST: what its sender gets to see, and whether a refund was made.
func TestFaultsOfPOST(t *testing.T) {
	const list1 = `{"amountToRefund":999900,"refundDetails":[{`
	tests := []struct {
		action string
		made   bool
		status int    // 0: no answer
		body   string // the front of it
		err    error  // of reading the answer, or of the exchange
	}{
		{"400", false, 400, `{"message":"Bad Request","status_code":"4001","status_reason":"INVALID_REQUEST"}`, nil},
		{"400-after code=4080 reason=PSP_ERROR", true, 400, `{"message":"Bad Request","status_code":"4080","status_reason":"PSP_ERROR"}`, nil},
		{"401", false, 401, `{"message":"Unauthorized","status_code":"4010"`, nil},
		{"403 code=4081 reason=ROLE_NOT_ALLOWED", false, 403, `{"message":"Forbidden","status_code":"4081","status_reason":"ROLE_NOT_ALLOWED"}`, nil},
		{"404 code=5001", false, 404, `{"message":"Not Found","status_code":"5001","status_reason":"RECORD_NOT_FOUND_ERROR"}`, nil},
		{"408", false, 408, `{"message":"Request Timeout","status_code":"4001"`, nil},
		{"422 body=\"{\"", false, 422, `{`, nil},
		{"429", false, 429, `{"message":"Too Many Requests"}`, nil},
		{"429-after", true, 429, `{"message":"Too Many Requests"}`, nil},
		{"500-before", false, 500, `{"message":"Internal Server Error","status_code":"5000"`, nil},
		{"500-after", true, 500, `{"message":"Internal Server Error","status_code":"5000"`, nil},
		{"502-after type=text/html body=\"<html>\"", true, 502, `<html>`, nil},
		{"504-before body=\"\"", false, 504, ``, nil},
		{"200-before", false, 200, `{"amountToRefund":1000000,"refundDetails":[]}`, nil},
		{"200-after", true, 200, list1, nil},
		{"200-after body=\"null\"", true, 200, `null`, nil},
		{"201-after", true, 201, list1, nil},
		{"204-after", true, 204, ``, nil},
		{"html-before", false, 200, `<!DOCTYPE html>`, nil},
		{"html-after", true, 200, `<!DOCTYPE html>`, nil},
		{"empty-before", false, 200, ``, nil},
		{"empty-after", true, 200, ``, nil},
		{"odd-before", false, 200, `{"result":"accepted"`, nil},
		{"odd-after", true, 200, `{"result":"accepted"`, nil},
		{"302", false, 302, `{"message":"Found"}`, nil},
		{"307", false, 307, `{"message":"Temporary Redirect"}`, nil},
		{"308-after", true, 308, `{"message":"Permanent Redirect"}`, nil},
		{"expired", false, 401, `{"message":"the token is expired","status_code":"4010"`, nil},
		{"timeout-before", false, 0, "", io.EOF},
		{"timeout-after", true, 0, "", io.EOF},
		{"timeout-after for=10ms", true, 0, "", io.EOF},
		{"drop-before", false, 0, "", io.EOF},
		{"drop-after", true, 0, "", io.EOF},
		{"reset-before", false, 0, "", syscall.ECONNRESET},
		{"reset-after", true, 0, "", syscall.ECONNRESET},
		{"cut", true, 200, list1[:20], io.ErrUnexpectedEOF},
		{"cut at=0", true, 200, ``, io.ErrUnexpectedEOF},
		{"cut at=10", true, 200, `{"amountTo`, io.ErrUnexpectedEOF},
		{"cut-chunked", true, 200, list1[:20], io.ErrUnexpectedEOF},
		{"cut-chunked at=0", true, 200, ``, io.ErrUnexpectedEOF},
		{"cut-close at=10", true, 200, `{"amountTo`, nil}, // nothing but the JSON shows that it is not whole
		{"slow-before for=20ms", true, 200, list1, nil},
		{"slow-after for=20ms", true, 200, list1, nil},
	}
	worlds(t, portonetest.Config{MaxHang: 50 * time.Millisecond}, func(t *testing.T, p *peer) {
		for _, test := range tests {
			p.s.SetScript(portonetest.MustParse("post order=VND1 " + test.action))
			if err := p.s.EditList("VND1", func([]portonetest.Listed) []portonetest.Listed { return nil }); err != nil {
				t.Fatal(err)
			}
			before, posts := len(p.s.Made("")), p.s.Posts("VND1")
			r := p.post("VND1", "100", "r")
			if r.status != test.status || !strings.HasPrefix(r.body, test.body) || !errors.Is(r.err, test.err) {
				t.Errorf("%s: got %d %q (%v), want %d %q (%v)", test.action, r.status, r.body, r.err, test.status, test.body, test.err)
			}
			made := p.s.Made("")[before:]
			if (len(made) == 1) != test.made || len(made) > 1 {
				t.Errorf("%s: %d refunds made, want %v", test.action, len(made), test.made)
			}
			if n := p.s.Posts("VND1") - posts; n != 1 {
				t.Errorf("%s: %d POSTs came", test.action, n)
			}
			requests := p.s.Truth("VND1").Requests
			q := requests[len(requests)-1]
			if q.Fault != portonetest.MustParse("post " + test.action).Faults[0].Action.String() || (q.Refund != 0) != test.made {
				t.Errorf("%s: written down as %+v", test.action, q)
			}
			p.s.SetScript(portonetest.Script{})
			if l := p.get("VND1").listing(t); len(l.RefundDetails) != len(made) {
				t.Errorf("%s: %d listed", test.action, len(l.RefundDetails))
			}
		}
	})
}

func TestFaultsOfReading(t *testing.T) {
	tests := []struct {
		action string
		status int
		err    error
	}{
		{"503", 503, nil}, {"429 retry-after=2", 429, nil}, {"200 body=\"[]\"", 200, nil}, {"html", 200, nil}, {"empty", 200, nil},
		{"odd", 200, nil}, {"307", 307, nil}, {"expired", 401, nil}, {"timeout", 0, io.EOF}, {"drop", 0, io.EOF},
		{"reset", 0, syscall.ECONNRESET}, {"cut", 200, io.ErrUnexpectedEOF}, {"cut-chunked", 200, io.ErrUnexpectedEOF},
		{"cut-close", 200, nil}, {"slow for=20ms", 200, nil},
	}
	routes := map[portonetest.Route]func(p *peer) reply{
		portonetest.RouteGet:    func(p *peer) reply { return p.get("VND1") },
		portonetest.RouteStatus: func(p *peer) reply { return p.do("GET", "/api/transaction/m-1/status", "") },
		portonetest.RouteDetails: func(p *peer) reply {
			return p.do("POST", "/api/"+p.key+"/transaction-details", `{"order_ref":"VND1"}`)
		},
		portonetest.RoutePayments: func(p *peer) reply {
			return p.do("POST", "/api/merchant/"+p.key+"/fetch-all-payments",
				`{"page":1,"size":10,"from":"2026-11-05T00:00:00Z","to":"2026-11-06T00:00:00Z","environment":"sandbox"}`)
		},
	}
	worlds(t, portonetest.Config{MaxHang: 50 * time.Millisecond}, func(t *testing.T, p *peer) {
		for _, test := range tests {
			for route, call := range routes {
				p.s.SetScript(portonetest.MustParse(string(route) + " " + test.action))
				if r := call(p); r.status != test.status || !errors.Is(r.err, test.err) {
					t.Errorf("%s %s: got %d %q (%v), want %d (%v)", route, test.action, r.status, r.body, r.err, test.status, test.err)
				}
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		now := time.Now().UTC() // stands still, since nothing here waits
		for value, want := range map[string]string{
			"": "", "retry-after=1": "1", "retry-after=-5": "-5", "retry-after=99999999999999999999": "99999999999999999999",
			"retry-after=soon": "soon", `retry-after="1 minute"`: "1 minute", "retry-after=1.5": "1.5", "retry-after=date": "date",
			"retry-after=date+30s": now.Add(30 * time.Second).Format(http.TimeFormat),
			"retry-after=date-1h":  now.Add(-time.Hour).Format(http.TimeFormat),
		} {
			p.s.SetScript(portonetest.MustParse("post 429 " + value))
			if r := p.post("VND1", "1", "r"); r.header.Get("Retry-After") != want || r.status != 429 {
				t.Errorf("%q: got %d with %q, want %q", value, r.status, r.header.Get("Retry-After"), want)
			}
		}
	})
}

func TestRedirectLeadsToItself(t *testing.T) {
	bubble(t, portonetest.Config{Script: portonetest.MustParse("post 308")}, func(t *testing.T, p *peer) {
		if r := p.post("VND1", "1", "r"); r.header.Get("Location") != "/api/refund/VND1" {
			t.Errorf("Location: %q", r.header.Get("Location"))
		}
	})
}

// A sender that gives up does not stop what PortOne has begun, and holds nothing up.
func TestSenderGivesUp(t *testing.T) {
	tests := []struct {
		action  string
		atOnce  int // refunds made when the sender has given up
		at4s    int
		atClose int
	}{
		{"timeout-before for=1h", 0, 0, 0},
		{"timeout-after for=1h", 1, 1, 1},
		{"slow-before for=3s", 0, 1, 1},
		{"slow-before for=1h", 0, 0, 0},
		{"slow-after for=3s", 1, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.action, func(t *testing.T) {
			bubble(t, portonetest.Config{Script: portonetest.MustParse("post " + test.action)}, func(t *testing.T, p *peer) {
				p.client.Timeout = time.Second
				start := time.Now()
				if r := p.post("VND1", "1", "r"); r.err == nil || time.Since(start) != time.Second {
					t.Errorf("after %s: %+v", time.Since(start), r)
				}
				if n := len(p.s.Made("")); n != test.atOnce {
					t.Errorf("%d made when the sender gave up, want %d", n, test.atOnce)
				}
				time.Sleep(3 * time.Second)
				if n := len(p.s.Made("")); n != test.at4s {
					t.Errorf("%d made after 4 s, want %d", n, test.at4s)
				}
				if err := p.s.Close(); err != nil {
					t.Error(err)
				}
				if n := len(p.s.Made("")); n != test.atClose {
					t.Errorf("%d made when closed, want %d", n, test.atClose)
				}
				if time.Since(start) > 5*time.Second {
					t.Errorf("closing took until %s", time.Since(start))
				}
			})
		})
	}
}

func TestNthAndOrder(t *testing.T) {
	script := portonetest.MustParse("post nth=2 503-before, post order=THB1 nth=3.. 502-before, post order=THB1 nth=1..2 504-before")
	bubble(t, portonetest.Config{Script: script}, func(t *testing.T, p *peer) {
		for order, want := range map[string]string{"VND1": "200 503 200 200", "THB1": "504 503 502 502"} {
			var got []string
			for range 4 {
				got = append(got, fmt.Sprint(p.post(order, "1", "r").status))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v, want %s", order, got, want)
			}
		}
	})
}

// What happens to a request depends on the seed, its order and its number there, not on its neighbours.
func TestSharesAreSeeded(t *testing.T) {
	script := portonetest.MustParse("post 20% 429, post 10% 500-before, post 5% 502-before")
	run := func(t *testing.T, seed uint64, backwards bool) map[string]int {
		fared := map[string]int{}
		bubble(t, portonetest.Config{Seed: seed, Script: script}, func(t *testing.T, p *peer) {
			const n = 400
			var all []portonetest.Order
			for i := range n {
				all = append(all, portonetest.Order{OrderRef: fmt.Sprintf("O%d", i), Amount: money("100", "VND"), Channel: "MOMOPAY"})
			}
			if err := p.s.AddOrders(all...); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if backwards {
					i = n - 1 - i
				}
				for nth := range 3 {
					fared[fmt.Sprintf("O%d %d", i, nth)] = p.post(fmt.Sprintf("O%d", i), "1", "r").status
				}
			}
		})
		return fared
	}
	a, b, other := run(t, 1, false), run(t, 1, true), run(t, 2, false)
	counts, differ := map[int]int{}, 0
	for k, status := range a {
		counts[status]++
		if b[k] != status {
			t.Fatalf("%s: %d, and in another order of requests %d", k, status, b[k])
		}
		if other[k] != status {
			differ++
		}
	}
	if differ < 200 {
		t.Errorf("only %d of 1200 requests fared otherwise with another seed", differ)
	}
	for status, want := range map[int]int{200: 780, 429: 240, 500: 120, 502: 60} {
		if got := counts[status]; got < want-want/4 || got > want+want/4 {
			t.Errorf("%d: %d of 1200, want about %d", status, got, want)
		}
	}
}

// What a test that counts requests must know of net/http itself: on a connection
// that was used before, a read that was dropped is repeated, a POST is not.
func TestDroppedKeptAliveConnection(t *testing.T) {
	worlds(t, portonetest.Config{Script: portonetest.MustParse("get nth=2 drop, get nth=5 reset, post nth=2 drop-after, post nth=4 reset-before")}, func(t *testing.T, p *peer) {
		for range 4 {
			p.get("VND1").listing(t)
		}
		if n := p.s.Gets("VND1"); n != 6 {
			t.Errorf("%d GETs came for 4, of which two were broken once", n)
		}
		var got []int
		for range 5 {
			got = append(got, p.post("VND1", "1", "r").status)
		}
		if fmt.Sprint(got) != "[200 0 200 0 200]" || p.s.Posts("VND1") != 5 || len(p.s.Made("")) != 4 {
			t.Errorf("%v, %d POSTs came, %d refunds made", got, p.s.Posts("VND1"), len(p.s.Made("")))
		}
	})
}
