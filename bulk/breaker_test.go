package bulk

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	const u, ok = true, false
	send := func(b *Breaker, outcomes ...bool) {
		for _, o := range outcomes {
			b.Take()
			b.Sent(o)
		}
	}
	t.Run("in a row", func(t *testing.T) {
		b := NewBreaker(BreakerRule{3, 100})
		if send(b, u, u, ok, u, u); b.Paused() != "" {
			t.Fatal("open after two in a row")
		}
		if send(b, u); b.Paused() == "" || b.Take() {
			t.Fatal("closed after three in a row")
		}
		if b.Settled(); b.Paused() != "" || !b.Take() || b.Take() {
			t.Fatal("one settled outcome must let one send try")
		}
		if b.GiveBack(); !b.Take() {
			t.Fatal("a try that sent nothing must be there for another")
		}
		if b.Sent(u); b.Take() {
			t.Fatal("closed by an unknown outcome")
		}
		b.Settled()
		b.Take()
		b.Sent(ok)
		for range 3 {
			if !b.Take() || b.Paused() != "" {
				t.Fatal("still open after an outcome that proves something")
			}
		}
	})
	t.Run("percent of the last 100", func(t *testing.T) {
		b := NewBreaker(BreakerRule{1000, 50})
		for range 49 {
			send(b, u, ok)
		}
		if send(b, ok); b.Paused() != "" {
			t.Fatal("open before 100 outcomes")
		}
		if send(b, u); b.Paused() == "" {
			t.Fatal("closed at 50 of 100")
		}
	})
	t.Run("the rule's form", func(t *testing.T) {
		if r, err := ParseBreakerRule("10,50%"); err != nil || r != (BreakerRule{10, 50}) || r.String() != "10,50%" {
			t.Errorf("%v, %v", r, err)
		}
		for _, bad := range []string{"", "10", "10,50", "0,50%", "10,0%", "10,101%", "x,50%", "10,50%%", "10,,50%"} {
			if _, err := ParseBreakerRule(bad); err == nil {
				t.Errorf("%q is taken", bad)
			}
		}
	})
}

func TestJournalSurvivesACutLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write := func(id string) {
		t.Helper()
		j, err := OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if err := j.Append(Attempt{ID: id, OrderRef: "O", Amount: vnd(1), StartedAt: t0, TokenExpires: t0.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	write("A-1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, whole[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	write("B-1")
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	lines, err := j.Tail()
	if err != nil || len(lines) != 2 || lines[0].Attempt != "A-1" || lines[1].Attempt != "B-1" {
		t.Errorf("lines %+v, %v", lines, err)
	}
}
