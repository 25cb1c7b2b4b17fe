package portonetest_test

import (
	"strings"
	"testing"
	"time"

	"refunds/portone"
	"refunds/portone/portonetest"
)

func TestRefundIsMadeAndListed(t *testing.T) {
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		const reason = "ABCDEFGHIJKLMNOPQRST size too small"
		if l := p.post("THB1", "11.10", reason).listing(t); l.AmountToRefund != "100.02" || len(l.RefundDetails) != 1 {
			t.Fatalf("POST answered %+v", l)
		}
		l := p.get("THB1").listing(t)
		if l.AmountToRefund != "100.02" || len(l.RefundDetails) != 1 {
			t.Fatalf("GET answered %+v", l)
		}
		made := p.s.Made("ABCDEFGHIJKLMNOPQRST")
		if len(made) != 1 {
			t.Fatalf("made %+v", made)
		}
		f, d := made[0], l.RefundDetails[0]
		if d.Amount != "11.1" || d.Currency != "THB" || d.RefundStatus != "SUCCESS" || d.RefundReason != reason ||
			d.RefundType != "partial" || d.RefundID == "" || d.RefundID != f.RefundID || d.PSPRefundID != f.PSPRefundID {
			t.Errorf("listed %+v, made %+v", d, f)
		}
		if f.Marker != "ABCDEFGHIJKLMNOPQRST" || f.Amount != money("11.10", "THB") || f.By != portonetest.ByAPI || f.Request != 1 {
			t.Errorf("the truth says %+v", f)
		}
		if date, err := time.Parse(time.RFC3339Nano, d.RefundDate); err != nil || date.Sub(f.MadeAt).Abs() > time.Millisecond {
			t.Errorf("dated %s, made %s", d.RefundDate, f.MadeAt)
		}
		r := p.s.Truth("THB1").Requests
		if len(r) != 2 || r[0].Refund != f.Seq || r[0].Status != 200 || r[0].TokenExp.IsZero() || r[0].Body == "" || r[1].Refund != 0 {
			t.Errorf("requests %+v", r)
		}
		if p.s.Posts("THB1") != 1 || p.s.Posts("") != 1 || p.s.Gets("THB1") != 1 || p.s.Posts("VND1") != 0 {
			t.Error("requests are counted wrongly")
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	const whole = `{"amount":100,"channel":"MOMOPAY","description":"d","refund_type":"partial","refund_reason":"r","environment":"sandbox"}`
	without := func(from, to string) string { return replaceOnce(whole, from, to) }
	tests := []struct {
		name, order, body string
		status            int
		code              string
	}{
		{"order unknown", "NOPE", whole, 400, "4096"},
		{"no body", "VND1", "", 400, "4001"},
		{"not JSON", "VND1", "{", 400, "4001"},
		{"two objects", "VND1", whole + whole, 400, "4001"},
		{"no amount", "VND1", without(`"amount":100,`, ""), 400, "4001"},
		{"amount in quotes", "VND1", without(`100`, `"100"`), 400, "4001"},
		{"no channel", "VND1", without(`"channel":"MOMOPAY",`, ""), 400, "4001"},
		{"no description", "VND1", without(`"description":"d",`, ""), 400, "4001"},
		{"empty description", "VND1", without(`"d"`, `""`), 400, "4001"},
		{"no refund_type", "VND1", without(`"refund_type":"partial",`, ""), 400, "4001"},
		{"odd refund_type", "VND1", without(`"partial"`, `"half"`), 400, "4001"},
		{"no reason", "VND1", without(`"refund_reason":"r",`, ""), 400, "4001"},
		{"no environment", "VND1", without(`,"environment":"sandbox"`, ""), 400, "4001"},
		{"environment", "VND1", without("sandbox", "live"), 400, "4034"},
		{"zero", "VND1", without("100", "0"), 400, "4041"},
		{"negative", "VND1", without("100", "-1"), 400, "4041"},
		{"too many decimals", "VND1", without("100", "100.5"), 400, "4041"},
		{"more than is left", "VND1", without("100", "1000001"), 400, portonetest.CodeTooMuch},
		{"other channel", "VND1", without("MOMOPAY", "OMISE"), 400, "5023"},
		{"channel without refunds", "NOCHANNEL", without("MOMOPAY", "KLASHA"), 400, "5022"},
		{"order without refunds", "NEVER", whole, 400, "4070"},
		{"channel without partial refunds", "WHOLE", without("MOMOPAY", "KREDIVO"), 400, "4081"},
	}
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		for _, test := range tests {
			r := p.do("POST", "/api/refund/"+test.order, test.body)
			if r.status != test.status || r.code(t) != test.code {
				t.Errorf("%s: got %d %s, want %d %s", test.name, r.status, r.body, test.status, test.code)
			}
		}
		if r := p.get("NOPE"); r.status != 400 || r.code(t) != "4096" {
			t.Errorf("GET of an unknown order: %d %s", r.status, r.body)
		}
		if made := p.s.Made(""); len(made) != 0 {
			t.Errorf("made %+v", made)
		}
	})
}

func TestOneRefundOnly(t *testing.T) {
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		p.post("ONCE", "100", "first").listing(t)
		if r := p.post("ONCE", "100", "second"); r.code(t) != "4070" {
			t.Errorf("a second refund: %s", r.body)
		}
		if l := p.post("WHOLE", "500", "all").listing(t); l.AmountToRefund != "0" {
			t.Errorf("all that is left, where there are no partial refunds: %+v", l)
		}
	})
}

func TestFullTakesWhatIsLeft(t *testing.T) {
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		p.post("KWD1", "2.025", "part").listing(t)
		const full = `{"amount":1,"channel":"OMISE","description":"d","refund_type":"full","refund_reason":"rest","environment":"sandbox"}`
		l := p.do("POST", "/api/refund/KWD1", full).listing(t)
		if l.AmountToRefund != "0" || len(l.RefundDetails) != 2 || l.RefundDetails[1].Amount != "5.1" {
			t.Errorf("got %+v", l)
		}
		if r := p.do("POST", "/api/refund/KWD1", full); r.code(t) != portonetest.CodeTooMuch {
			t.Errorf("full of nothing: %s", r.body)
		}
	})
}

func TestToken(t *testing.T) {
	tests := []struct {
		name   string
		cfg    portonetest.Config
		change func(p *peer)
		status int
	}{
		{"good", portonetest.Config{}, func(*peer) {}, 200},
		{"old header name", portonetest.Config{}, func(p *peer) { p.header = "X-Chaipay-Client-Key" }, 200},
		{"no header", portonetest.Config{}, func(p *peer) { p.header = "X-Other" }, 401},
		{"other key", portonetest.Config{}, func(p *peer) { p.key = "other" }, 401},
		{"wrong secret", portonetest.Config{}, func(p *peer) { p.secret = "other" }, 401},
		{"expired now", portonetest.Config{}, func(p *peer) { p.expiry = 0 }, 401},
		{"lasts a second", portonetest.Config{}, func(p *peer) { p.expiry = time.Second }, 200},
		{"expired, not minded", portonetest.Config{IgnoreExpiry: true}, func(p *peer) { p.expiry = -time.Hour }, 200},
		{"the server's clock is ahead", portonetest.Config{Now: func() time.Time { return time.Now().Add(2 * time.Minute) }}, func(*peer) {}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, test.cfg, func(t *testing.T, p *peer) {
				test.change(p)
				for _, r := range []reply{p.post("VND1", "1", "r"), p.get("VND1"), p.do("GET", "/api/transaction/m-1/status", "")} {
					if r.status != test.status {
						t.Errorf("got %d %s, want %d", r.status, r.body, test.status)
					}
					if test.status == 401 && r.code(t) != "4010" {
						t.Errorf("got %s, want 4010", r.body)
					}
				}
				if made := len(p.s.Made("")); (made == 1) != (test.status == 200) {
					t.Errorf("%d refunds were made", made)
				}
			})
		})
	}
}

// The clock decides at arrival: work that takes longer than the token is done all the same.
func TestTokenMayExpireDuringWork(t *testing.T) {
	bubble(t, portonetest.Config{Delay: 3 * time.Second}, func(t *testing.T, p *peer) {
		p.expiry = time.Second
		p.post("VND1", "1", "r").listing(t)
	})
}

func TestPortalRefund(t *testing.T) {
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		f, err := p.s.PortalRefund("VND1", money("400000", "VND"), "agreed by telephone")
		if err != nil || f.By != portonetest.ByPortal || f.Marker != "" {
			t.Fatal(f, err)
		}
		if l := p.get("VND1").listing(t); l.AmountToRefund != "600000" || l.RefundDetails[0].RefundID != f.RefundID {
			t.Errorf("got %+v", l)
		}
		for name, m := range map[string]portone.Money{"too much": money("600001", "VND"), "other currency": money("1", "THB"), "nothing": money("0", "VND")} {
			if _, err := p.s.PortalRefund("VND1", m, "r"); err == nil {
				t.Errorf("%s was refunded", name)
			}
		}
		if _, err := p.s.PortalRefund("NOPE", money("1", "VND"), "r"); err == nil {
			t.Error("an unknown order was refunded")
		}
	})
}

func replaceOnce(s, from, to string) string {
	before, after, ok := strings.Cut(s, from)
	if !ok {
		panic(from + " is not in " + s)
	}
	return before + to + after
}
