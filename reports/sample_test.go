package reports

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"refunds/portone"
	"refunds/reconcile"
)

// told is a finished run as values.
type told struct {
	run    reconcile.Run
	found  []reconcile.Finding
	orders []reconcile.OrderLine
	fail   error // of EachOrder
}

func (t *told) Run(context.Context, string) (reconcile.Run, error) { return t.run, nil }

func (t *told) EachDiscrepancy(_ context.Context, _ string, k reconcile.Kind, f func(reconcile.Finding) error) error {
	for _, x := range t.found {
		if x.Kind == k {
			if err := f(x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *told) EachOrder(_ context.Context, _ string, f func(reconcile.OrderLine) error) error {
	for _, l := range t.orders {
		if err := f(l); err != nil {
			return err
		}
	}
	return t.fail
}

var (
	started = time.Date(2026, 11, 20, 17, 0, 3, 0, time.UTC)
)

// sample matches real orders, one of each kind of difference, and one that can't be read.
func sample() *told {
	zone, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		panic(err)
	}
	w, err := reconcile.ActivityWindow("2026-11-20", "2026-11-20", zone)
	if err != nil {
		panic(err)
	}
	t := &told{run: reconcile.Run{ID: "20261120T170003.000000Z-k3v9", Environment: portone.Sandbox, Window: w, StartedAt: started,
		FinishedAt: started.Add(83 * time.Second), Verdict: reconcile.Incomplete, Unchecked: 3,
		Roll: reconcile.Roll{Opening: 3, New: 8, Resolved: 1, Closing: 10, Outside: 1, Money: []reconcile.RollMoney{
			{Currency: "THB", Opening: -12000, New: 1034500, Changed: -50, Resolved: 4000, Closing: 1018450}, {Currency: "VND", Opening: 700000, Closing: 700000}}},
		Sums: []reconcile.Sum{{Currency: "THB", Ledger: 123456789, Portone: 123400000, Explained: 50000}, {Currency: "VND", Ledger: 700000, Portone: 1400000, Explained: -700000}}}}
	bounds := reconcile.Bounds{Grace: 15 * time.Minute, StalePending: time.Hour, StillUnknown: time.Hour}
	thb := func(n int64) portone.Money { return portone.Money{Minor: n, Currency: "THB"} }
	ago := started.Add(-50 * time.Hour)
	booked := func(n int64, s reconcile.BookedStatus) reconcile.Booked {
		return reconcile.Booked{Amount: thb(n), Status: s, PSPRefundID: fmt.Sprint("chrg_test_", n), RefundID: fmt.Sprint("2KQ", n), RefundedAt: ago, Reason: "damaged"}
	}
	listed := func(n int64, s portone.Status) portone.Refund {
		return portone.Refund{Amount: thb(n), Status: s, PSPRefundID: fmt.Sprint("chrg_test_", n), RefundID: fmt.Sprint("2KQ", n), Date: ago, Reason: "damaged"}
	}
	for n, o := range []struct {
		booked []reconcile.Booked
		listed []portone.Refund
		off    int64
		gone   bool
	}{
		{booked: []reconcile.Booked{booked(150000, "success")}, listed: []portone.Refund{listed(150000, "SUCCESS")}},
		{booked: []reconcile.Booked{booked(150000, "success")}},
		{listed: []portone.Refund{listed(1234567, "SUCCESS")}},
		{booked: []reconcile.Booked{booked(99900, "success")}, listed: []portone.Refund{func() portone.Refund { r := listed(99900, "SUCCESS"); r.Amount.Minor = 95000; return r }()}},
		{booked: []reconcile.Booked{booked(50000, "success")}, listed: []portone.Refund{func() portone.Refund { r := listed(50000, "SUCCESS"); r.Amount.Currency = "USD"; return r }()}},
		{booked: []reconcile.Booked{booked(20050, "success")}, listed: []portone.Refund{listed(20050, "FAILED")}},
		{booked: []reconcile.Booked{booked(7700, "success")}, listed: []portone.Refund{listed(7700, "SUCCESS"), listed(7700, "SUCCESS")}},
		{booked: []reconcile.Booked{booked(6000000, "success"), booked(5000000, "success")}, listed: []portone.Refund{listed(6000000, "SUCCESS"), listed(5000000, "SUCCESS")}},
		{off: 100},
		{booked: []reconcile.Booked{booked(31000, "pending")}, listed: []portone.Refund{listed(31000, "IN_QUEUE")}},
		{booked: []reconcile.Booked{booked(44000, "success")}, gone: true},
	} {
		b := reconcile.Books{OrderRef: fmt.Sprintf("27TcJzyjL1y0eNVLEUa8pA8qA%02d", n), MerchantOrderRef: fmt.Sprintf("SHOP-2026-%04d", n), Amount: thb(10000000), Booked: o.booked}
		l := reconcile.Listing{ReadAt: started, OrderUnknown: o.gone}
		l.Refunds, l.Remaining = o.listed, thb(10000000-o.off)
		for _, r := range o.listed {
			if r.Status.Succeeded() {
				l.Remaining.Minor -= r.Amount.Minor
			}
		}
		out := reconcile.Match(b, l, bounds)
		line := reconcile.OrderLine{OrderRef: b.OrderRef, MerchantOrderRef: b.MerchantOrderRef, Verdict: reconcile.OrderClean, Amount: b.Amount, Ledger: thb(0), Portone: thb(0), Found: len(out.Discrepancies)}
		for _, m := range out.Ledger {
			line.Ledger = m
		}
		for _, m := range out.Portone {
			if m.Currency == "THB" {
				line.Portone = m
			}
		}
		if line.Found > 0 {
			line.Verdict = reconcile.OrderDiffers
		}
		t.orders = append(t.orders, line)
		for _, d := range out.Discrepancies {
			t.found = append(t.found, reconcile.Finding{Discrepancy: d, State: reconcile.Open, FirstSeen: started.AddDate(0, 0, -n)})
		}
	}
	t.found[2].State = reconcile.Resolved
	t.line(t.found[2].OrderRef).Verdict, t.line(t.found[2].OrderRef).Found = reconcile.OrderClean, 0
	*t.line(t.found[0].OrderRef) = reconcile.OrderLine{OrderRef: t.found[0].OrderRef, MerchantOrderRef: t.found[0].MerchantOrderRef,
		Verdict: reconcile.OrderUnchecked, Reason: "list refunds: PortOne's answer can't be read: a list cut off after 812 bytes"}
	t.found[0].Carried, t.found[0].Note = true, `=HYPERLINK("http://x","y") <script>alert(1)</script>`
	t.orders = append(t.orders, reconcile.OrderLine{OrderRef: "27TcJzyjL1y0eNVLEUa8pA8qA98", Verdict: reconcile.OrderUnchecked, Amount: thb(50000),
		Reason: "list refunds of 27TcJzyjL1y0eNVLEUa8pA8qA98: PortOne gave no answer, also when retried (503, 6 tries)"},
		reconcile.OrderLine{OrderRef: "27TcJzyjL1y0eNVLEUa8pA8qA99", Verdict: reconcile.OrderUnchecked, Reason: "the ledger has no such order"})
	slices.SortFunc(t.found, func(a, b reconcile.Finding) int {
		return cmp.Or(cmp.Compare(a.OrderRef, b.OrderRef), cmp.Compare(a.ID, b.ID))
	})
	t.run.Read = len(t.orders) - t.run.Unchecked
	return t
}

func (t *told) line(orderRef string) *reconcile.OrderLine {
	return &t.orders[slices.IndexFunc(t.orders, func(l reconcile.OrderLine) bool { return l.OrderRef == orderRef })]
}

// clean is a run without anything to say.
func clean() *told {
	t := sample()
	t.run.Verdict, t.run.Unchecked, t.run.Environment = reconcile.Clean, 0, portone.Live
	t.run.Roll = reconcile.Roll{Opening: 1, Resolved: 1}
	t.run.Sums = t.run.Sums[:1]
	t.run.Sums[0].Portone, t.run.Sums[0].Explained = t.run.Sums[0].Ledger, 0
	t.orders, t.found = t.orders[:1], nil
	return t
}

// many is a run with n discrepancies among 3 n orders.
func many(n int) *told {
	t := sample()
	t.run.Verdict, t.run.Unchecked = reconcile.Discrepancies, 0
	template, line := t.found, t.orders[1]
	t.found, t.orders = nil, nil
	for i := range 3 * n {
		l := line
		l.OrderRef = fmt.Sprintf("27TcJzyjL1y0eNVLEUa%08d", i)
		l.Verdict, l.Found = reconcile.OrderClean, 0
		if i%3 == 0 {
			l.Verdict, l.Found = reconcile.OrderDiffers, 1
			f := template[i/3%len(template)]
			f.OrderRef, f.ID, f.State, f.Carried = l.OrderRef, fmt.Sprintf("D-%012d", i), reconcile.Open, false
			t.found = append(t.found, f)
		}
		t.orders = append(t.orders, l)
	}
	t.run.Read = len(t.orders)
	return t
}
