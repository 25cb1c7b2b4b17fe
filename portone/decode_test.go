package portone

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestListQuirks reads what the guide's and the spec's samples have in them.
func TestListQuirks(t *testing.T) {
	const body = ` {"refundDetails" : [
	{"refund_date":"2021-07-08T23:58:05.190121+05:30","refund_id":"","psp_refund_id":"p1","amount":200000,"currency":"VND","refund_status":"SUCCESS","refund_type":"partial","refund_reason":"one","merchant_id":"m"},
	{"refund_date":"2022-06-30T06:20:41.052983Z","refund_id":"r2","psp_refund_id":null,"amount":1.5,"currency":"usd","refund_status":"IN_QUEUE","refund_type":"partial","refund_reason":"\u0074wo \"\u0000\uD83D\uDE00"},
	{"refund_date":"2024-09-26 10:42:24.650023 +0000 UTC","refund_id":3,"amount":7e5,"currency":"Vnd","refund_status":"","x":{"amount":[1,{"amount":2}],"y":"}]\\\""}},
	{"refund_date":"yesterday","refund_date2":1,"refund_id":"r4","amount":0,"currency":"VND"}
	], "extra": null, "amountToRefund" :100000 }
	`
	l, err := parseList([]byte(body), "VND")
	if err != nil {
		t.Fatal(err)
	}
	date := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return d.UTC()
	}
	want := RefundList{Remaining: Money{100000, "VND"}, Raw: []byte(body), Refunds: []Refund{
		{PSPRefundID: "p1", Amount: Money{200000, "VND"}, Status: "SUCCESS", Type: "partial", Reason: "one", Date: date("2021-07-08T18:28:05.190121Z")},
		{RefundID: "r2", Amount: Money{150, "USD"}, Status: "IN_QUEUE", Type: "partial", Reason: "two \"\uFFFD😀", Date: date("2022-06-30T06:20:41.052983Z")},
		{RefundID: "3", Amount: Money{700000, "VND"}, Date: date("2024-09-26T10:42:24.650023Z")},
		{RefundID: "r4", Amount: Money{0, "VND"}},
	}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got  %+v\nwant %+v", l, want)
	}
}

// TestUnreadableLists: each is a good list with one thing wrong.
func TestUnreadableLists(t *testing.T) {
	const good = `{"amountToRefund":1,"refundDetails":[{"refund_id":"r","amount":2,"currency":"VND","refund_status":"SUCCESS"}]}`
	if _, err := parseList([]byte(good), "VND"); err != nil {
		t.Fatal(err)
	}
	if _, err := parseList([]byte(good), "XXX"); err == nil {
		t.Error("read in an unknown currency")
	}
	for _, change := range [][2]string{
		{`"amountToRefund":1,`, ``}, {`"amountToRefund":1`, `"amountToRefund":null`}, {`"amountToRefund":1`, `"amountToRefund":"1"`},
		{`"amountToRefund":1`, `"amountToRefund":-1`}, {`"amountToRefund":1`, `"amountToRefund":1.5`}, {`"amountToRefund":1`, `"amountToRefund":[]`},
		{`"amountToRefund":1`, `"amountToRefund":1,"amountToRefund":1`}, {`"amountToRefund":1`, `"amountToRefund":1,"amount\u0054oRefund":2`},
		{`"amountToRefund"`, `"AmountToRefund"`}, {`"amountToRefund":1`, `"amountToRefund":01`}, {`"amountToRefund":1`, `"amountToRefund":1e99`},
		{`"refundDetails"`, `"refundDetail"`}, {`[{`, `null,"x":[{`}, {`[{`, `{"x":[{`}, {`[{`, `[null,{`}, {`[{`, `[[],{`}, {`[{`, `[{},{`},
		{`"amount":2,`, ``}, {`"amount":2`, `"amount":null`}, {`"amount":2`, `"amount":-2`}, {`"amount":2`, `"amount":"2"`}, {`"amount":2`, `"amount":2.5`},
		{`"amount":2`, `"amount":true`}, {`"amount":2`, `"amount":2,"amount":3`}, {`"VND"`, `""`}, {`"VND"`, `null`}, {`"VND"`, `"dong"`}, {`"VND"`, `704`},
		{`"SUCCESS"`, `{}`}, {`"SUCCESS"`, `true`}, {`"SUCCESS"`, `["SUCCESS"]`}, {`"SUCCESS"`, `"SUCCESS","refund_status":"FAILED"`},
		{`"r"`, `{}`}, {`}]}`, `}]}}`}, {`}]}`, `}]`}, {`}]}`, `}]} x`}, {`}]}`, `},]}`}, {good, ``}, {good, ` `}, {good, `{}`}, {good, "\ufeff" + good},
	} {
		body := strings.Replace(good, change[0], change[1], 1)
		if l, err := parseList([]byte(body), "VND"); err == nil || l.Raw != nil {
			t.Errorf("%s is read as %+v", body, l)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, s := range []string{"", "0001-01-01T00:00:00Z", "2024-09-26", "26/09/2024", "1727347344", "2024-13-01T00:00:00Z", "2024-09-26T10:42:24"} {
		if d := parseDate(s); !d.IsZero() {
			t.Errorf("%q is %v", s, d)
		}
	}
}

// FuzzPick holds the reading of an object against encoding/json's.
func FuzzPick(f *testing.F) {
	for _, s := range []string{goodList, `{"a":1,"b":[{"a":2}]}`, `{"\u0061":"\\\"","b":null}`, ` { "a" : -1.5e3 , "c":"}" } `, `{}`, `[]`, `"a"`, `{"a":{},"a":1}`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields := []field{{name: "a"}, {name: "b"}, {name: "amountToRefund"}, {name: "refundDetails"}}
		err := pickWhole(body, fields)
		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) != nil || want == nil {
			if err == nil {
				t.Fatalf("%q was read", body)
			}
			return
		}
		if err != nil {
			return // a member twice, of which encoding/json takes the last
		}
		for _, field := range fields {
			if string(field.val) != string(want[field.name]) {
				t.Fatalf("%s of %q is %q, want %q", field.name, body, field.val, want[field.name])
			}
			field.text()
			field.maybe()
			field.amount("THB")
			var elements []json.RawMessage
			isList := json.Unmarshal(field.val, &elements) == nil && elements != nil
			n := 0
			if err := field.each(func(i int, e []byte) error {
				if string(e) != string(elements[i]) {
					t.Fatalf("element %d of %q is %q", i, field.val, e)
				}
				n++
				return nil
			}); (err == nil) != isList || n != len(elements) {
				t.Fatalf("%q has %d elements, got %d, %v", field.val, len(elements), n, err)
			}
		}
	})
}

// FuzzClassify: whatever comes, no panic, and nothing is proved by what is not JSON.
func FuzzClassify(f *testing.F) {
	f.Add(200, []byte(goodList))
	f.Add(400, []byte(complain("4081", "ROLE_NOT_ALLOWED")))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := Classify(status, body, "THB")
		if (a.Class == Listed || a.Class == Refused) && !json.Valid(body) || a.Class == NotSent || a.Stop && a.Class != Refused {
			t.Fatalf("HTTP %d with %q is %+v", status, body, a)
		}
	})
}
