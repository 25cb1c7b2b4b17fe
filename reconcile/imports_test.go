package reconcile

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"refunds/bulk"
	"refunds/portone"
)

func day(d, h, m int) time.Time { return time.Date(2026, 11, d, h, m, 0, 0, time.UTC) }

func TestReadOrders(t *testing.T) {
	for _, c := range []struct {
		name, input string
		want        []bulk.Order
		faults      []string
	}{
		{"all columns", "Merchant Order ID;order-ref;AMOUNT;currency;Channel;paid_at\r\n" +
			"M-1;27TcA;700000;vnd;MOMOPAY;2026-11-20T10:30:00+07:00\r\n;27TcB;111.12;THB;OMISE;2026-11-21\r\n;27TcC;1;USD;OMISE;",
			[]bulk.Order{
				{OrderRef: "27TcA", MerchantOrderRef: "M-1", Amount: portone.Money{Minor: 700000, Currency: "VND"}, Channel: "MOMOPAY", PaidAt: day(20, 3, 30)},
				{OrderRef: "27TcB", Amount: portone.Money{Minor: 11112, Currency: "THB"}, Channel: "OMISE", PaidAt: day(21, 0, 0)},
				{OrderRef: "27TcC", Amount: portone.Money{Minor: 100, Currency: "USD"}, Channel: "OMISE"},
			}, nil},
		{"an order twice", "order_ref,amount,currency,channel\n27TcA,1,USD,OMISE\n27TcA,1,USD,OMISE\n",
			nil, []string{`line 3, order_ref (A3): "27TcA" stands on line 2 already; remove one of the two rows`}},
		{"bad cells", "order_ref,amount,currency,channel,paid_at\n../x,-1,US,,03/04/2026\n27TcA,1,USD,X,2026-11-21 10:00:00\n",
			nil, []string{
				`line 2, order_ref (A2): "../x" has '.' in it; only A-Z, a-z, 0-9, _ and - are possible`,
				`line 2, amount (B2): "-1" is negative; a refund's amount is above zero, so write it without the sign`,
				`line 2, currency (C2): "US" is not a currency of ISO 4217; write its code, such as KRW, VND or USD`,
				`line 2, channel (D2): the cell is empty; fill it in`,
				`line 2, paid_at (E2): "03/04/2026" is not a time; write 2026-11-21T14:05:00+09:00, or 2026-11-21, which is 00:00 UTC of that day`,
				`line 3, paid_at (E3): "2026-11-21 10:00:00" does not say its time zone; write 2026-11-21T14:05:00+09:00, or 2026-11-21, which is 00:00 UTC of that day`,
			}},
		{"columns missing", "order_ref,amount\n27TcA,1\n",
			nil, []string{`line 1, currency: the column is missing; add it`, `line 1, channel: the column is missing; add it`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			orders, faults, err := ReadOrders("orders.csv", strings.NewReader(c.input), bulk.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.faults, texts(faults)); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.want, orders); c.faults == nil && d != "" {
				t.Errorf("orders (-want +got):\n%s", d)
			}
		})
	}
}

func TestReadBooked(t *testing.T) {
	header := "order_ref,amount,currency,status,refunded_at,refund_id,psp_refund_id,reason\n"
	usd := func(minor int64) portone.Money { return portone.Money{Minor: minor, Currency: "USD"} }
	for _, c := range []struct {
		name, input string
		want        []Booked
		faults      []string
	}{
		{"status words", header + "27TcA,1,USD,success,2026-11-20,r1,p1,late\n27TcA,1,USD,SUCCESS,2026-11-20,r2,,\n" +
			"27TcA,2,USD,in_queue,2026-11-20T01:00:00Z,,p2,\n27TcA,2,USD,Pending,2026-11-20,,,\n27TcA,2,USD,Failed,2026-11-20,,,ABCDEFGHIJKLMNOPQR27 late\n",
			[]Booked{
				{OrderRef: "27TcA", Amount: usd(100), Status: Success, RefundID: "r1", PSPRefundID: "p1", Reason: "late", RefundedAt: day(20, 0, 0)},
				{OrderRef: "27TcA", Amount: usd(100), Status: Success, RefundID: "r2", RefundedAt: day(20, 0, 0)},
				{OrderRef: "27TcA", Amount: usd(200), Status: Pending, PSPRefundID: "p2", RefundedAt: day(20, 1, 0)},
				{OrderRef: "27TcA", Amount: usd(200), Status: Pending, RefundedAt: day(20, 0, 0)},
				{OrderRef: "27TcA", Amount: usd(200), Status: Failed, Reason: "ABCDEFGHIJKLMNOPQR27 late", RefundedAt: day(20, 0, 0)},
			}, nil},
		{"equal rows without ids are two refunds", "order_ref,amount,currency,status,refunded_at\n27TcA,1,USD,success,2026-11-20\n27TcA,1,USD,success,2026-11-20\n",
			[]Booked{
				{OrderRef: "27TcA", Amount: usd(100), Status: Success, RefundedAt: day(20, 0, 0)},
				{OrderRef: "27TcA", Amount: usd(100), Status: Success, RefundedAt: day(20, 0, 0)},
			}, nil},
		{"ids twice", header + "27TcA,1,USD,success,2026-11-20,r1,p1,\n27TcB,1,USD,success,2026-11-20,r1,p1,\n27TcB,1,USD,success,2026-11-20,p1,r1,\n", nil, []string{
			`line 3, refund_id (F3): "r1" stands on line 2 already; remove one of the two rows`,
			`line 3, psp_refund_id (G3): "p1" stands on line 2 already; remove one of the two rows`,
		}},
		{"bad cells", header + "27TcA,0,USD,done,,=r1,a b,card 4111111111111111\n", nil, []string{
			`line 2, amount (B2): "0" is zero; remove the row, or write the amount`,
			`line 2, status (D2): "done" is not a status; write success, pending or failed`,
			`line 2, refunded_at (E2): the cell is empty; fill it in`,
			`line 2, refund_id (F2): "=r1" is a formula; write the id itself`,
			`line 2, psp_refund_id (G2): "a b" is not an id; only ASCII letters, digits and signs are possible, and no spaces`,
			`line 2, reason (H2): "[hidden]" has a payment card number in it, which may not be stored; take it out`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			refunds, faults, err := ReadBooked("booked.csv", strings.NewReader(c.input), bulk.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.faults, texts(faults)); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.want, refunds); c.faults == nil && d != "" {
				t.Errorf("refunds (-want +got):\n%s", d)
			}
		})
	}
}

// TestFaultsOfImportsAreBounded: a file of nothing but faults tells how many there are.
func TestFaultsOfImportsAreBounded(t *testing.T) {
	bad := "order_ref,amount,currency,channel\n" + strings.Repeat("27TcA,1,USD,OMISE\n", 3000)
	_, faults, err := ReadOrders("orders.csv", strings.NewReader(bad), bulk.Limits{Faults: 10})
	if err != nil || len(faults) != 11 || !strings.Contains(faults[10].Message, "2989 more faults") {
		t.Errorf("%d faults, the last %v, %v", len(faults), faults[len(faults)-1], err)
	}
}

func TestImportReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	if _, _, err := ReadOrders("orders.csv", iotest.ErrReader(broken), bulk.Limits{}); !errors.Is(err, broken) {
		t.Errorf("orders: %v", err)
	}
	if _, _, err := ReadBooked("booked.csv", iotest.ErrReader(broken), bulk.Limits{}); !errors.Is(err, broken) {
		t.Errorf("booked: %v", err)
	}
}

func texts(faults []bulk.Fault) (out []string) {
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}
