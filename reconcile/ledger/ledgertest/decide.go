package ledgertest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"refunds/bulk"
	"refunds/portone"

	"github.com/google/go-cmp/cmp"
)

var kim = bulk.Ruling{Verdict: bulk.SaysNotMade, By: "Kim\x00", Note: "portal\xff", User: "root", Host: "h"}

// testDecided lets people decide a quarantined row: one of two at the same time wins, what they
// saw is kept, and what they closed is planned again by a decision alone.
func testDecided(t *testing.T, url string) {
	db := Open(t, url)
	a, b := row("a", "O1", 100), row("b", "O1", 200)
	f := batch("f", a, b)
	given(t, db, f, order("O1", 500))
	at := begun(t, db, a.Instruction, 1)
	q := outcome(at, bulk.AttemptSending, bulk.AttemptQuarantined, bulk.Quarantined)
	q.Answer = &bulk.Answered{At: now, HTTPStatus: 500, Raw: []byte("oh\xff")}
	q.List = &portone.RefundList{Raw: []byte(`{"amountToRefund":500,"refundDetails":[]}`)}
	ok(t, db.Settle(t.Context(), q))
	_, err := db.Hold(t.Context(), f.ID, now)
	ok(t, err)

	markers, err := db.Quarantined(t.Context())
	ok(t, err)
	if diff := cmp.Diff([]string{a.Marker}, markers); diff != "" {
		t.Error(diff)
	}
	for _, handle := range []string{"a", a.Marker} {
		found, err := db.FindInstruction(t.Context(), handle)
		ok(t, err)
		if diff := cmp.Diff([]string{a.Marker}, found); diff != "" {
			t.Error(diff)
		}
	}
	c, err := db.Case(t.Context(), a.Marker)
	ok(t, err)
	if c.Handle() != "a" || c.FileName != "f" || c.Line != 2 || c.Held != 1 || len(c.Attempts) != 1 || string(c.Answers[at.ID]) != "oh\xff" ||
		c.State.Open == nil || c.Row.Attempts != 1 || len(c.Looks) != 1 || string(c.Looks[0].Raw) != string(q.List.Raw) {
		t.Errorf("the case: %+v", c)
	}

	decided := outcome(at, bulk.AttemptQuarantined, bulk.AttemptAbsent, bulk.Failed)
	decided.Ruling, decided.Was, decided.List = &kim, bulk.Quarantined, &portone.RefundList{Raw: []byte("\xffthe list")}
	nobody := decided
	nobody.Ruling = &bulk.Ruling{Verdict: bulk.SaysNotMade, By: "Kim"}
	if err := db.Settle(t.Context(), nobody); err == nil || errors.Is(err, bulk.ErrMoved) {
		t.Errorf("without a note: %v", err)
	}
	var won int
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			err := db.Settle(t.Context(), decided)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, bulk.ErrMoved) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d decided", won)
	}
	var data string
	ok(t, Raw(t, url).Get(&data, `SELECT data FROM events WHERE kind = 'decided'`))
	for _, want := range []string{`"by":"Kim�"`, `"note":"portal�"`, `"user":"root"`, `"host":"h"`, `"was":"quarantined"`, `"base64":"/3RoZSBsaXN0"`} {
		if !strings.Contains(data, want) {
			t.Errorf("the event lacks %s: %s", want, data)
		}
	}

	// Planned again, by a decision on what it is now and on nothing else.
	again := bulk.Settlement{OrderRef: "O1", Marker: a.Marker, At: now, Version: state(t, db, "O1", "").Version, State: bulk.Planned,
		Ruling: &kim, Was: bulk.Cancelled}
	if err := db.Settle(t.Context(), again); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("on another state: %v", err)
	}
	again.Ruling = nil
	if err := db.Settle(t.Context(), again); !errors.Is(err, bulk.ErrMoved) {
		t.Errorf("by nobody: %v", err)
	}
	again.Ruling, again.Was = &kim, bulk.Failed
	ok(t, db.Settle(t.Context(), again))
	if s := state(t, db, "O1", f.ID); s.Rows[0].Marker != a.Marker || s.Rows[0].Absent != 0 || s.Rows[0].Attempts != 1 {
		t.Errorf("what a person ruled casts doubt on the next attempt: %+v", s.Rows[0])
	}
	if err := do(t, Raw(t, url), `UPDATE attempts SET state = 'made'`, true); err == nil {
		t.Error("a ruled attempt became made without being unruled")
	}
	again.Was = bulk.Issued
	if err := db.Settle(t.Context(), again); err == nil {
		t.Error("an issued row was planned again")
	}
	ok(t, db.Begin(t.Context(), attempt(a.Instruction, 2), state(t, db, "O1", "").Version))
}

// testFindings keeps what probes found, the last one first.
func testFindings(t *testing.T, url string) {
	db := Open(t, url)
	f, err := db.Findings(t.Context())
	ok(t, err)
	if f != nil {
		t.Errorf("findings of nobody: %+v", f)
	}
	want := bulk.Findings{At: kept(now), Environment: portone.Sandbox, ClientKeySHA: bulk.KeySHA("k"), OrderRef: "O1", Channel: "OMISE",
		ExpiredRefused: bulk.Yes, ExpiredBy: 6e9, ExpiredAnswer: "HTTP 401", Echoed: bulk.No, Lag: 5, InAnswer: true, Dated: true, ClockLow: -1, ClockHigh: 1}
	ok(t, db.PutFindings(t.Context(), bulk.Findings{At: now, OrderRef: "O1", ExpiredAnswer: "\x00\xff"}))
	ok(t, db.PutFindings(t.Context(), want))
	f, err = db.Findings(t.Context())
	ok(t, err)
	if diff := cmp.Diff(&want, f); diff != "" {
		t.Error(diff)
	}
}
