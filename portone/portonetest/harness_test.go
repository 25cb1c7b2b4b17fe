package portonetest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"refunds/portone"
	"refunds/portone/portonetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A peer is a plain net/http client of a Server. It knows nothing of the real one.
type peer struct {
	t      *testing.T
	s      *portonetest.Server
	client *http.Client
	expiry time.Duration // of its tokens, from now
	secret string
	key    string
	header string
}

// worlds runs test over real sockets, and again in a bubble where time is free.
func worlds(t *testing.T, cfg portonetest.Config, test func(t *testing.T, p *peer)) {
	t.Helper()
	t.Run("sockets", func(t *testing.T) { test(t, newPeer(t, cfg, true)) })
	t.Run("bubble", func(t *testing.T) { bubble(t, cfg, test) })
}

func bubble(t *testing.T, cfg portonetest.Config, test func(t *testing.T, p *peer)) {
	synctest.Test(t, func(t *testing.T) { test(t, newPeer(t, cfg, false)) })
}

func newPeer(t *testing.T, cfg portonetest.Config, sockets bool) *peer {
	t.Helper()
	s := portonetest.New(cfg)
	transport := &http.Transport{}
	if sockets {
		if err := s.Start(""); err != nil {
			t.Fatal(err)
		}
	} else {
		transport.DialContext = s.Dial
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.AddOrders(orders()...); err != nil {
		t.Fatal(err)
	}
	return &peer{
		t: t, s: s, expiry: time.Minute, key: s.ClientKey(), secret: string(s.SecretKey()), header: "X-Portone-Client-Key",
		client: &http.Client{Transport: transport, Timeout: 5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func money(text string, c portone.Currency) portone.Money {
	m, err := portone.ParseMoney(text, c)
	if err != nil {
		panic(err)
	}
	return m
}

func orders() []portonetest.Order {
	paid := time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC)
	return []portonetest.Order{
		{OrderRef: "VND1", MerchantOrderRef: "m-1", Amount: money("1000000", "VND"), Channel: "MOMOPAY", PaidAt: paid},
		{OrderRef: "THB1", MerchantOrderRef: "m-2", Amount: money("111.12", "THB"), Channel: "OMISE", PaidAt: paid.Add(time.Hour)},
		{OrderRef: "KWD1", Amount: money("7.125", "KWD"), Channel: "OMISE", PaidAt: paid.Add(2 * time.Hour)},
		{OrderRef: "WHOLE", Amount: money("500", "JPY"), Channel: "KREDIVO"},
		{OrderRef: "ONCE", Amount: money("500", "JPY"), Channel: "BAOKIM"},
		{OrderRef: "NEVER", Amount: money("500", "JPY"), Channel: "MOMOPAY", NoRefund: true},
		{OrderRef: "NOCHANNEL", Amount: money("500", "JPY"), Channel: "KLASHA"},
	}
}

func (p *peer) token() string {
	enc := base64.RawURLEncoding
	now := time.Now()
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(fmt.Appendf(nil,
		`{"iss":"PORTONE","sub":%q,"iat":%d,"exp":%d}`, p.key, now.Unix(), now.Add(p.expiry).Unix()))
	mac := hmac.New(sha256.New, []byte(p.secret))
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

// A reply is what came back, as far as it came.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of the exchange, or of reading the body
}

func (p *peer) do(method, path, body string) reply {
	p.t.Helper()
	// A body without a length of its own kind: net/http can't rewind it, so nothing is sent twice.
	var r io.Reader
	if body != "" {
		r = io.NopCloser(strings.NewReader(body))
	}
	req, err := http.NewRequest(method, p.s.URL()+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.Header.Set(p.header, p.key)
	req.Header.Set("Authorization", "Bearer "+p.token())
	resp, err := p.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

func (p *peer) post(order, amount, reason string) reply {
	p.t.Helper()
	channel := "MOMOPAY"
	for _, o := range orders() {
		if o.OrderRef == order {
			channel = o.Channel
		}
	}
	return p.do("POST", "/api/refund/"+order, fmt.Sprintf(
		`{"amount":%s,"channel":%q,"description":"d","refund_type":"partial","refund_reason":%q,"environment":"sandbox"}`, amount, channel, reason))
}

func (p *peer) get(order string) reply {
	p.t.Helper()
	return p.do("GET", "/api/refund/"+order, "")
}

type listing struct {
	AmountToRefund json.Number
	RefundDetails  []struct {
		RefundDate   string      `json:"refund_date"`
		RefundID     string      `json:"refund_id"`
		PSPRefundID  string      `json:"psp_refund_id"`
		Amount       json.Number `json:"amount"`
		Currency     string      `json:"currency"`
		RefundStatus string      `json:"refund_status"`
		RefundType   string      `json:"refund_type"`
		RefundReason string      `json:"refund_reason"`
	}
}

func (r reply) listing(t *testing.T) (l listing) {
	t.Helper()
	if r.err != nil || r.status != 200 {
		t.Fatalf("got %d %s (%v), want a list", r.status, r.body, r.err)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(r.body)))
	d.UseNumber()
	if err := d.Decode(&l); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return l
}

// code is the status_code of an error.
func (r reply) code(t *testing.T) string {
	t.Helper()
	var e struct {
		StatusCode string `json:"status_code"`
	}
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || r.err != nil {
		t.Fatalf("%q is no error of PortOne's: %v %v", r.body, err, r.err)
	}
	return e.StatusCode
}
