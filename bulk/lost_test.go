package bulk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"refunds/portone"
)

// openTestJournal opens the journal at path until the test is over.
func openTestJournal(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestJournalMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := openTestJournal(t, path)
	if !j.Fresh() {
		t.Error("an empty journal is not fresh")
	}
	until := t0.Add(time.Hour)
	write := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	add := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			a := attempt(AttemptSending)
			a.ID = id
			write(j.Append(a))
		}
	}
	lost := func(have ...string) string {
		t.Helper()
		lines, careful, err := openTestJournal(t, path).missing(func(ids []string) (gone []string, err error) {
			for _, id := range ids {
				if !slices.Contains(have, id) {
					gone = append(gone, id)
				}
			}
			return gone, nil
		})
		if err != nil || !careful.Equal(until) {
			t.Fatalf("careful until %v, %v", careful, err)
		}
		var ids []string
		for _, l := range lines {
			ids = append(ids, l.Attempt)
		}
		return strings.Join(ids, " ")
	}
	write(j.Start(t0, until))
	if got := lost(); got != "" {
		t.Errorf("of no attempt %q are lost", got)
	}
	add("A-1", "B-1", "C-1")
	if got := lost("A-1", "B-1", "C-1"); got != "" {
		t.Errorf("%q are lost", got)
	}
	if got := lost("A-1"); got != "B-1 C-1" {
		t.Errorf("%q are lost", got)
	}
	write(j.seen(JournalLine{Attempt: "B-1"}, t0))
	if got := lost("A-1"); got != "C-1" {
		t.Errorf("B-1 was seen to, and %q are lost", got)
	}
	add("B-1") // sent again under the same id, and lost again
	if got := lost("A-1"); got != "C-1 B-1" {
		t.Errorf("lost again, and %q are lost", got)
	}
	if openTestJournal(t, path).Fresh() {
		t.Error("a journal with lines is fresh")
	}
}

// What is lost is found however much was lost: the journal is read as far back as it goes on.
func TestJournalMissingFarBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var b bytes.Buffer
	n := 0
	for ; b.Len() < 3*journalTail; n++ {
		fmt.Fprintf(&b, `{"at":"2026-11-20T12:00:00Z","attempt":"A-%d","order_ref":"O","body_sha256":"%0300d"}`+"\n", n, n)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	lines, _, err := openTestJournal(t, path).missing(func(ids []string) ([]string, error) {
		asked = len(ids)
		return slices.DeleteFunc(ids, func(id string) bool { return id == "A-0" || id == "A-1" }), nil
	})
	if err != nil || len(lines) != n-2 || lines[0].Attempt != "A-2" {
		t.Errorf("%d of %d are lost (%v)", len(lines), n, err)
	}
	if _, _, err = openTestJournal(t, path).missing(func(ids []string) ([]string, error) {
		asked = len(ids)
		return ids[len(ids)-5:], nil
	}); err != nil || asked > n/2 {
		t.Errorf("for the last five, %d of %d were asked for (%v)", asked, n, err)
	}
}

func TestJournalUnreadable(t *testing.T) {
	for name, content := range map[string]string{
		"text": "hello\n", "zeros": string(make([]byte, 5000)), "one long line": strings.Repeat("x", 1<<18), "JSON of another kind": `{"a":1}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if j := openTestJournal(t, path); !j.Fresh() {
				t.Error("it is not fresh")
			}
			aside, err := os.ReadFile(path + ".unreadable")
			if err != nil || !strings.HasPrefix(string(aside), content) {
				t.Errorf("the old one is not kept: %v", err)
			}
		})
	}
}

func TestSeenTo(t *testing.T) {
	line := JournalLine{Attempt: ours + "-1", OrderRef: "ORDER", Amount: "300", Currency: "VND", AbsentAt: t0}
	with := func(state State, bound ...BoundRefund) OrderState {
		st := order()
		st.Markers[ours], st.Bound = state, bound
		return st
	}
	mine := BoundRefund{Marker: ours, RefundID: "R", Amount: vnd(300), Status: "SUCCESS"}
	portal := refund("P", "by hand", 300, "SUCCESS")
	dated := portal
	dated.Date = t0.Add(lostSlack + time.Second)
	imported := with(Failed)
	imported.Imported = []BoundRefund{{RefundID: "P", Amount: vnd(300)}}
	for _, tt := range []struct {
		name string
		st   OrderState
		list portone.RefundList
		late time.Duration
		want bool
	}{
		{"booked again", with(Issued, mine), listed(refund("R", ours, 300, "SUCCESS")), 0, true},
		{"booked again, before the time", with(Issued, mine), listed(), -time.Hour, true},
		{"not made", with(Planned), listed(), 0, true},
		{"not made, too early to know", with(Planned), listed(), -time.Second, false},
		{"not made, of a row that the ledger lost too", order(), listed(), 0, true},
		{"made, not booked", with(Planned), listed(refund("R", ours, 300, "SUCCESS")), 0, false},
		{"perhaps made", with(Planned), listed(portal), 0, false},
		{"perhaps made, of another amount", with(Planned), listed(refund("P", "", 200, "SUCCESS")), 0, true},
		{"made much later, so by somebody else", with(Planned), listed(dated), 0, true},
		{"failed", with(Planned), listed(refund("P", "", 300, "FAILED")), 0, true},
		{"a person has to decide", with(Quarantined), listed(), 0, false},
		{"sent anew", with(Sending), listed(), 0, false},
		{"a person decided, and booked what was there", imported, listed(portal), 0, true},
	} {
		if got := seenTo(line, tt.st, tt.list, t0.Add(tt.late)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
