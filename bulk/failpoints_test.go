package bulk_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"refunds/bulk"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
)

var prove = flag.Bool("prove", false, "strike at every place, and not at a part of them")

// Each order has two rows; those of the first and of the middle one are struck at.
const (
	failOrders = 4
	middle     = 2
	barred     = 3 // its order is booked as one that takes no refunds, which is no longer so
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
	b := w.giveBarred()
	p := w.newProcess(f)
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
	if f.stop == (place{}) && (f.blow == crash || f.blow == fail) {
		first.Wait()
	}
	for range 2 { // beside the paused one, and after it
		if err := w.issue(w.t.Context(), b); err != nil {
			w.t.Errorf("the other process: %v", err)
		}
		first.Wait()
	}
	if !p.hit {
		w.t.Error("the process never came to the place")
	}
	if len(p.early) > 0 {
		w.t.Errorf("sent without a durable attempt: %v", p.early)
	}
	counts := w.judge(b)
	for _, s := range []bulk.State{bulk.Planned, bulk.Sending, bulk.Unknown, ""} {
		if counts[s] > 0 {
			w.t.Errorf("%d rows end as %q", counts[s], s)
		}
	}
	return counts
}

func (w *world) giveBarred() bulk.Batch {
	b := w.give(failOrders, 2)
	no := false
	if err := w.db.PutOrder(w.t.Context(), bulk.Order{OrderRef: w.order(barred), Amount: vnd(1000), Channel: "MOMOPAY", RefundAllowed: &no}); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// places are all those that a process comes to which is not struck, of the orders that can be.
func (w *world) places() []place {
	b := w.giveBarred()
	p := w.newProcess(failpoint{})
	if err := p.issue(w.t.Context(), b, w.open(b)); err != nil {
		w.t.Fatal(err)
	}
	if c := w.judge(b); c[bulk.Issued] != 2*failOrders-2 || c[bulk.Refused] != 2 {
		w.t.Fatalf("without a blow: %v", c)
	}
	places := []place{{order: w.order(0), kind: bulk.DoRecall, nth: 1}, {order: w.order(middle), kind: bulk.DoRecall, nth: 1}}
	seen := map[bulk.DoKind]bool{}
	for _, at := range p.trace {
		if at.order == w.order(0) || at.order == w.order(middle) || at.order == "" || at.kind == bulk.DoAsk {
			places = append(places, at)
			seen[at.kind] = true
		}
	}
	for _, kind := range []bulk.DoKind{bulk.DoState, bulk.DoFetch, bulk.DoPut, bulk.DoAsk, bulk.DoGate, bulk.DoBaseline, bulk.DoPrepare, bulk.DoBegin,
		bulk.DoJournal, bulk.DoSend, bulk.DoConfirm, bulk.DoLook, bulk.DoSettle, doLost, doHold} {
		if !seen[kind] {
			w.t.Errorf("no process came to do %q", kind)
		}
	}
	return places
}

// Wherever a process crashes, fails, or stands still for ten or twenty minutes, once, another
// that goes on over the same ledger and journal ends everything right: no row is
// refunded twice or called what it is not, and each has a final word. With the program's
// own bounds.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	empty := emptyLedger(t)
	script := failScript("ORDER", 3*time.Second)
	var places []place
	synctest.Test(t, func(t *testing.T) { inCopy(t, empty, script, func(w *world) { places = w.places() }) })
	if t.Failed() {
		return
	}
	cases := failpoints(places, map[blow]time.Duration{pause: 10 * time.Minute, stall: 20 * time.Minute})
	if !*prove { // SQLite without cgo is some thirty times slower under the race detector
		cases = nthOf(few(cases), 7)
	}
	out := &table{}
	t.Run("struck", func(t *testing.T) {
		for _, f := range cases {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					inCopy(t, empty, script, func(w *world) { out.set(f, w.strike(f), t.Failed()) })
				})
			})
		}
	})
	t.Log(out)
}

// The same on PostgreSQL, in real time and with small bounds, many at once on one ledger.
func TestFailpointsOnPostgres(t *testing.T) {
	t.Parallel()
	db, err := ledger.Open(t.Context(), ledgertest.Migrated(t), ledger.Options{MaxConns: 60})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	small := scale{token: 2 * time.Second, rate: 500, rules: defaults.rules}
	small.rules.Timeout = 500 * time.Millisecond
	small.rules.Bounds = bulk.Bounds{ClockError: 200 * time.Millisecond, MaxProcessing: 300 * time.Millisecond, ListLag: 500 * time.Millisecond}
	const lag = 200 * time.Millisecond

	places := func() []place {
		w := newWorld(t, failScript("ORDER", lag), db, small)
		defer w.end()
		return w.places()
	}()
	if t.Failed() {
		return
	}
	cases := few(failpoints(places, map[blow]time.Duration{pause: 2500 * time.Millisecond, stall: 5 * time.Second}))
	if !*prove {
		cases = nthOf(cases, 3)
	}
	out := &table{}
	var group errgroup.Group
	group.SetLimit(50)
	for n, f := range cases {
		group.Go(func() error {
			t.Run(f.String(), func(t *testing.T) {
				prefix := fmt.Sprintf("C%03dX", n)
				w := newWorld(t, failScript(prefix, lag), db, small)
				defer w.end()
				w.prefix = prefix
				f := f
				f.at.order = strings.Replace(f.at.order, "ORDER", prefix, 1)
				f.stop.order = strings.Replace(f.stop.order, "ORDER", prefix, 1)
				out.set(f, w.strike(f), t.Failed())
			})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Log(out)
}

// Where neither T1 nor the journal outlives a crash after the POST, the refund is made twice:
// these tests would see it.
func TestFailpointsSeeADouble(t *testing.T) {
	inWorld(t, "lag 5m", func(w *world) {
		b := w.give(1, 1)
		p := w.newProcess(failpoint{at: place{order: w.order(0), kind: bulk.DoSend, nth: 1, after: true}, blow: crash})
		p.naive = true
		_ = p.issue(w.t.Context(), b, w.open(b)) // it dies
		if err := os.Truncate(w.journal, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n := len(w.sim.Made(b.Rows[0].Marker)); n != 2 || len(p.early) == 0 {
			t.Errorf("the first row was made %d times, and %v seen to be sent too early", n, p.early)
		}
	})
}

// emptyLedger is a migrated SQLite ledger, to be copied.
func emptyLedger(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "empty.db")
	db, err := ledger.Open(t.Context(), "sqlite:"+path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
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
