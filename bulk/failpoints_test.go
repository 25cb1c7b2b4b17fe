package bulk_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"refunds/bulk"
	"refunds/reconcile/ledger"
)

var prove = flag.Bool("prove", false, "strike at every place, and not at a part of them")

// A failpoint is one case: a process that is struck once.
type failpoint struct {
	at     place
	blow   blow
	long   time.Duration // of a pause
	policy bulk.Policy
}

func (f failpoint) String() string {
	return fmt.Sprintf("%s/%s", f.where(), f.blow)
}

// where is a line's name in the table.
func (f failpoint) where() string {
	when := "before"
	switch {
	case f.at.bytes != "":
		when = string(f.at.bytes) + " of"
	case f.at.after:
		when = "after"
	}
	order := "first"
	switch {
	case f.at.order == "":
		order = "run"
	case !strings.HasSuffix(f.at.order, "0000"):
		order = "middle"
	}
	return fmt.Sprintf("%-10s %-6s %s %s %d", f.policy, order, when, f.at.kind, f.at.nth)
}

const (
	failOrders = 6
	middle     = 3
)

// failScript gives the two orders that are struck a refund whose answer is lost and whose
// listing lags, and one that is refused: so every kind of step comes to them.
func failScript(prefix string, lag time.Duration) string {
	var clauses []string
	for _, n := range []int{0, middle} {
		clauses = append(clauses, fmt.Sprintf("post order=%[1]s%04[2]d nth=1 500-after, post order=%[1]s%04[2]d nth=2 400 code=4070, lag order=%[1]s%04[2]d %[3]s",
			prefix, n, lag))
	}
	return strings.Join(clauses, ", ")
}

// strike runs one case in w: a process is struck, another goes on over the same ledger and
// journal, and everything ends right. It gives what the rows ended as.
func (w *world) strike(f failpoint) map[bulk.State]int {
	b := w.give(failOrders, 2)
	p := w.newProcess(f.at, f.blow, f.long)
	p.issuer.Rules.OnAbsent, w.issuer.Rules.OnAbsent = f.policy, f.policy
	var first sync.WaitGroup
	ended := make(chan struct{})
	orders := w.open(b)
	first.Go(func() {
		defer close(ended)
		_ = p.issue(w.t.Context(), b, orders) // whatever it says, the other goes on from there
	})
	select {
	case <-ended:
	case <-p.struck:
	}
	if f.blow != pause {
		first.Wait()
	}
	for range 2 { // beside the paused one, and after it
		if err := w.issue(w.t.Context(), b); err != nil {
			w.t.Errorf("the other process: %v", err)
		}
		first.Wait()
	}
	if !p.wasStruck() {
		w.t.Error("the process never came to the place")
	}
	counts := w.judge(b)
	for _, s := range []bulk.State{bulk.Planned, bulk.Sending, bulk.Unknown, ""} {
		if counts[s] > 0 {
			w.t.Errorf("%d rows end as %q", counts[s], s)
		}
	}
	return counts
}

// places are all those that a process comes to which is not struck, of the orders that can be.
func (w *world) places() []place {
	b := w.give(failOrders, 2)
	p := w.newProcess(place{}, "", 0)
	if err := p.issue(w.t.Context(), b, w.open(b)); err != nil {
		w.t.Fatal(err)
	}
	if c := w.judge(b); c[bulk.Issued] != 2*failOrders-2 || c[bulk.Refused] != 2 {
		w.t.Fatalf("without a blow: %v", c)
	}
	var places []place
	seen := map[bulk.DoKind]bool{}
	for _, at := range p.trace {
		if at.order == w.order(0) || at.order == w.order(middle) || at.order == "" {
			places = append(places, at)
			seen[at.kind] = true
		}
	}
	for _, kind := range []bulk.DoKind{bulk.DoState, bulk.DoFetch, bulk.DoPut, bulk.DoGate, bulk.DoBaseline, bulk.DoPrepare, bulk.DoBegin,
		bulk.DoJournal, bulk.DoSend, bulk.DoConfirm, bulk.DoLook, bulk.DoSettle, doLost, doHold} {
		if !seen[kind] {
			w.t.Errorf("no process came to do %q", kind)
		}
	}
	return places
}

// failpoints are the cases at places: each before and after, each blow, and the POST cut off.
func failpoints(places []place, policies []bulk.Policy, long time.Duration) (all []failpoint) {
	for _, policy := range policies {
		for _, at := range places {
			for _, after := range []bool{false, true} {
				for _, b := range []blow{crash, fail, pause} {
					if at.kind == bulk.DoJournal && after && b == fail {
						continue // a line that is written has no outcome to be lost
					}
					at.after = after
					all = append(all, failpoint{at, b, long, policy})
				}
			}
			if at.kind == bulk.DoSend {
				for _, p := range []part{nothing, aByte, half, most, part("all")} {
					for _, b := range []blow{crash, fail, pause} {
						all = append(all, failpoint{place{order: at.order, kind: doWire, nth: at.nth, bytes: p}, b, long, policy})
					}
				}
			}
		}
	}
	return all
}

// A table is what came of the cases: a line for each place, a column for each blow.
type table struct {
	mu    sync.Mutex
	cases map[string]map[blow]string
	n     int
}

func (t *table) set(f failpoint, counts map[bulk.State]int, failed bool) {
	var words []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[s], s))
	}
	text := strings.Join(words, ", ")
	if failed {
		text = "WRONG: " + text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cases == nil {
		t.cases = map[string]map[blow]string{}
	}
	if t.cases[f.where()] == nil {
		t.cases[f.where()] = map[blow]string{}
	}
	t.cases[f.where()][f.blow] = text
	t.n++
}

func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d cases\n%-40s %-44s %-44s %s\n", t.n, "struck", crash, fail, pause)
	for _, where := range slices.Sorted(maps.Keys(t.cases)) {
		c := t.cases[where]
		fmt.Fprintf(&b, "%-40s %-44s %-44s %s\n", where, c[crash], c[fail], c[pause])
	}
	return b.String()
}

// Wherever a process crashes, fails or stands still for ten minutes, once, another that goes on
// over the same ledger and journal ends everything right: no row is refunded twice or
// called what it is not, and each has a final word. With the program's own bounds.
func TestFailpoints(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.db")
	db, err := ledger.Open(t.Context(), "sqlite:"+empty, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var places []place
	script := failScript("ORDER", 3*time.Second)
	synctest.Test(t, func(t *testing.T) { inCopy(t, empty, script, func(w *world) { places = w.places() }) })
	if t.Failed() {
		return
	}
	cases := failpoints(places, []bulk.Policy{bulk.Quarantine, bulk.Retry}, 10*time.Minute)
	out := &table{}
	t.Run("all", func(t *testing.T) {
		for _, f := range cases {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					inCopy(t, empty, script, func(w *world) {
						counts := w.strike(f)
						out.set(f, counts, t.Failed())
					})
				})
			})
		}
	})
	t.Log(out)
}

// inCopy is inWorld on a copy of an empty ledger.
func inCopy(t *testing.T, empty, script string, f func(w *world)) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	copyFile(t, empty, path)
	db, err := ledger.Open(t.Context(), "sqlite:"+path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, script, db, defaults)
	f(w)
	w.end()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
