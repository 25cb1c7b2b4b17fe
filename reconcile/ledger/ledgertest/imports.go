package ledgertest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
	"refunds/reconcile/ledger"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
)

func testImportOrders(t *testing.T, url string) {
	db := Open(t, url)
	bare := bulk.Order{OrderRef: "O1", Amount: vnd(500), Channel: "MOMOPAY"}
	full := order("O1", 500)
	full.PaidAt = now
	other := order("O2", 700)
	differs := full
	differs.Amount = vnd(501)
	wrong := order("O5", 900)
	right := wrong
	right.Amount = portone.Money{Minor: 90, Currency: "THB"}
	for i, c := range []struct {
		orders      []bulk.Order
		added, same int
		conflicts   []ledger.Fault
	}{
		{[]bulk.Order{bare, other}, 2, 0, nil},
		{[]bulk.Order{bare, other}, 0, 2, nil},
		{[]bulk.Order{full, full}, 0, 2, nil}, // fills in
		{[]bulk.Order{bare}, 0, 1, nil},       // takes nothing away
		{[]bulk.Order{wrong}, 1, 0, nil},
		{[]bulk.Order{right}, 1, 0, nil}, // corrects what only an import told
		{[]bulk.Order{other, differs, order("O3", 1), order("O3", 1), order("O3", 2)}, 1, 2, []ledger.Fault{
			{N: 2, OrderRef: "O1", Message: "it is booked with 500 VND, not 501 VND"},
			{N: 5, OrderRef: "O3", Message: "it is booked with 1 VND, not 2 VND"}}},
	} {
		if len(c.conflicts) > 0 {
			confirmed := full
			confirmed.Confirmed = true
			ok(t, db.PutOrder(t.Context(), confirmed))
		}
		added, same, conflicts, err := db.ImportOrders(t.Context(), c.orders, now)
		if err != nil || added != c.added || same != c.same || cmp.Diff(c.conflicts, conflicts) != "" {
			t.Errorf("import %d: %d added, %d same, %v, %v", i, added, same, conflicts, err)
		}
	}
	full.PaidAt, full.Confirmed = kept(now), true
	if diff := cmp.Diff(&right, state(t, db, "O5", "").Order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&full, state(t, db, "O1", "").Order); diff != "" {
		t.Error(diff)
	}
	twin := order("O4", 1)
	twin.MerchantOrderRef = "m-O2"
	ok(t, db.PutOrder(t.Context(), twin))
	refs, err := db.OrderRefs(t.Context(), []string{"m-O2", "m-O1", "", "nobody's"})
	ok(t, err)
	if diff := cmp.Diff(map[string][]string{"m-O1": {"O1"}, "m-O2": {"O2", "O4"}}, refs); diff != "" {
		t.Error(diff)
	}
}

// testImportRefunds runs imports one after the other on one ledger.
func testImportRefunds(t *testing.T, url string) {
	db := Open(t, url)
	raw := Raw(t, url)
	mine := row("mine", "O1", 40)
	given(t, db, batch("f", mine), order("O1", 500), order("O2", 500))
	s := made(begun(t, db, mine.Instruction, 1), mine.Instruction, "m")
	s.Refund.RefundID, s.Refund.PSPRefundID, s.Identity = "", "", "by-marker"
	ok(t, db.Settle(t.Context(), s))

	psp := reconcile.Booked{OrderRef: "O1", Amount: vnd(100), Status: reconcile.Success, PSPRefundID: "p1", RefundID: "r1", Reason: "hủy", RefundedAt: now}
	id := reconcile.Booked{OrderRef: "O2", Amount: vnd(100), Status: reconcile.Pending, RefundID: "r2", RefundedAt: now}
	bare := reconcile.Booked{OrderRef: "O2", Amount: vnd(5), Status: reconcile.Success, Reason: "x", RefundedAt: now}
	later := bare
	later.RefundedAt = now.Add(time.Second)
	with := func(b reconcile.Booked, alter func(*reconcile.Booked)) reconcile.Booked { alter(&b); return b }
	for _, c := range []struct {
		name        string
		refunds     []reconcile.Booked
		added, same int
		faults      []string
	}{
		{"new", []reconcile.Booked{psp, id, bare, bare, later}, 5, 0, nil},
		{"again", []reconcile.Booked{psp, id, bare, bare, later}, 0, 5, nil},
		{"again in another order", []reconcile.Booked{later, bare, psp}, 0, 3, nil},
		{"a third of equal content", []reconcile.Booked{bare, bare, bare}, 1, 2, nil},
		{"known by the other id", []reconcile.Booked{with(psp, func(b *reconcile.Booked) { b.PSPRefundID = "" })}, 0, 1, nil},
		{"another PSP id", []reconcile.Booked{with(psp, func(b *reconcile.Booked) { b.PSPRefundID, b.RefundID = "p9", "" })}, 1, 0, nil},
		{"pending that settles", []reconcile.Booked{with(id, func(b *reconcile.Booked) { b.Status = reconcile.Failed })}, 0, 1, nil},
		{"an older word", []reconcile.Booked{id}, 0, 1, nil},
		{"our own, by its marker", []reconcile.Booked{{OrderRef: "O1", Amount: vnd(40), Status: reconcile.Success, PSPRefundID: "pm", Reason: mine.Marker + " x"}}, 0, 1, nil},
		{"contradictions", []reconcile.Booked{
			with(psp, func(b *reconcile.Booked) { b.PSPRefundID, b.RefundID = "p-new", "r-new" }),
			with(psp, func(b *reconcile.Booked) { b.Amount = vnd(99) }),
			with(psp, func(b *reconcile.Booked) { b.Amount.Currency = "KRW" }),
			with(psp, func(b *reconcile.Booked) { b.Status = reconcile.Failed }),
			with(bare, func(b *reconcile.Booked) { b.OrderRef = "O9" }),
		}, 0, 0, []string{
			"row 2: order O1: refund psp:p1 is booked with 100 VND, not 99 VND",
			"row 3: order O1: refund psp:p1 is booked with 100 VND, not 100 KRW",
			"row 4: order O1: refund psp:p1 is booked as success, not failed",
			"row 5: order O9: the ledger lacks the order: import the orders first",
		}},
	} {
		before := books(t, raw)
		added, same, err := db.ImportRefunds(t.Context(), c.refunds, now)
		var faults ledger.Faults
		errors.As(err, &faults)
		if added != c.added || same != c.same || len(faults) != len(c.faults) || err != nil && faults == nil {
			t.Errorf("%s: %d added, %d same, %v", c.name, added, same, err)
			continue
		}
		for i, f := range faults {
			if !strings.HasPrefix(f.String(), c.faults[i]) {
				t.Errorf("%s: %s; want %s", c.name, f, c.faults[i])
			}
		}
		if after := books(t, raw); after != before+c.added {
			t.Errorf("%s: %d refunds, then %d", c.name, before, after)
		}
	}
	if n := Count(t, raw, `SELECT count(*) FROM ledger_refunds WHERE refund_id = 'r2' AND status = 'failed'`); n != 1 {
		t.Error("the pending refund did not settle")
	}
	if n := Count(t, raw, `SELECT count(*) FROM ledger_refunds WHERE marker = ? AND instruction_id = 'mine' AND amount_minor = 40`, mine.Marker); n != 1 {
		t.Error("the issued refund does not show")
	}
	if n := Count(t, raw, `SELECT count(*) FROM ledger_orders WHERE amount_minor = 500 AND currency = 'VND' AND channel = 'MOMOPAY'`); n != 2 {
		t.Errorf("%d orders show", n)
	}
	if s := state(t, db, "O2", ""); len(s.Bound) != 0 || s.Version == 1 {
		t.Errorf("an import binds nothing and raises the version: %+v", s)
	}
}

func books(t testing.TB, raw *sqlx.DB) int { return Count(t, raw, `SELECT count(*) FROM refunds`) }

func testBinding(t *testing.T, url string) {
	const key = "client-key-abcd-1234"
	db := Open(t, url)
	ok(t, db.Bind(t.Context(), portone.Sandbox, key))
	ok(t, Open(t, url).Bind(t.Context(), portone.Sandbox, key))
	for _, c := range []struct {
		env portone.Environment
		key string
	}{{portone.Live, key}, {portone.Sandbox, "client-key-abcd-9876"}, {portone.Sandbox, "other-1234"}} {
		err := db.Bind(t.Context(), c.env, c.key)
		var unusable *ledger.Unusable
		if !errors.Is(err, ledger.ErrBound) || !errors.As(err, &unusable) {
			t.Errorf("bound to %s %s: %v", c.env, c.key, err)
			continue
		}
		for _, want := range []string{"belongs to sandbox", "1234", "not to " + string(c.env), c.key[len(c.key)-4:]} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "abcd") || strings.Contains(err.Error(), "other") {
			t.Errorf("%q shows the key", err)
		}
	}
}
