package portonetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"refunds/portone/portonetest"
)

func TestLookUps(t *testing.T) {
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		p.post("ONCE", "500", "r").listing(t)
		details := "/api/" + p.key + "/transaction-details"
		tests := []struct {
			name, method, path, body string
			status                   int
			want                     string
		}{
			{"status", "GET", "/api/transaction/m-2/status", "", 200,
				`{"content":{"order_ref":"THB1","merchant_order_ref":"m-2","channel_order_ref":"ch_THB1","status":"Success"},"status_code":"2000","status_reason":"SUCCESS"}`},
			{"status of nobody", "GET", "/api/transaction/m-9/status", "", 400, `"4096"`},
			{"details", "POST", details, `{"order_ref":"THB1"}`, 200,
				`{"content":{"order_ref":"THB1","merchant_order_ref":"m-2","channel_order_ref":"ch_THB1","amount":111.12,"currency":"THB","channel_key":"OMISE","status":"Success",` +
					`"is_refund_allowed":true,"is_multi_refund_allowed":true,"refund_completed":false,"refund_status":"","created_at":"2026-11-05T11:00:00.000000Z","environment":"sandbox"}`},
			{"details of a refunded one", "POST", details, `{"order_ref":"ONCE"}`, 200,
				`"is_refund_allowed":true,"is_multi_refund_allowed":false,"refund_completed":true,"refund_status":"SUCCESS"`},
			{"details of what can't be", "POST", details, `{"order_ref":"NEVER"}`, 200, `"is_refund_allowed":false`},
			{"details of nobody", "POST", details, `{"order_ref":"NOPE"}`, 400, `"4096"`},
			{"details of nothing", "POST", details, `{`, 400, `"4001"`},
			{"details by another key", "POST", "/api/other/transaction-details", `{"order_ref":"THB1"}`, 401, `"4010"`},
			{"another path", "GET", "/api/refund", "", 404, `there is nothing`},
			{"another method", "DELETE", "/api/refund/THB1", "", 404, `there is nothing`},
			{"a path that climbs", "GET", "/api/refund/../refund/THB1", "", 404, `there is nothing`},
			{"an escaped reference", "GET", "/api/refund/%54HB1", "", 200, `"amountToRefund":111.12`},
			{"an escaped slash is part of the reference", "GET", "/api/refund/x%2FTHB1", "", 400, `"4096"`},
		}
		for _, test := range tests {
			if r := p.do(test.method, test.path, test.body); r.status != test.status || !strings.Contains(r.body, test.want) {
				t.Errorf("%s: %d %s, want %d %s", test.name, r.status, r.body, test.status, test.want)
			}
		}
	})
}

func TestPayments(t *testing.T) {
	bubble(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		call := func(page, size int, from, to, environment string) reply {
			return p.do("POST", "/api/merchant/"+p.key+"/fetch-all-payments", fmt.Sprintf(
				`{"page":%d,"size":%d,"from":%q,"to":%q,"environment":%q}`, page, size, from, to, environment))
		}
		const day, noon, next = "2026-11-05T00:00:00Z", "2026-11-05T12:00:00Z", "2026-11-06T00:00:00Z"
		tests := []struct {
			page, size  int
			from, to    string
			refs        string
			total, last int
		}{
			{1, 10, day, next, "VND1 THB1 KWD1", 3, 1},
			{1, 2, day, next, "VND1 THB1", 3, 2},
			{2, 2, day, next, "KWD1", 3, 2},
			{3, 2, day, next, "", 3, 2},
			{1, 10, day, noon, "VND1 THB1", 2, 1}, // the end is not in it
			{1, 10, noon, next, "KWD1", 1, 1},     // the beginning is
			{1, 10, next, day, "", 0, 0},
			{1, 1 << 60, day, next, "VND1 THB1 KWD1", 3, 1},
		}
		for _, test := range tests {
			r := call(test.page, test.size, test.from, test.to, "sandbox")
			var got struct {
				Body struct {
					Content []struct {
						OrderRef string `json:"order_ref"`
					}
					TotalElements    int `json:"total_elements"`
					TotalPages       int `json:"total_pages"`
					NumberOfElements int `json:"number_of_elements"`
				}
			}
			if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != 200 {
				t.Fatal(r, err)
			}
			var refs []string
			for _, o := range got.Body.Content {
				refs = append(refs, o.OrderRef)
			}
			if strings.Join(refs, " ") != test.refs || got.Body.TotalElements != test.total || got.Body.TotalPages != test.last || got.Body.NumberOfElements != len(refs) {
				t.Errorf("%+v: %s", test, r.body)
			}
		}
		for name, r := range map[string]reply{
			"4034": call(1, 10, day, next, "live"),
			"4001": call(0, 10, day, next, "sandbox"),
			"4010": p.do("POST", "/api/merchant/other/fetch-all-payments", `{}`),
		} {
			if r.code(t) != name {
				t.Errorf("want %s: %s", name, r.body)
			}
		}
	})
}

func TestControl(t *testing.T) {
	worlds(t, portonetest.Config{}, func(t *testing.T, p *peer) {
		call := func(method, path, body string) reply {
			req, err := http.NewRequest(method, p.s.URL()+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := p.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var b strings.Builder
			if err := resp.Write(&b); err != nil {
				t.Fatal(err)
			}
			_, body, _ = strings.Cut(b.String(), "\r\n\r\n")
			return reply{status: resp.StatusCode, body: body}
		}
		steps := []struct {
			name, method, path, body string
			status                   int
			want                     string
		}{
			{"orders", "POST", "/_sim/orders", "order_ref,amount,currency,channel\nNEW,12.50,THB,OMISE\n", 200, `{"added":1}`},
			{"orders again", "POST", "/_sim/orders", "order_ref,amount,currency,channel\nNEW,12.50,THB,OMISE\n", 400, `"NEW") is there already`},
			{"portal", "POST", "/_sim/portal", `{"order_ref":"NEW","amount":2.5,"reason":"by telephone"}`, 200, `"amount":2.50,"currency":"THB"`},
			{"portal, too much", "POST", "/_sim/portal", `{"order_ref":"NEW","amount":10.01}`, 400, `has 10.00 left, not 10.01`},
			{"portal, unknown", "POST", "/_sim/portal", `{"order_ref":"NOPE","amount":1}`, 400, `no order "NOPE"`},
			{"portal, misspelt", "POST", "/_sim/portal", `{"order":"NEW"}`, 400, `unknown field`},
			{"status", "POST", "/_sim/status", `{"order_ref":"NEW","seq":1,"status":"FAILED"}`, 200, ``},
			{"status of nothing", "POST", "/_sim/status", `{"order_ref":"NEW","seq":2,"status":"FAILED"}`, 400, `lists no refund 2`},
			{"status to nothing", "POST", "/_sim/status", `{"order_ref":"NEW","seq":1}`, 400, `status is missing`},
			{"script", "POST", "/_sim/script", `get 503`, 200, ``},
			{"bad script", "POST", "/_sim/script", `get 5O3`, 400, `line 1, column 5`},
			{"script in force", "GET", "/_sim/script", ``, 200, "get 503\n"},
			{"elsewhere", "GET", "/_sim/", ``, 404, `/_sim/truth`},
			{"wrong method", "GET", "/_sim/portal", ``, 404, `/_sim/truth`},
		}
		for _, step := range steps {
			if r := call(step.method, step.path, step.body); r.status != step.status || !strings.Contains(r.body, step.want) {
				t.Errorf("%s: %d %s, want %d %s", step.name, r.status, r.body, step.status, step.want)
			}
		}
		if r := p.get("NEW"); r.status != 503 {
			t.Errorf("the script is not in force: %d", r.status)
		}
		var truth portonetest.Truth
		if err := json.Unmarshal([]byte(p.do("GET", "/_sim/truth?order=NEW", "").body), &truth); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.s.Truth("NEW"), truth); diff != "" || len(truth.Requests) != 1 || len(truth.Refunds) != 1 {
			t.Errorf("the truth reads back otherwise: %s", diff)
		}
		if r := p.do("GET", "/_sim/stats", ""); r.body != `[{"route":"get","fault":"503","http_status":503,"count":1}]`+"\n" {
			t.Errorf("stats: %s", r.body)
		}
	})
}

func TestLoadOrders(t *testing.T) {
	orders, err := portonetest.LoadOrders(strings.NewReader("\ufeffchannel,order_ref,currency,amount,paid_at,merchant_order_ref\n" +
		"OMISE,A,thb,111.12,2026-11-05,m-1\nMOMOPAY,B,VND,700000,2026-11-05T10:00:00+07:00,\nMOMOPAY,C,VND,1,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range orders {
		got = append(got, fmt.Sprint(o.OrderRef, o.MerchantOrderRef, " ", o.Amount, o.Amount.Currency, " ", o.Channel, " ", o.PaidAt.UTC().Unix()))
	}
	want := []string{"Am-1 111.12THB OMISE 1793836800", "B 700000VND MOMOPAY 1793847600", "C 1VND MOMOPAY -62135596800"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"":                                 "header: EOF",
		"order_ref,amount,currency":        "column channel is missing",
		"order_ref,amount,currency,chanel": `unknown column "chanel"`,
		"order_ref,order_ref":              "column order_ref is there twice",
		"order_ref,amount,currency,channel\nA,1,VND":                     "line 2",
		"order_ref,amount,currency,channel\nA,1,VND,M\n\nB,1.5,VND,M":    "line 4: not an exact amount",
		"order_ref,amount,currency,channel\nA,0,VND,M":                   "not above zero",
		"order_ref,amount,currency,channel\nA,1,XXX,M":                   "not an ISO 4217 currency",
		"order_ref,amount,currency,channel\n,1,VND,M":                    "order_ref is missing",
		"order_ref,amount,currency,channel\nA,1,VND,":                    "channel is missing",
		"order_ref,amount,currency,channel,paid_at\nA,1,VND,M,5.11.2026": `paid_at "5.11.2026"`,
	} {
		if orders, err := portonetest.LoadOrders(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || orders != nil {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
