package portone

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestRefundsOverSocket(t *testing.T) {
	p := newPeer(t, say(httpAnswer("200 OK", goodList)))
	c := newClient(t, testConfig(p.url()))
	l, err := c.Refunds(t.Context(), "order1", "THB")
	if err != nil {
		t.Fatal(err)
	}
	if l.Remaining.String() != "888.88" || len(l.Refunds) != 1 || l.Refunds[0].Amount != thb111 {
		t.Errorf("got %+v", l)
	}
	if a := send(t, c); a.Class != Listed {
		t.Errorf("got %+v", a)
	}
}

// TestReadsAreRetried: what Refunds makes of an answer that is always the same, and how
// often it asks for it.
func TestReadsAreRetried(t *testing.T) {
	const bad = "400 Bad Request"
	for name, tt := range map[string]struct {
		reply string
		want  error
		tries int
	}{
		"list":                        {httpAnswer("200 OK", goodList), nil, 1},
		"no refunds":                  {httpAnswer("200 OK", `{"refundDetails":[],"amountToRefund":0}`), nil, 1},
		"dropped":                     {"", ErrUnavailable, tries},
		"500":                         {httpAnswer("500 X", "<html>"), ErrUnavailable, tries},
		"503":                         {httpAnswer("503 X", ""), ErrUnavailable, tries},
		"500 with a refusal's code":   {httpAnswer("500 X", complain("4096", "X")), ErrUnavailable, tries},
		"429":                         {httpAnswer("429 X", complain("4290", "X")), ErrUnavailable, tries},
		"408":                         {httpAnswer("408 X", ""), ErrUnavailable, tries},
		"400 of a PSP in trouble":     {httpAnswer(bad, complain("4080", "PSP")), ErrUnavailable, tries},
		"cut":                         {httpAnswer("200 OK", goodList)[:150], ErrUnreadable, tries},
		"HTML":                        {httpAnswer("200 OK", "<html>"), ErrUnreadable, tries},
		"twice":                       {httpAnswer("200 OK", goodList+goodList), ErrUnreadable, tries},
		"valid, but no list":          {httpAnswer("200 OK", `{"amountToRefund":1}`), ErrUnreadable, 1},
		"refundDetails null":          {httpAnswer("200 OK", `{"amountToRefund":1,"refundDetails":null}`), ErrUnreadable, 1},
		"302":                         {httpAnswer("302 Found", "", "Location: /elsewhere"), ErrUnreadable, 1},
		"201":                         {httpAnswer("201 Created", goodList), ErrUnreadable, 1},
		"order unknown":               {httpAnswer(bad, complain("4096", "INVALID_REFERENCE")), ErrOrderUnknown, 1},
		"record unknown":              {httpAnswer("404 X", complain("5001", "RECORD_NOT_FOUND_ERROR")), ErrOrderUnknown, 1},
		"404 of a gateway":            {httpAnswer("404 X", "<html>"), ErrUnreadable, 1},
		"key":                         {httpAnswer(bad, complain("4084", "KEY")), ErrUnauthorized, 1},
		"role":                        {httpAnswer("403 X", complain("4081", "ROLE_NOT_ALLOWED")), ErrUnauthorized, 1},
		"environment":                 {httpAnswer(bad, complain("4034", "INVALID_ENVIRONMENT")), ErrUnauthorized, 1},
		"401":                         {httpAnswer("401 X", complain("4010", "UNAUTHORIZED")), ErrUnauthorized, 2},
		"401 without PortOne's words": {httpAnswer("401 X", ""), ErrUnauthorized, 2},
		"unlisted code":               {httpAnswer(bad, complain("4999", "NEW")), ErrUnreadable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c := newClient(t, inProcess(t, func(c net.Conn, r *http.Request) {
					asked++
					io.WriteString(c, tt.reply)
					c.Close()
				}))
				start := time.Now()
				l, err := c.Refunds(t.Context(), "order1", "THB")
				if asked != tt.tries {
					t.Errorf("asked %d times, want %d", asked, tt.tries)
				}
				if d := time.Since(start); d > 4*time.Second {
					t.Errorf("gave up after %v", d)
				}
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if tt.want == nil {
					return
				}
				for _, kind := range []error{ErrOrderUnknown, ErrUnauthorized, ErrUnavailable, ErrUnreadable} {
					if (tt.want == kind) != errors.Is(err, kind) {
						t.Errorf("%v is also %v", err, kind)
					}
				}
				if !strings.Contains(err.Error(), `"order1"`) || strings.Contains(err.Error(), "retryable") || l.Raw != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestReadComesThrough: trouble that passes is not the caller's, and the waits are those
// that PortOne asked for, if it did.
func TestReadComesThrough(t *testing.T) {
	list := httpAnswer("200 OK", goodList)
	for name, tt := range map[string]struct {
		replies     []string
		least, most time.Duration
	}{
		"at once":                {[]string{list}, 0, 0},
		"after 503 and a drop":   {[]string{httpAnswer("503 X", ""), "", list}, 225 * time.Millisecond, 375 * time.Millisecond},
		"after four failures":    {[]string{"", "", "", "", list}, 1125 * time.Millisecond, 1875 * time.Millisecond},
		"Retry-After seconds":    {[]string{httpAnswer("429 X", "", "Retry-After: 3"), list}, 3 * time.Second, 3 * time.Second},
		"Retry-After for ever":   {[]string{httpAnswer("503 X", "", "Retry-After: 999999999"), list}, maxRetryAfter, maxRetryAfter},
		"Retry-After a date":     {[]string{httpAnswer("503 X", "", "Retry-After: Sat, 01 Jan 2000 00:00:09 GMT"), list}, 9 * time.Second, 9 * time.Second},
		"Retry-After negative":   {[]string{httpAnswer("503 X", "", "Retry-After: -9"), list}, 75 * time.Millisecond, 125 * time.Millisecond},
		"Retry-After garbage":    {[]string{httpAnswer("503 X", "", "Retry-After: soon"), list}, 75 * time.Millisecond, 125 * time.Millisecond},
		"Retry-After only once":  {[]string{httpAnswer("503 X", "", "Retry-After: 3"), "", list}, 3150 * time.Millisecond, 3250 * time.Millisecond},
		"after an expired token": {[]string{httpAnswer("401 X", complain("4099", "TOKEN_EXPIRED")), list}, 75 * time.Millisecond, 125 * time.Millisecond},
		"three 429s hold":        {[]string{httpAnswer("429 X", ""), httpAnswer("429 X", ""), httpAnswer("429 X", ""), list}, 1200 * time.Millisecond, 1400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00 UTC
				n := 0
				tokens := make(map[string]bool)
				c := newClient(t, inProcess(t, func(c net.Conn, r *http.Request) {
					tokens[r.Header.Get("Authorization")] = true
					if n++; n <= len(tt.replies) {
						io.WriteString(c, tt.replies[n-1])
					}
					c.Close()
				}))
				start := time.Now()
				l, err := c.Refunds(t.Context(), "order1", "THB")
				if err != nil || len(l.Refunds) != 1 || n != len(tt.replies) {
					t.Errorf("after %d tries: %v, %v", n, l, err)
				}
				if d := time.Since(start); d < tt.least || d > tt.most {
					t.Errorf("took %v, want %v to %v", d, tt.least, tt.most)
				}
				if tt.least > time.Second && tt.least != 1125*time.Millisecond && len(tokens) < 2 {
					t.Errorf("an old token was sent again")
				}
			})
		})
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, inProcess(t, func(c net.Conn, r *http.Request) { time.Sleep(time.Second) }))
		for _, after := range []time.Duration{0, 50 * time.Millisecond} {
			ctx, cancel := context.WithCancel(t.Context())
			stop := time.AfterFunc(after, cancel)
			start := time.Now()
			_, err := c.Refunds(ctx, "order1", "THB")
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) || time.Since(start) != after {
				t.Errorf("ended after %v: %v", time.Since(start), err)
			}
			stop.Stop()
		}
		time.Sleep(2 * time.Second)
	})
}

// TestUnreachableHost is in real time: a person waits for it.
func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := newClient(t, testConfig("http://"+l.Addr().String()))
	start := time.Now()
	_, err = c.Refunds(t.Context(), "order1", "THB")
	if d := time.Since(start); !errors.Is(err, ErrUnavailable) || d > 3*time.Second {
		t.Errorf("after %v: %v", d, err)
	}
}

func TestReadsCheckReferences(t *testing.T) {
	c := newClient(t, testConfig("http://127.0.0.1:1"))
	for _, ref := range []string{"", ".", "..", "../refund", "a/../b", "a/b", "a%2e%2e", "a?b", "a#b", "a b", "a\x00", "-a", "_a", "é", strings.Repeat("a", 65)} {
		_, err1 := c.Refunds(t.Context(), ref, "THB")
		_, err2 := c.Order(t.Context(), ref)
		_, err3 := c.OrderByMerchantRef(t.Context(), ref)
		for _, err := range []error{err1, err2, err3} {
			if err == nil || errors.Is(err, ErrUnavailable) {
				t.Errorf("%q was asked for: %v", ref, err)
			}
		}
	}
}

// TestLookups reads orders, and shows what each call asks.
func TestLookups(t *testing.T) {
	const order = `{"amount":1000.5,"currency":"usd","order_ref":"o1","merchant_order_ref":"m-1","channel_key":"OMISE","status":"Success",` +
		`"is_refund_allowed":true,"is_multi_refund_allowed":null,"refund_completed":false,"refund_status":"","created_at":"2026-01-02T03:04:05Z"}`
	replies := map[string]string{
		"GET /api/transaction/m-1/status":                       `{"content":{"order_ref":"o1","channel_order_ref":"c","status":"Success"},"status_code":"2000"}`,
		"GET /api/transaction/m-2/status":                       `{"content":{"order_ref":"o1","merchant_order_ref":"m-1"}}`,
		"GET /api/transaction/m-3/status":                       `{"content":null}`,
		"GET /api/transaction/m-4/status":                       `{"content":{"order_ref":"../../x"}}`,
		"POST /api/" + testKey + "/transaction-details":         `{"content":` + order + `}`,
		"POST /api/merchant/" + testKey + "/fetch-all-payments": `{"body":{"content":[` + order + `],"total_elements":21,"total_pages":3,"page":1,"size":10,"number_of_elements":1},"status_code":2000}`,
	}
	var bodies []string
	p := newPeer(t, func(c net.Conn, r *http.Request, _ int) bool {
		var claims jwt.RegisteredClaims
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }); err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		_, err := io.WriteString(c, httpAnswer("200 OK", replies[r.Method+" "+r.RequestURI]))
		return err == nil
	})
	c := newClient(t, testConfig(p.url()))
	ctx := t.Context()

	if ref, err := c.OrderByMerchantRef(ctx, "m-1"); err != nil || ref != "o1" {
		t.Errorf("got %q, %v", ref, err)
	}
	for _, m := range []string{"m-2", "m-3", "m-4"} { // about another, about none, a path
		if ref, err := c.OrderByMerchantRef(ctx, m); !errors.Is(err, ErrUnreadable) || ref != "" {
			t.Errorf("%s: got %q, %v", m, ref, err)
		}
	}
	yes := true
	want := Order{OrderRef: "o1", MerchantOrderRef: "m-1", Amount: Money{100050, "USD"}, Channel: "OMISE", Status: "Success",
		RefundAllowed: &yes, PaidAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	o, err := c.Order(ctx, "o1")
	if err != nil || !sameOrder(o, want) {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := c.Order(ctx, "o2"); !errors.Is(err, ErrUnreadable) || o != (Order{}) {
		t.Errorf("an answer about another order: %+v, %v", o, err)
	}
	from := time.Date(2026, 1, 1, 9, 0, 0, 0, time.FixedZone("", 9*3600))
	orders, pages, err := c.Payments(ctx, from, from.AddDate(0, 0, 1), 1, 10)
	if err != nil || pages != 3 || len(orders) != 1 || !sameOrder(orders[0], want) {
		t.Errorf("got %+v, %d pages, %v", orders, pages, err)
	}
	if _, _, err := c.Payments(ctx, from, from, 0, 10); err == nil {
		t.Error("there is no page 0")
	}
	for _, raw := range p.raw {
		if _, body, _ := strings.Cut(raw, "\r\n\r\n"); body != "" {
			bodies = append(bodies, body)
		}
	}
	if got, want := strings.Join(bodies, "\n"), `{"order_ref":"o1"}
{"order_ref":"o2"}
{"page":1,"size":10,"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","environment":"sandbox"}`; got != want {
		t.Errorf("asked:\n%s\nwant:\n%s", got, want)
	}
}

func sameOrder(a, b Order) bool {
	same := (a.RefundAllowed == nil) == (b.RefundAllowed == nil) && (a.RefundAllowed == nil || *a.RefundAllowed == *b.RefundAllowed) &&
		(a.MultiRefundAllowed == nil) == (b.MultiRefundAllowed == nil)
	a.RefundAllowed, b.RefundAllowed = nil, nil
	return same && a == b
}
