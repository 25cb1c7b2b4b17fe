package portonetest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"refunds/portone/portonetest"
)

func TestLag(t *testing.T) {
	bubble(t, portonetest.Config{Script: portonetest.MustParse("lag 300ms")}, func(t *testing.T, p *peer) {
		if l := p.post("VND1", "1000000", "r").listing(t); len(l.RefundDetails) != 0 || l.AmountToRefund != "1000000" {
			t.Errorf("the POST's own answer: %+v", l)
		}
		if r := p.post("VND1", "1", "r"); r.code(t) != portonetest.CodeTooMuch {
			t.Errorf("what is not listed yet was refunded twice: %s", r.body)
		}
		time.Sleep(299 * time.Millisecond)
		if l := p.get("VND1").listing(t); len(l.RefundDetails) != 0 || l.AmountToRefund != "1000000" {
			t.Errorf("after 299 ms: %+v", l)
		}
		time.Sleep(time.Millisecond)
		if l := p.get("VND1").listing(t); len(l.RefundDetails) != 1 || l.AmountToRefund != "0" {
			t.Errorf("after 300 ms: %+v", l)
		}
		f := p.s.Made("")[0]
		if f.VisibleAt.Sub(f.MadeAt) != 300*time.Millisecond {
			t.Errorf("made %s, visible %s", f.MadeAt, f.VisibleAt)
		}
	})
}

func TestQuirks(t *testing.T) {
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		quirk := func(text string) string {
			t.Helper()
			p.s.SetScript(portonetest.MustParse(text))
			if err := p.s.EditList("THB1", func([]portonetest.Listed) []portonetest.Listed { return nil }); err != nil {
				t.Fatal(err)
			}
			r := p.post("THB1", "1", "my reason")
			r.listing(t)
			return r.body
		}
		plain := quirk("")
		for _, part := range []string{`"currency":"THB"`, `"refund_status":"SUCCESS"`, `Z","refund_id":"`, `"refund_reason":"my reason"`} {
			if !strings.Contains(plain, part) {
				t.Errorf("without quirks: %s lacks %s", plain, part)
			}
		}
		for text, part := range map[string]string{
			"empty-ids":       `"refund_id":""`,
			"empty-psp-ids":   `"psp_refund_id":""`,
			"lower-currency":  `"currency":"thb"`,
			"offset-dates":    `+05:30","refund_id"`,
			"extra-fields":    `"settlement_hint":{`,
			"in-queue":        `"refund_status":"IN_QUEUE"`,
			"no-echo OMISE":   `"refund_reason":""`,
			"no-echo MOMOPAY": `"refund_reason":"my reason"`,
		} {
			if got := quirk(text); !strings.Contains(got, part) {
				t.Errorf("%s: %s lacks %s", text, got, part)
			}
		}
		made := p.s.Made("")
		if f := made[len(made)-1]; f.Reason != "my reason" {
			t.Errorf("the truth forgot the reason that is not echoed: %+v", f)
		}
		for text, code := range map[string]string{"no-partial OMISE": "4081", "no-refund OMISE": "5022"} {
			p.s.SetScript(portonetest.MustParse(text))
			if r := p.post("THB1", "1", "r"); r.code(t) != code {
				t.Errorf("%s: %s", text, r.body)
			}
		}
		quirk("no-second OMISE")
		if r := p.post("THB1", "1", "r"); r.code(t) != "4070" {
			t.Errorf("no-second: %s", r.body)
		}
		p.s.SetScript(portonetest.MustParse("status-message"))
		if r := p.post("NOPE", "1", "r"); !strings.Contains(r.body, `"status_message":"INVALID_REFERENCE"`) || strings.Contains(r.body, "status_reason") {
			t.Errorf("status-message: %s", r.body)
		}
	})
}

func TestShuffle(t *testing.T) {
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		ids := func() (ids []string) {
			for _, d := range p.get("VND1").listing(t).RefundDetails {
				ids = append(ids, d.RefundID)
			}
			return ids
		}
		for range 8 {
			p.post("VND1", "1", "r").listing(t)
		}
		inOrder := ids()
		p.s.SetScript(portonetest.MustParse("shuffle"))
		a, b := ids(), ids()
		if slices.Equal(a, inOrder) || slices.Equal(a, b) {
			t.Errorf("not shuffled: %v %v", a, b)
		}
		slices.Sort(a)
		slices.Sort(inOrder)
		if !slices.Equal(a, inOrder) || len(slices.Compact(a)) != 8 {
			t.Errorf("shuffled into something else: %v, %v", a, inOrder)
		}
	})
}

func TestQueuedRefundIsSettled(t *testing.T) {
	bubble(t, portonetest.Config{Script: portonetest.MustParse("in-queue")}, func(t *testing.T, p *peer) {
		p.post("VND1", "600000", "r").listing(t)
		f := p.s.Made("")[0]
		if l := p.get("VND1").listing(t); l.AmountToRefund != "400000" {
			t.Errorf("a queued refund does not count: %+v", l)
		}
		if err := p.s.SetStatus("VND1", f.Seq, "FAILED"); err != nil {
			t.Fatal(err)
		}
		if l := p.get("VND1").listing(t); l.AmountToRefund != "1000000" || l.RefundDetails[0].RefundStatus != "FAILED" {
			t.Errorf("a failed refund still counts: %+v", l)
		}
		if len(p.s.Made("")) != 0 || p.s.Truth().Refunds[0].Status != "FAILED" {
			t.Errorf("the truth has %+v", p.s.Truth().Refunds)
		}
		if err := p.s.SetStatus("VND1", f.Seq, "SUCCESS"); err != nil {
			t.Fatal(err)
		}
		if l := p.get("VND1").listing(t); l.AmountToRefund != "400000" {
			t.Errorf("a settled refund does not count: %+v", l)
		}
		for _, order := range []string{"THB1", "NOPE"} {
			if p.s.SetStatus(order, f.Seq, "SUCCESS") == nil {
				t.Errorf("%s has no such refund", order)
			}
		}
	})
}

// What a test can plant, behind the ledger's back.
func TestPlantedDifferences(t *testing.T) {
	type list = []portonetest.Listed
	tests := []struct {
		name      string
		edit      func(l list) list
		remaining string
		want      string // amount and currency of each
	}{
		{"deleted", func(l list) list { return l[1:] }, "91.12", "20 THB"},
		{"doubled", func(l list) list { return append(l, l[0]) }, "71.12", "10 THB 20 THB 10 THB"},
		{"added", func(l list) list { return append(l, portonetest.Listed{Amount: money("1", "THB"), Status: "SUCCESS"}) }, "80.12", "10 THB 20 THB 1 THB"},
		{"amount", func(l list) list { l[0].Amount = money("10.01", "THB"); return l }, "81.11", "10.01 THB 20 THB"},
		{"currency", func(l list) list { l[0].Amount = money("10", "USD"); return l }, "81.12", "10 USD 20 THB"},
		{"more than the order", func(l list) list { l[0].Amount = money("500", "THB"); return l }, "0", "500 THB 20 THB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
				for _, amount := range []string{"10", "20"} {
					if _, err := p.s.PortalRefund("THB1", money(amount, "THB"), "r"); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.s.EditList("THB1", test.edit); err != nil {
					t.Fatal(err)
				}
				l := p.get("THB1").listing(t)
				var got []string
				for _, d := range l.RefundDetails {
					got = append(got, d.Amount.String(), d.Currency)
				}
				if l.AmountToRefund.String() != test.remaining || strings.Join(got, " ") != test.want {
					t.Errorf("%s left of %v, want %s of %s", l.AmountToRefund, got, test.remaining, test.want)
				}
				if len(p.s.Made("")) != 2 || len(p.s.List("THB1")) != len(l.RefundDetails) {
					t.Error("the truth changed with the list")
				}
			})
		})
	}
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		if err := p.s.ShiftRemaining("THB1", -1); err != nil {
			t.Fatal(err)
		}
		if l := p.get("THB1").listing(t); l.AmountToRefund != "111.11" {
			t.Errorf("shifted: %+v", l)
		}
		if p.s.ShiftRemaining("NOPE", 1) == nil || p.s.EditList("NOPE", nil) == nil || p.s.List("NOPE") != nil {
			t.Error("an unknown order was edited")
		}
	})
}
