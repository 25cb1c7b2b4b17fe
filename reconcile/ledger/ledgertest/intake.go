package ledgertest

import (
	"fmt"
	"sync"
	"testing"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"

	"github.com/google/go-cmp/cmp"
)

// already is a skipped row's message for a place.
func already(b bulk.Batch, n int, s bulk.State) string {
	return fmt.Sprintf("already in batch %s…, row %d, %s", bulk.ShortID(b.ID), n, s)
}

func testAccept(t *testing.T, url string) {
	db := Open(t, url)
	raw := Raw(t, url)
	a, b := row("a", "O1", 100), row("b", "O2", 200)
	anonymous := row("", "O3", 300)
	f := batch("f", a, b, anonymous)
	given(t, db, f, order("O1", 500))
	given(t, db, f)
	if n := Count(t, raw, `SELECT count(*) FROM events WHERE kind = 'batch_accepted'`); n != 1 {
		t.Errorf("%d events of one batch", n)
	}
	var cells string
	ok(t, raw.Get(&cells, `SELECT cells FROM batch_rows WHERE n = 1`))
	if want := `["O1","x, \"y\"\n",""]`; cells != want {
		t.Errorf("cells %s, want %s", cells, want)
	}
	for _, key := range []string{a.Key, anonymous.Key} {
		if n := Count(t, raw, `SELECT count(*) FROM instructions WHERE key = ?`, key); n != 1 {
			t.Errorf("key %q: %d", key, n)
		}
	}

	// Another file with some of it: what is the same is skipped by name.
	other := anonymous
	other.Channel, other.Type = "OMISE", portone.Full // without an id, still the same row
	c := row("c", "O1", 5)
	g := batch("g", c, other, a)
	results, conflicts, err := db.Held(t.Context(), g)
	ok(t, err)
	want := map[int]bulk.Result{
		2: {N: 2, Status: bulk.Skipped, Message: already(f, 3, bulk.Planned)},
		3: {N: 3, Status: bulk.Skipped, Message: already(f, 1, bulk.Planned)},
	}
	if diff := cmp.Diff(want, results); diff != "" || len(conflicts) != 0 {
		t.Error(diff, conflicts)
	}
	given(t, db, g)
	at := begun(t, db, a.Instruction, 1)
	ok(t, db.Settle(t.Context(), made(at, a.Instruction, "1")))
	all, err := db.Results(t.Context(), g.ID)
	ok(t, err)
	if diff := cmp.Diff([]bulk.Result{{N: 1, Status: bulk.Planned}, want[2], {N: 3, Status: bulk.Skipped, Message: already(f, 1, bulk.Issued)}}, all); diff != "" {
		t.Error(diff)
	}
	if s := state(t, db, "O1", g.ID); len(s.Rows) != 1 || s.Rows[0].Marker != c.Marker {
		t.Errorf("rows of the second batch: %+v", s.Rows)
	}
	open, err := db.OpenOrders(t.Context(), g.ID)
	ok(t, err)
	if diff := cmp.Diff([]string{"O1"}, open); diff != "" {
		t.Error(diff)
	}
	if results, conflicts, err := db.Held(t.Context(), f); err != nil || len(results)+len(conflicts) != 0 {
		t.Errorf("a batch that has its rows itself: %v %v %v", results, conflicts, err)
	}
}

func testConflict(t *testing.T, url string) {
	db := Open(t, url)
	raw := Raw(t, url)
	a := row("a", "O1", 100)
	f := batch("f", row("before", "O1", 1), a)
	given(t, db, f)
	place := "already in batch " + bulk.ShortID(f.ID) + "…, row 2, with "
	for _, c := range []struct {
		column, was string
		alter       func(*bulk.Instruction)
	}{
		{"order_ref", "O1", func(i *bulk.Instruction) { i.OrderRef = "O2" }},
		{"amount", "100", func(i *bulk.Instruction) { i.Amount.Minor = 500 }},
		{"currency", "VND", func(i *bulk.Instruction) { i.Amount.Currency = "KRW" }},
		{"reason", a.Reason, func(i *bulk.Instruction) { i.Reason = "another" }},
		{"description", a.Description, func(i *bulk.Instruction) { i.Description = "" }},
		{"channel", "MOMOPAY", func(i *bulk.Instruction) { i.Channel = "" }},
		{"refund_type", "partial", func(i *bulk.Instruction) { i.Type = portone.Full }},
	} {
		r := a
		c.alter(&r.Instruction)
		g := batch(c.column, row("new", "O1", 3), r)
		want := []bulk.Conflict{{N: 2, Column: c.column, Message: place + c.column + " " + c.was}}
		_, held, err := db.Held(t.Context(), g)
		ok(t, err)
		got, err := db.Accept(t.Context(), g)
		ok(t, err)
		if diff := cmp.Diff([][]bulk.Conflict{want, want}, [][]bulk.Conflict{held, got}); diff != "" {
			t.Error(diff)
		}
	}
	twice, err := db.Accept(t.Context(), batch("twice", row("x", "O1", 3), row("x", "O1", 3)))
	if err != nil || len(twice) != 1 || twice[0].N != 2 {
		t.Errorf("an instruction twice in a file: %v %v", twice, err)
	}
	if n := Count(t, raw, `SELECT count(*) FROM batches`); n != 1 {
		t.Errorf("%d batches", n)
	}
	if n := Count(t, raw, `SELECT count(*) FROM instructions`); n != 2 {
		t.Errorf("%d instructions", n)
	}
}

// testRevision gives an instruction again after each way in which it can have ended.
func testRevision(t *testing.T, url string) {
	for i, c := range []struct {
		name     string
		attempts []bulk.AttemptState // how they ended
		state    bulk.State
		again    bool
	}{
		{"refused by PortOne", []bulk.AttemptState{bulk.AttemptRefused}, bulk.Refused, true},
		{"refused without an attempt", nil, bulk.Refused, true},
		{"never sent", []bulk.AttemptState{bulk.AttemptNotSent, bulk.AttemptNotSent}, bulk.Failed, true},
		{"failed before any attempt", nil, bulk.Failed, true},
		{"absent once, then refused", []bulk.AttemptState{bulk.AttemptAbsent, bulk.AttemptRefused}, bulk.Refused, false},
		{"absent", []bulk.AttemptState{bulk.AttemptAbsent}, bulk.Failed, false},
		{"failed at PortOne", []bulk.AttemptState{bulk.AttemptMade}, bulk.Failed, false},
		{"issued", []bulk.AttemptState{bulk.AttemptMade}, bulk.Issued, false},
		{"pending", []bulk.AttemptState{bulk.AttemptMade}, bulk.Pending, false},
		{"quarantined", []bulk.AttemptState{bulk.AttemptQuarantined}, bulk.Quarantined, false},
		{"cancelled", nil, bulk.Cancelled, false},
		{"planned", []bulk.AttemptState{bulk.AttemptNotSent}, bulk.Planned, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := Open(t, url)
			ref := fmt.Sprint("R", i)
			a := row("id-"+ref, ref, 100)
			f := batch("f"+ref, a)
			given(t, db, f, order(ref, 500))
			for n, to := range c.attempts {
				at := begun(t, db, a.Instruction, n+1)
				s := outcome(at, bulk.AttemptSending, to, bulk.Planned)
				if n == len(c.attempts)-1 {
					s.State, s.ReasonCode = c.state, "why"
				}
				if to == bulk.AttemptMade {
					word := map[bulk.State]portone.Status{bulk.Failed: "FAILED", bulk.Issued: "SUCCESS", bulk.Pending: "IN_QUEUE"}[c.state]
					s.Refund, s.Identity = listed(a.Instruction, ref, word), "psp-"+ref
				}
				ok(t, db.Settle(t.Context(), s))
			}
			if len(c.attempts) == 0 {
				ok(t, db.Settle(t.Context(), bulk.Settlement{OrderRef: ref, Marker: a.Marker, At: now, State: c.state, ReasonCode: "why",
					Version: state(t, db, ref, "").Version}))
			}
			before, version := result(t, db, f.ID, 1), state(t, db, ref, "").Version

			mended := a
			mended.Amount, mended.Reason = vnd(90), "mended"
			g := batch("g"+ref, row("first-"+ref, ref, 1), mended)
			conflicts, err := db.Accept(t.Context(), g)
			ok(t, err)
			if !c.again {
				if len(conflicts) != 1 || conflicts[0].Column != "amount" {
					t.Fatalf("conflicts %v", conflicts)
				}
				given(t, db, batch("h"+ref, a))
				if r := result(t, db, batch("h"+ref).ID, 1); r.Status != bulk.Skipped || r.Message != already(f, 1, c.state) {
					t.Errorf("given again unchanged: %+v", r)
				}
				return
			}
			if len(conflicts) != 0 {
				t.Fatalf("conflicts %v", conflicts)
			}
			s := state(t, db, ref, g.ID)
			want := bulk.OpenRow{Instruction: mended.Instruction, State: bulk.Planned, Attempts: len(c.attempts)}
			if len(s.Rows) != 2 || cmp.Diff(want, s.Rows[1]) != "" || s.Version == version {
				t.Errorf("the new revision: %+v", s)
			}
			// The old row keeps how it ended, and says where it went.
			before.Message = "given again in batch " + bulk.ShortID(g.ID) + "…, row 2"
			before.GivenAgain = true
			if diff := cmp.Diff(before, result(t, db, f.ID, 1)); diff != "" {
				t.Error(diff)
			}
			n := len(c.attempts) + 1
			at := begun(t, db, mended.Instruction, n)
			ok(t, db.Settle(t.Context(), made(at, mended.Instruction, ref)))
			if r := result(t, db, g.ID, 2); r.Status != bulk.Issued || r.Attempts != 1 || r.RefundID == "" {
				t.Errorf("the new revision: %+v", r)
			}
			if diff := cmp.Diff(before, result(t, db, f.ID, 1)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// testAcceptAtOnce gives one file, and files that share rows, to several handles at once.
func testAcceptAtOnce(t *testing.T, url string) {
	handles := []*ledger.DB{Open(t, url), Open(t, url)}
	var rows []bulk.Row
	for i := range 60 {
		rows = append(rows, row(fmt.Sprint("s", i), fmt.Sprint("O", i), 10))
	}
	backwards := make([]bulk.Row, len(rows))
	for i, r := range rows {
		backwards[len(rows)-1-i] = r
	}
	files := []bulk.Batch{batch("one", append([]bulk.Row{}, rows...)...), batch("two", backwards...)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			conflicts, err := handles[i%2].Accept(t.Context(), files[i/2%2])
			if err != nil || len(conflicts) != 0 {
				t.Errorf("Accept: %v %v", conflicts, err)
			}
		})
	}
	wg.Wait()
	status := map[bulk.State]int{}
	for _, f := range files {
		all, err := handles[0].Results(t.Context(), f.ID)
		ok(t, err)
		for _, r := range all {
			status[r.Status]++
		}
	}
	if diff := cmp.Diff(map[bulk.State]int{bulk.Planned: 60, bulk.Skipped: 60}, status); diff != "" {
		t.Error(diff)
	}
	if n := Count(t, Raw(t, url), `SELECT count(*) FROM batches`); n != 2 {
		t.Errorf("%d batches", n)
	}
}

func testBatches(t *testing.T, url string) {
	db := Open(t, url)
	a, b, c := row("a", "O1", 100), row("b", "O2", 200), row("c", "O3", 300)
	b.Amount.Currency = "KRW"
	b.Identify(portone.Sandbox, "test-client-key")
	f, g := batch("f", a, b, c), batch("g", a, row("d", "O4", 1<<53))
	g.ReceivedAt = now.Add(1)
	h := batch("h")
	h.ReceivedAt = now.Add(-1e9)
	given(t, db, f, order("O1", 500))
	given(t, db, g)
	given(t, db, h)
	ok(t, db.Settle(t.Context(), made(begun(t, db, a.Instruction, 1), a.Instruction, "1")))
	got, err := db.Batches(t.Context())
	ok(t, err)
	want := []ledger.BatchSummary{
		{ID: f.ID, FileName: "f", ReceivedAt: kept(now), Rows: 3, Totals: []ledger.BatchTotal{
			{Status: bulk.Issued, Rows: 1, Amount: vnd(100)}, {Status: bulk.Planned, Rows: 1, Amount: portone.Money{Minor: 200, Currency: "KRW"}},
			{Status: bulk.Planned, Rows: 1, Amount: vnd(300)}}},
		{ID: g.ID, FileName: "g", ReceivedAt: kept(g.ReceivedAt), Rows: 2, Totals: []ledger.BatchTotal{
			{Status: bulk.Planned, Rows: 1, Amount: vnd(1 << 53)}, {Status: bulk.Skipped, Rows: 1, Amount: vnd(100)}}},
		{ID: h.ID, FileName: "h", ReceivedAt: kept(h.ReceivedAt)},
	}
	if f.ID > g.ID { // received in the same microsecond
		want[0], want[1] = want[1], want[0]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
