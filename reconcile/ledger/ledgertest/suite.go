package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"

	"github.com/google/go-cmp/cmp"
)

// Run holds an engine to what bulk.Ledger, bulk.Intake and the ledger's own methods
// promise. fresh gives the URL of a new, migrated ledger.
func Run(t *testing.T, fresh func(testing.TB) string) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, url string)
	}{
		{"order state", testOrderState},
		{"issue", testIssue},
		{"one wins the slot", testRace},
		{"begin refuses", testBeginRefuses},
		{"constraints", testConstraints},
		{"unknown, quarantined, made", testUnknown},
		{"settle refuses", testSettleRefuses},
		{"nothing sent", testNothingSent},
		{"decided", testDecided},
		{"findings", testFindings},
		{"an imported refund is bound", testImportBound},
		{"hold", testHold},
		{"unsettled", testUnsettled},
		{"accept", testAccept},
		{"conflict", testConflict},
		{"revision", testRevision},
		{"accept at once", testAcceptAtOnce},
		{"batches", testBatches},
		{"import orders", testImportOrders},
		{"import refunds", testImportRefunds},
		{"binding", testBinding},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, fresh(t)) })
	}
}

func testOrderState(t *testing.T, url string) {
	db := Open(t, url)
	yes, no := true, false
	o := order("O1", 500_000)
	o.RefundAllowed, o.MultiRefundAllowed, o.PaidAt = &yes, &no, now
	a, b, c := row("a", "O1", 100), row("b", "O1", 200), row("c", "O2", 300)
	f := batch("f", a, c, b)
	given(t, db, f, o)
	ok(t, db.PutOrder(t.Context(), order("O1", 1))) // stays as it is

	want := o
	want.PaidAt = kept(now)
	s := state(t, db, "O1", f.ID)
	if diff := cmp.Diff(bulk.OrderState{Order: &want, Version: 1, Rows: []bulk.OpenRow{
		{Instruction: a.Instruction, State: bulk.Planned}, {Instruction: b.Instruction, State: bulk.Planned}},
		Markers: map[string]bulk.State{a.Marker: bulk.Planned, b.Marker: bulk.Planned}}, s); diff != "" {
		t.Error(diff)
	}
	if s := state(t, db, "O1", ""); len(s.Rows) != 0 {
		t.Errorf("without a batch there are rows: %v", s.Rows)
	}
	if s := state(t, db, "O2", f.ID); s.Order != nil || s.Version != 0 || len(s.Rows) != 1 {
		t.Errorf("an order that the ledger lacks: %+v", s)
	}

	at := begun(t, db, a.Instruction, 1)
	s = state(t, db, "O1", f.ID)
	at.TokenExpires, at.StartedAt, at.NextLook = kept(at.TokenExpires), kept(at.StartedAt), kept(at.NextLook)
	if diff := cmp.Diff(bulk.OrderState{Order: &want, Version: 2, Rows: []bulk.OpenRow{{Instruction: b.Instruction, State: bulk.Planned}},
		Open: &at, OpenRow: &bulk.OpenRow{Instruction: a.Instruction, State: bulk.Sending, Attempts: 1},
		Markers: map[string]bulk.State{a.Marker: bulk.Sending, b.Marker: bulk.Planned}}, s); diff != "" {
		t.Error(diff)
	}
}

func testIssue(t *testing.T, url string) {
	db := Open(t, url)
	a := row("a", "O1", 100)
	f := batch("f", a)
	given(t, db, f, order("O1", 500))
	at := begun(t, db, a.Instruction, 1)
	s := made(at, a.Instruction, "1")
	s.Echoed = true
	s.Answer = &bulk.Answered{At: now.Add(time.Second), HTTPStatus: 200, Message: "ok\x00\xff", Raw: []byte("{}\xff")}
	s.List = &portone.RefundList{Raw: []byte(`{"amountToRefund":400}`)}
	ok(t, db.Settle(t.Context(), s))
	if err := db.Settle(t.Context(), s); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("a second T2: %v", err)
	}
	after := state(t, db, "O1", f.ID)
	want := []bulk.BoundRefund{{Marker: a.Marker, State: bulk.Issued, RefundID: "r-1", PSPRefundID: "psp-1", Identity: "psp-1",
		Amount: vnd(100), Status: "SUCCESS"}}
	if diff := cmp.Diff(want, after.Bound); diff != "" {
		t.Error(diff)
	}
	if after.Version != 3 || after.Open != nil || !after.Echoes {
		t.Errorf("after T1 and T2: %+v", after)
	}
	wantResult := bulk.Result{N: 1, Status: bulk.Issued, RefundID: "r-1", PSPRefundID: "psp-1", PortoneStatus: "SUCCESS", Attempts: 1,
		SentAt: kept(now), SettledAt: kept(s.At)}
	if diff := cmp.Diff(wantResult, result(t, db, f.ID, 1)); diff != "" {
		t.Error(diff)
	}
}

// testRace lets two handles, as two processes would have, and several goroutines
// begin on one order at once.
func testRace(t *testing.T, url string) {
	handles := []*ledger.DB{Open(t, url), Open(t, url)}
	var rows []bulk.Row
	for i := range 8 {
		rows = append(rows, row(fmt.Sprint(i), "O1", 10))
	}
	given(t, handles[0], batch("f", rows...), order("O1", 500))
	for round := range 3 {
		version := state(t, handles[0], "O1", "").Version
		var won []bulk.Attempt
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, r := range rows {
			wg.Go(func() {
				a := attempt(r.Instruction, round+1)
				err := handles[i%2].Begin(t.Context(), a, version)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, a)
				} else if !errors.Is(err, bulk.ErrMoved) {
					t.Errorf("Begin: %v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d began", len(won))
		}
		ok(t, handles[1].Settle(t.Context(), outcome(won[0], bulk.AttemptSending, bulk.AttemptNotSent, bulk.Planned)))
	}
}

func testBeginRefuses(t *testing.T, url string) {
	db := Open(t, url)
	a, b := row("a", "O1", 100), row("b", "O1", 200)
	f := batch("f", a, b)
	given(t, db, f, order("O1", 500))
	before := state(t, db, "O1", f.ID)
	for _, c := range []struct {
		name  string
		alter func(*bulk.Attempt)
		moved bool
		ver   int64
	}{
		{"a version of before", func(a *bulk.Attempt) {}, true, before.Version - 1},
		{"an order that is not there", func(a *bulk.Attempt) { a.OrderRef = "O2" }, true, before.Version},
		{"an instruction that is not there", func(a *bulk.Attempt) { a.Marker = row("x", "O1", 1).Marker }, true, before.Version},
		{"another amount than ordered", func(a *bulk.Attempt) { a.Amount.Minor++ }, false, before.Version},
		{"another currency", func(a *bulk.Attempt) { a.Amount.Currency = "KRW" }, false, before.Version},
		{"more than is left", func(a *bulk.Attempt) { a.Baseline.Remaining = vnd(99) }, false, before.Version},
		{"no body", func(a *bulk.Attempt) { a.Body = []byte{} }, false, before.Version},
		{"a state that is not sending", func(a *bulk.Attempt) { a.State = bulk.AttemptUnknown }, false, before.Version},
	} {
		at := attempt(a.Instruction, 1)
		c.alter(&at)
		err := db.Begin(t.Context(), at, c.ver)
		if err == nil || errors.Is(err, bulk.ErrMoved) != c.moved {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(before, state(t, db, "O1", f.ID)); diff != "" {
			t.Errorf("%s left a trace: %s", c.name, diff)
		}
	}
	begun(t, db, a.Instruction, 1)
	if err := db.Begin(t.Context(), attempt(b.Instruction, 1), state(t, db, "O1", "").Version); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("a second open attempt of the order: %v", err)
	}
}
