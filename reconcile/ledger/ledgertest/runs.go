package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"refunds/portone"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
)

// Reconciliation holds an engine to what reconcile.Ledger and reconcile.Nights promise, beyond what
// the reconciler's own stories show.
func Reconciliation(t *testing.T, fresh func(testing.TB) string) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, db *ledger.DB)
	}{
		{"activity window", testActivity},
		{"nights", testNights},
		{"a finished run stays as it is", testFinished},
		{"pages", testPages},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, Open(t, fresh(t))) })
	}
}

// day is the business date of a moment in Seoul.
func day(t testing.TB, db *ledger.DB, d reconcile.Date) []string {
	t.Helper()
	seoul, err := time.LoadLocation("Asia/Seoul")
	ok(t, err)
	w, err := reconcile.ActivityWindow(d, d, seoul)
	ok(t, err)
	return refsOf(t, db, w)
}

var runs int

func refsOf(t testing.TB, db *ledger.DB, w reconcile.Window) (refs []string) {
	t.Helper()
	runs++
	r := reconcile.Run{ID: fmt.Sprintf("run-%03d", runs), Environment: portone.Sandbox, Window: w, StartedAt: now}
	n, _, err := db.BeginRun(t.Context(), r)
	ok(t, err)
	for after := ""; ; {
		page, err := db.Page(t.Context(), r.ID, after, 2)
		ok(t, err)
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			refs, after = append(refs, b.OrderRef), b.OrderRef
		}
	}
	if n != len(refs) {
		t.Errorf("the window has %d orders, and pages of %v", n, refs)
	}
	// So that the next window does not hold what this one could not read.
	var checked []reconcile.Checked
	for _, ref := range refs {
		checked = append(checked, reconcile.Checked{Line: reconcile.OrderLine{OrderRef: ref, Verdict: reconcile.OrderClean, Amount: vnd(1)}})
	}
	_, err = db.Record(t.Context(), r, checked)
	ok(t, err)
	r.FinishedAt, r.Verdict = now, reconcile.Clean
	_, err = db.FinishRun(t.Context(), r)
	ok(t, err)
	return refs
}

func testActivity(t *testing.T, db *ledger.DB) {
	paid := func(ref string, at time.Time) {
		o := order(ref, 1000)
		o.PaidAt = at
		ok(t, db.PutOrder(t.Context(), o))
	}
	begin := time.Date(2026, 11, 19, 15, 0, 0, 0, time.UTC) // of 2026-11-20 in Seoul
	paid("paid-first", begin)
	paid("paid-last", begin.Add(24*time.Hour-time.Microsecond))
	paid("paid-before", begin.Add(-time.Microsecond))
	paid("paid-after", begin.Add(24*time.Hour))
	for _, ref := range []string{"refunded", "refunded-before", "pending", "filed", "sent", "quiet"} {
		paid(ref, time.Time{})
	}
	_, _, err := db.ImportRefunds(t.Context(), []reconcile.Booked{
		{OrderRef: "refunded", PSPRefundID: "1", Amount: vnd(1), Status: reconcile.Success, RefundedAt: begin},
		{OrderRef: "refunded-before", PSPRefundID: "2", Amount: vnd(1), Status: reconcile.Success, RefundedAt: begin.Add(-time.Hour)},
		{OrderRef: "pending", PSPRefundID: "3", Amount: vnd(1), Status: reconcile.Pending, RefundedAt: begin.Add(-900 * time.Hour)},
	}, now)
	ok(t, err)
	f := batch("today", row("a", "filed", 1), row("b", "order-that-the-ledger-lacks", 1))
	f.ReceivedAt = begin.Add(time.Hour)
	given(t, db, f)
	g := batch("earlier", row("c", "sent", 1))
	given(t, db, g)
	begun(t, db, g.Rows[0].Instruction, 1) // in the story's now, weeks before; open still

	want := "[filed paid-first paid-last pending refunded sent]"
	if got := fmt.Sprint(day(t, db, "2026-11-20")); got != want {
		t.Errorf("activity\ngot  %s\nwant %s", got, want)
	}
	if got := fmt.Sprint(day(t, db, "2026-11-21")); got != "[paid-after pending sent]" {
		t.Errorf("the day after: %s", got)
	}
	if got := fmt.Sprint(refsOf(t, db, reconcile.OrdersWindow([]string{"quiet", "nobody's"}, time.UTC))); got != "[nobody's quiet]" {
		t.Errorf("named orders: %s", got)
	}
	if got := refsOf(t, db, reconcile.AllWindow(time.UTC)); len(got) != 10 {
		t.Errorf("all orders: %v", got)
	}
}

func testNights(t *testing.T, db *ledger.DB) {
	const stale = time.Minute
	claim := func(date reconcile.Date, owner string, at time.Time) bool {
		t.Helper()
		yes, err := db.ClaimNight(t.Context(), date, owner, at, stale)
		ok(t, err)
		return yes
	}
	beat := func(owner string, at time.Time) bool {
		t.Helper()
		yes, err := db.BeatNight(t.Context(), "2026-11-20", owner, at)
		ok(t, err)
		return yes
	}
	if missed, err := db.MissedNights(t.Context(), "2026-11-20"); err != nil || fmt.Sprint(missed) != "[2026-11-20]" {
		t.Errorf("missed before the first night: %v, %v", missed, err)
	}
	for _, step := range []struct {
		what      string
		got, want bool
	}{
		{"a claims", claim("2026-11-20", "a", now), true},
		{"b claims", claim("2026-11-20", "b", now.Add(stale)), false},
		{"a beats", beat("a", now.Add(stale)), true},
		{"b claims while a lives", claim("2026-11-20", "b", now.Add(2*stale)), false},
		{"b claims when a is dead", claim("2026-11-20", "b", now.Add(2*stale+time.Second)), true},
		{"a beats after that", beat("a", now.Add(3*stale)), false},
	} {
		if step.got != step.want {
			t.Errorf("%s: %v", step.what, step.got)
		}
	}
	r := reconcile.Run{ID: "night", Environment: portone.Sandbox, Window: reconcile.AllWindow(time.UTC), StartedAt: now}
	_, _, err := db.BeginRun(t.Context(), r)
	ok(t, err)
	ok(t, db.FinishNight(t.Context(), "2026-11-20", "a", r.ID, now)) // not a's any more
	ok(t, db.FinishNight(t.Context(), "2026-11-20", "b", "", now))   // given back
	if !claim("2026-11-20", "c", now) {
		t.Error("a night given back could not be claimed")
	}
	ok(t, db.FinishNight(t.Context(), "2026-11-20", "c", r.ID, now))
	if claim("2026-11-20", "d", now.Add(9000*time.Hour)) || beat("c", now) {
		t.Error("a finished night was claimed or held")
	}
	if missed, err := db.MissedNights(t.Context(), "2026-11-22"); err != nil || fmt.Sprint(missed) != "[2026-11-21 2026-11-22]" {
		t.Errorf("missed: %v, %v", missed, err)
	}
}

func testFinished(t *testing.T, db *ledger.DB) {
	ok(t, db.PutOrder(t.Context(), order("O", 1000)))
	r := reconcile.Run{ID: "r1", Environment: portone.Sandbox, Window: reconcile.AllWindow(time.UTC), StartedAt: now}
	_, _, err := db.BeginRun(t.Context(), r)
	ok(t, err)
	if got, err := db.Run(t.Context(), "r1"); err != nil || got.Verdict != "" || !got.FinishedAt.IsZero() {
		t.Errorf("a run under way: %+v, %v", got, err)
	}
	amount := vnd(5)
	c := []reconcile.Checked{{
		Line: reconcile.OrderLine{OrderRef: "O", Verdict: reconcile.OrderDiffers, Found: 1, Amount: vnd(1000)},
		Found: []reconcile.Discrepancy{{ID: "D-1", Kind: reconcile.MissingInLedger, OrderRef: "O", Portone: &amount, Difference: &amount,
			Note: "odd \x00 bytes \xff"}},
		Seen: []reconcile.Seen{{Identity: "x#1", Amount: amount, Status: "SUC\x00CESS", FirstSeen: now, LastSeen: now}}, At: now,
	}}
	_, err = db.Record(t.Context(), r, c)
	ok(t, err)
	r.FinishedAt, r.Verdict = now, reconcile.Discrepancies
	_, err = db.FinishRun(t.Context(), r)
	ok(t, err)
	if _, err := db.Record(t.Context(), r, c); err == nil {
		t.Error("a finished run was changed")
	}
	if _, err := db.FinishRun(t.Context(), r); err == nil {
		t.Error("a finished run was finished again")
	}
}

func testPages(t *testing.T, db *ledger.DB) {
	const n = 2300
	r := reconcile.Run{ID: "r1", Environment: portone.Sandbox, StartedAt: now}
	refs := make([]string, n)
	checked := make([]reconcile.Checked, n)
	for i := range refs {
		refs[i] = fmt.Sprintf("O%05d", i)
		m := vnd(int64(i + 1))
		checked[i] = reconcile.Checked{Line: reconcile.OrderLine{OrderRef: refs[i], Verdict: reconcile.OrderDiffers, Found: 1, Amount: vnd(1)},
			Found: []reconcile.Discrepancy{{ID: fmt.Sprintf("D-%d", i), Kind: reconcile.AmountDiffers, OrderRef: refs[i], Ledger: &m, Difference: &m}}, At: now}
	}
	r.Window = reconcile.OrdersWindow(refs, time.UTC)
	_, _, err := db.BeginRun(t.Context(), r)
	ok(t, err)
	roll, err := db.Record(t.Context(), r, checked)
	ok(t, err)
	if roll.New != n || len(roll.Money) != 1 || roll.Money[0].New != n*(n+1)/2 {
		t.Errorf("rolled %+v", roll)
	}
	orders, found := 0, 0
	ok(t, db.EachOrder(t.Context(), "r1", func(l reconcile.OrderLine) error {
		if l.OrderRef != refs[orders] {
			t.Fatalf("order %d is %s", orders, l.OrderRef)
		}
		orders++
		return nil
	}))
	ok(t, db.EachDiscrepancy(t.Context(), "r1", reconcile.AmountDiffers, func(f reconcile.Finding) error {
		if f.OrderRef != refs[found] || f.Ledger.Minor != int64(found+1) || f.State != reconcile.Open {
			t.Fatalf("discrepancy %d is %+v", found, f)
		}
		found++
		return nil
	}))
	if orders != n || found != n {
		t.Errorf("%d orders and %d discrepancies, not %d", orders, found, n)
	}
	ok(t, db.EachDiscrepancy(t.Context(), "r1", reconcile.StatusDiffers, func(f reconcile.Finding) error { return fmt.Errorf("found %+v", f) }))
	if _, err := db.Run(t.Context(), "none"); err == nil {
		t.Error("a run that there is none of was read")
	}
	if latest, err := db.Runs(t.Context(), 5); err != nil || len(latest) != 1 || latest[0].ID != "r1" {
		t.Errorf("latest runs %+v, %v", latest, err)
	}
}
