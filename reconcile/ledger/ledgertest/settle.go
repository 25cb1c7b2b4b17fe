package ledgertest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"

	"github.com/google/go-cmp/cmp"
)

// testUnknown takes an attempt from sending through unknown and quarantined to made.
func testUnknown(t *testing.T, url string) {
	db := Open(t, url)
	a := row("a", "O1", 100)
	f := batch("f", a)
	given(t, db, f, order("O1", 500))
	at := begun(t, db, a.Instruction, 1)

	s := outcome(at, bulk.AttemptSending, bulk.AttemptUnknown, bulk.Unknown)
	s.Answer = &bulk.Answered{At: now.Add(time.Second), HTTPStatus: 502, Code: "5000", Message: "đứt", Raw: []byte("<html>")}
	s.NextLook, s.Limited, s.ReasonCode, s.Message = now.Add(time.Hour), true, "bad_gateway", "no answer"
	ok(t, db.Settle(t.Context(), s))
	open := state(t, db, "O1", f.ID).Open
	want := at
	want.State, want.Limited, want.AnsweredAt, want.HTTPStatus, want.Code, want.Message = bulk.AttemptUnknown, true, kept(s.Answer.At), 502, "5000", "đứt"
	want.TokenExpires, want.StartedAt, want.NextLook = kept(at.TokenExpires), kept(at.StartedAt), kept(s.NextLook)
	if diff := cmp.Diff(&want, open); diff != "" {
		t.Error(diff)
	}
	r := result(t, db, f.ID, 1)
	until := kept(s.Answer.At).Add(2*5*time.Second + 10*time.Minute) // a 429
	if diff := cmp.Diff(bulk.Result{N: 1, Status: bulk.Unknown, Attempts: 1, ReasonCode: "bad_gateway", Message: "no answer",
		SentAt: kept(now), Until: until}, r); diff != "" {
		t.Error(diff)
	}

	// Looked at in vain, and again: the 429 and the answer stay on record.
	s = outcome(at, bulk.AttemptUnknown, bulk.AttemptQuarantined, bulk.Quarantined)
	s.NextLook = now.Add(2 * time.Hour)
	ok(t, db.Settle(t.Context(), s))
	if open = state(t, db, "O1", f.ID).Open; !open.Limited || open.Code != "5000" || open.State != bulk.AttemptQuarantined {
		t.Errorf("quarantined: %+v", open)
	}
	if r := result(t, db, f.ID, 1); r.Status != bulk.Quarantined || !r.SettledAt.Equal(kept(s.At)) || !r.Until.Equal(until) {
		t.Errorf("quarantined: %+v", r)
	}

	// The marker turns up, PortOne's last word is outstanding, and then it comes.
	s = outcome(at, bulk.AttemptQuarantined, bulk.AttemptMade, bulk.Pending)
	s.Refund, s.Identity = &portone.Refund{Amount: vnd(100), Status: "IN_QUEUE"}, "marker"
	ok(t, db.Settle(t.Context(), s))
	after := state(t, db, "O1", f.ID)
	if len(after.Bound) != 1 || after.Bound[0].Status != "IN_QUEUE" || after.Bound[0].State != bulk.Pending {
		t.Fatalf("pending: %+v", after.Bound)
	}
	final := bulk.Settlement{OrderRef: "O1", Marker: a.Marker, At: now.Add(time.Hour), Version: after.Version, State: bulk.Issued,
		Refund: listed(a.Instruction, "1", "success"), Identity: "psp-1"}
	ok(t, db.Settle(t.Context(), final))
	if err := db.Settle(t.Context(), final); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("told on an older version: %v", err)
	}
	// A list that leaves the ids out again takes nothing away, and decides nothing anew.
	final.Version, final.At = final.Version+1, now.Add(2*time.Hour)
	final.Refund = &portone.Refund{Amount: vnd(100), Status: "SUCCESS"}
	ok(t, db.Settle(t.Context(), final))
	wantBound := []bulk.BoundRefund{{Marker: a.Marker, State: bulk.Issued, RefundID: "r-1", PSPRefundID: "psp-1", Identity: "psp-1", Amount: vnd(100), Status: "SUCCESS"}}
	if diff := cmp.Diff(wantBound, state(t, db, "O1", f.ID).Bound); diff != "" {
		t.Error(diff)
	}
	if r := result(t, db, f.ID, 1); !r.SettledAt.Equal(kept(now.Add(time.Hour))) || !r.Until.IsZero() {
		t.Errorf("issued: %+v", r)
	}
}

// testSettleRefuses wants each wrong T2 refused whole: nothing of it may stay.
func testSettleRefuses(t *testing.T, url string) {
	db := Open(t, url)
	raw := Raw(t, url)
	a, b, c := row("a", "O1", 100), row("b", "O1", 200), row("c", "O1", 300)
	f := batch("f", a, b, c)
	given(t, db, f, order("O1", 5000))
	first := begun(t, db, a.Instruction, 1)
	ok(t, db.Settle(t.Context(), made(first, a.Instruction, "1")))
	at := begun(t, db, b.Instruction, 1)

	good := made(at, b.Instruction, "2")
	alone := bulk.Settlement{OrderRef: "O1", Marker: c.Marker, At: now, State: bulk.Refused, Version: state(t, db, "O1", "").Version}
	before, events := state(t, db, "O1", f.ID), Count(t, raw, `SELECT count(*) FROM events`)
	for _, x := range []struct {
		name  string
		s     bulk.Settlement
		alter func(*bulk.Settlement)
		want  string // of the error
	}{
		{"from another state", good, func(s *bulk.Settlement) { s.From = bulk.AttemptUnknown }, "changed meanwhile"},
		{"another order's attempt", good, func(s *bulk.Settlement) { s.OrderRef = "O2" }, "changed meanwhile"},
		{"another instruction's attempt", good, func(s *bulk.Settlement) { s.Marker = c.Marker }, "changed meanwhile"},
		{"the refund of another instruction, by identity", good, func(s *bulk.Settlement) { s.Refund.RefundID, s.Refund.PSPRefundID, s.Identity = "", "", "psp-1" }, "belongs to another instruction"},
		{"the refund of another instruction, by PSP id", good, func(s *bulk.Settlement) { s.Refund.PSPRefundID = "psp-1" }, "belongs to another instruction"},
		{"the refund of another instruction, by id", good, func(s *bulk.Settlement) { s.Refund.RefundID = "r-1" }, "belongs to another instruction"},
		{"a refund without identity", good, func(s *bulk.Settlement) { s.Identity = "" }, "no identity"},
		{"issued without a refund", good, func(s *bulk.Settlement) { s.Refund = nil }, "can't be issued"},
		{"issued by a failed refund", good, func(s *bulk.Settlement) { s.Refund.Status = "FAILED" }, "can't be issued"},
		{"pending by a successful refund", good, func(s *bulk.Settlement) { s.State = bulk.Pending }, "can't be pending"},
		{"made, and planned again", good, func(s *bulk.Settlement) { s.State = bulk.Planned }, "does not make its instruction"},
		{"unknown, and refused", good, func(s *bulk.Settlement) { s.To, s.State = bulk.AttemptUnknown, bulk.Refused }, "does not make its instruction"},
		{"a closed attempt that becomes absent", made(first, a.Instruction, "1"), func(s *bulk.Settlement) {
			s.From, s.To, s.State = bulk.AttemptMade, bulk.AttemptAbsent, bulk.Planned
		}, "does not make its instruction"},
		{"a closed attempt opened beside an open one", made(first, a.Instruction, "1"), func(s *bulk.Settlement) {
			s.From, s.To, s.State = bulk.AttemptMade, bulk.AttemptQuarantined, bulk.Quarantined
		}, "changed meanwhile"},
		{"a row beside an open attempt", alone, func(*bulk.Settlement) {}, "changed meanwhile"},
	} {
		refund := *good.Refund
		if x.s.Refund != nil {
			x.s.Refund = &refund
		}
		x.alter(&x.s)
		if err := db.Settle(t.Context(), x.s); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v; want %q", x.name, err, x.want)
		}
		if diff := cmp.Diff(before, state(t, db, "O1", f.ID)); diff != "" {
			t.Errorf("%s left a trace: %s", x.name, diff)
		}
	}
	if n := Count(t, raw, `SELECT count(*) FROM events`); n != events {
		t.Errorf("%d events of what did not happen", n-events)
	}
	ok(t, db.Settle(t.Context(), good)) // it was good

	// Without an attempt: on an old version, and back from what is final.
	for _, x := range []struct {
		name  string
		alter func(*bulk.Settlement)
	}{
		{"an old version", func(s *bulk.Settlement) { s.Version-- }},
		{"an issued row, planned again", func(s *bulk.Settlement) { s.Marker, s.State = a.Marker, bulk.Planned }},
		{"an instruction that is not there", func(s *bulk.Settlement) { s.Marker = row("x", "O1", 1).Marker }},
		{"an order that is not there", func(s *bulk.Settlement) { s.OrderRef, s.Version = "O2", 0 }},
	} {
		s := alone
		s.Version = state(t, db, "O1", "").Version
		x.alter(&s)
		if err := db.Settle(t.Context(), s); !errors.Is(err, bulk.ErrMoved) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// testNothingSent ends rows and attempts for which nothing was made.
func testNothingSent(t *testing.T, url string) {
	db := Open(t, url)
	a, lost := row("a", "O1", 100), row("lost", "O9", 100)
	f := batch("f", a, lost)
	given(t, db, f, order("O1", 500))
	for n, to := range []struct {
		state   bulk.AttemptState
		limited bool
	}{{bulk.AttemptNotSent, false}, {bulk.AttemptAbsent, true}, {bulk.AttemptAbsent, false}, {bulk.AttemptRefused, false}, {bulk.AttemptRefused, false}} {
		at := begun(t, db, a.Instruction, n+1)
		s := outcome(at, bulk.AttemptSending, to.state, bulk.Planned)
		s.Limited = to.limited
		ok(t, db.Settle(t.Context(), s))
	}
	want := []bulk.OpenRow{{Instruction: a.Instruction, State: bulk.Planned, Attempts: 5, NotSent: 1, Refused: 2, Limited: 1, Absent: 1}}
	if diff := cmp.Diff(want, state(t, db, "O1", f.ID).Rows); diff != "" {
		t.Error(diff)
	}

	// An order that neither the ledger nor PortOne has.
	s := bulk.Settlement{OrderRef: "O9", Marker: lost.Marker, At: now, State: bulk.Refused, ReasonCode: "order_unknown", Message: "PortOne does not know the order"}
	ok(t, db.Settle(t.Context(), s))
	if diff := cmp.Diff(bulk.Result{N: 2, Status: bulk.Refused, ReasonCode: "order_unknown", Message: s.Message, SettledAt: kept(now)}, result(t, db, f.ID, 2)); diff != "" {
		t.Error(diff)
	}
	ok(t, db.PutOrder(t.Context(), order("O9", 500)))
	if err := db.Settle(t.Context(), s); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("version 0 of an order that came meanwhile: %v", err)
	}

	// A refused row whose refund turns up after all takes the slot again.
	at := attempt(a.Instruction, 5)
	s = outcome(at, bulk.AttemptRefused, bulk.AttemptQuarantined, bulk.Quarantined)
	ok(t, db.Settle(t.Context(), s))
	if after := state(t, db, "O1", f.ID); after.Open == nil || after.Open.ID != at.ID || len(after.Rows) != 0 || after.OpenRow.State != bulk.Quarantined {
		t.Errorf("opened again: %+v", after)
	}
}

// testImportBound binds a refund that an import booked, and does not double it.
func testImportBound(t *testing.T, url string) {
	db := Open(t, url)
	a := row("a", "O1", 100)
	f := batch("f", a)
	given(t, db, f, order("O1", 500))
	_, _, err := db.ImportRefunds(t.Context(), []reconcile.Booked{
		{OrderRef: "O1", Amount: vnd(100), Status: reconcile.Success, PSPRefundID: "psp-1", RefundedAt: now}}, now)
	ok(t, err)
	s := bulk.Settlement{OrderRef: "O1", Marker: a.Marker, At: now, Version: state(t, db, "O1", "").Version, State: bulk.Issued,
		Refund: listed(a.Instruction, "1", "SUCCESS"), Identity: "psp-1"}
	ok(t, db.Settle(t.Context(), s)) // adopted without a POST
	raw := Raw(t, url)
	if n := Count(t, raw, `SELECT count(*) FROM refunds WHERE source = 'import' AND marker = ? AND refund_id = 'r-1'`, a.Marker); n != 1 {
		t.Errorf("the import's row is not bound")
	}
	if n := Count(t, raw, `SELECT count(*) FROM ledger_refunds`); n != 1 {
		t.Errorf("%d refunds of one", n)
	}
	if err := db.Begin(t.Context(), attempt(a.Instruction, 1), state(t, db, "O1", "").Version); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("T1 of an issued row: %v", err)
	}

	// Booked twice: first issued, listed without ids, then imported with them. What PortOne says last is recorded all the same.
	b := row("b", "O1", 50)
	given(t, db, batch("g", b))
	at := begun(t, db, b.Instruction, 1)
	m := made(at, b.Instruction, "2")
	m.State, m.Refund, m.Identity = bulk.Pending, &portone.Refund{Amount: vnd(50), Status: "IN_QUEUE"}, "b"
	ok(t, db.Settle(t.Context(), m))
	_, _, err = db.ImportRefunds(t.Context(), []reconcile.Booked{{OrderRef: "O1", Amount: vnd(50), Status: reconcile.Success, PSPRefundID: "psp-2"}}, now)
	ok(t, err)
	s = bulk.Settlement{OrderRef: "O1", Marker: b.Marker, At: now, Version: state(t, db, "O1", "").Version, State: bulk.Issued,
		Refund: listed(b.Instruction, "2", "SUCCESS"), Identity: "psp-2"}
	ok(t, db.Settle(t.Context(), s))
	if n := Count(t, raw, `SELECT count(*) FROM refunds WHERE marker = ? AND status = 'success' AND psp_refund_id = ''`, b.Marker); n != 1 {
		t.Errorf("the issued refund is not settled")
	}
}

func testHold(t *testing.T, url string) {
	db := Open(t, url)
	a, b, c := row("a", "O1", 100), row("b", "O1", 200), row("c", "O2", 300)
	f := batch("f", a, b, c)
	other := row("other", "O1", 7)
	given(t, db, f, order("O1", 500), order("O2", 500))
	given(t, db, batch("g", other))
	hold := func(want int) {
		t.Helper()
		n, err := db.Hold(t.Context(), f.ID, now)
		ok(t, err)
		if n != want {
			t.Errorf("Hold: %d, want %d", n, want)
		}
	}
	hold(0)
	at := begun(t, db, a.Instruction, 1)
	hold(0) // sending is not quarantined
	ok(t, db.Settle(t.Context(), outcome(at, bulk.AttemptSending, bulk.AttemptQuarantined, bulk.Quarantined)))
	hold(1)
	hold(0)
	for n, want := range map[int]bulk.State{1: bulk.Quarantined, 2: bulk.Held, 3: bulk.Planned} {
		if r := result(t, db, f.ID, n); r.Status != want || (r.SettledAt.IsZero() != (want == bulk.Planned)) {
			t.Errorf("row %d: %+v, want %s", n, r, want)
		}
	}
	if r := result(t, db, batch("g").ID, 1); r.Status != bulk.Planned {
		t.Errorf("another batch's row: %+v", r)
	}
	ok(t, db.Settle(t.Context(), outcome(at, bulk.AttemptQuarantined, bulk.AttemptAbsent, bulk.Failed)))
	hold(0)
	if diff := cmp.Diff(bulk.Result{N: 2, Status: bulk.Planned}, result(t, db, f.ID, 2)); diff != "" {
		t.Error(diff)
	}
	ok(t, db.Begin(t.Context(), attempt(b.Instruction, 1), state(t, db, "O1", "").Version))
}

func testUnsettled(t *testing.T, url string) {
	db := Open(t, url)
	var rows []bulk.Row
	for _, ref := range []string{"O1", "O2", "O3", "O4"} {
		rows = append(rows, row(ref, ref, 100))
		ok(t, db.PutOrder(t.Context(), order(ref, 500)))
	}
	f := batch("f", rows...)
	given(t, db, f)
	look := func(i int, at time.Duration) {
		a := attempt(rows[i].Instruction, 1)
		a.NextLook = now.Add(at)
		ok(t, db.Begin(t.Context(), a, 1))
	}
	look(0, 3*time.Hour) // not due
	look(1, 2*time.Hour) // due, at that moment
	look(2, time.Hour)   // due
	a := begun(t, db, rows[3].Instruction, 1)
	s := made(a, rows[3].Instruction, "4")
	s.State, s.Refund.Status, s.At = bulk.Pending, "IN_QUEUE", now.Add(90*time.Minute)
	ok(t, db.Settle(t.Context(), s))
	got, err := db.Unsettled(t.Context(), now.Add(2*time.Hour))
	ok(t, err)
	if diff := cmp.Diff([]string{"O3", "O4", "O2"}, got); diff != "" {
		t.Error(diff)
	}
	open, err := db.OpenOrders(t.Context(), f.ID)
	ok(t, err)
	if diff := cmp.Diff([]string{"O1", "O2", "O3"}, open); diff != "" {
		t.Error(diff)
	}
}
