package bulk_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger"
)

// world is an issuer with a real ledger and the simulator. In a bubble waiting costs
// nothing, so that the default bounds of a quarter of an hour are tested as they are.
type world struct {
	t   *testing.T
	sim *portonetest.Server
	db  *ledger.DB
	scale
	journal string // path
	issuer  *bulk.Issuer
	prefix  string // of the orders, where several worlds share a ledger
	close   []func() error
}

// A scale is how fast time goes in a world.
type scale struct {
	rules bulk.Rules
	token time.Duration // its life
	rate  float64       // calls a second of each process
}

// defaults are the program's own.
var defaults = scale{token: time.Minute, rate: 20, rules: bulk.Rules{
	Environment: portone.Sandbox, OnAbsent: bulk.Quarantine, Timeout: 30 * time.Second,
	Bounds: bulk.Bounds{ClockError: 5 * time.Second, MaxProcessing: 5 * time.Minute, ListLag: 10 * time.Minute},
}}

// inWorld runs f in a bubble of its own, and sees that nothing is left running.
func inWorld(t *testing.T, script string, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, script, db, defaults)
		f(w)
		w.end()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// newWorld makes a world around a ledger. End it; the ledger stays open.
func newWorld(t *testing.T, script string, db *ledger.DB, sc scale) *world {
	t.Helper()
	w := &world{
		t: t, db: db, scale: sc, journal: filepath.Join(t.TempDir(), "journal"), prefix: "ORDER",
		sim: portonetest.New(portonetest.Config{Seed: 7, Script: portonetest.MustParse(script), MaxHang: 2 * sc.rules.Timeout}),
	}
	w.issuer = w.newIssuer(w.sim.Dial)
	return w
}

func (w *world) end() {
	for _, close := range append(w.close, w.sim.Close) {
		if err := close(); err != nil {
			w.t.Error(err)
		}
	}
}

// newIssuer is what a process has of its own: an issuer, a client, an open journal.
func (w *world) newIssuer(dial func(context.Context, string, string) (net.Conn, error)) *bulk.Issuer {
	w.t.Helper()
	client, err := portone.New(portone.Config{
		BaseURL: portonetest.InProcessURL, ClientKey: w.sim.ClientKey(), SecretKey: w.sim.SecretKey(), Dial: dial,
		Timeout: w.rules.Timeout, TokenTTL: w.token, Rate: w.rate,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	journal, err := bulk.OpenJournal(w.journal)
	if err != nil {
		w.t.Fatal(err)
	}
	w.close = append(w.close, func() error { client.Close(); return nil }, func() error {
		if err := journal.Close(); !errors.Is(err, os.ErrClosed) {
			return err
		}
		return nil
	})
	return &bulk.Issuer{
		Ledger: w.db, PortOne: client, Rules: w.rules, Journal: journal, Breaker: bulk.NewBreaker(bulk.BreakerRule{InARow: 10, Percent: 50}),
		Concurrency: 16, Ahead: 2, Log: slog.New(slog.DiscardHandler),
	}
}

// give books n orders of 1000 VND with rows of 100, and gives the batch.
func (w *world) give(orders, rowsEach int) bulk.Batch {
	w.t.Helper()
	id := sha256.Sum256([]byte(w.prefix))
	b := bulk.Batch{ID: hex.EncodeToString(id[:]), FileName: "f.csv", ReceivedAt: time.Now()}
	for o := range orders {
		ref := w.order(o)
		if err := w.sim.AddOrders(portonetest.Order{OrderRef: ref, Amount: vnd(1000), Channel: "MOMOPAY"}); err != nil {
			w.t.Fatal(err)
		}
		for range rowsEach {
			n := len(b.Rows) + 1
			i := bulk.Instruction{ID: fmt.Sprintf("%s-RF-%d", w.prefix, n), OrderRef: ref, Amount: vnd(100), Reason: "Late", Type: portone.Partial}
			i.Identify(portone.Sandbox, w.sim.ClientKey())
			b.Rows = append(b.Rows, bulk.Row{Instruction: i, N: n, Line: n + 1, Cells: []string{i.ID}})
		}
	}
	if conflicts, err := w.db.Accept(w.t.Context(), b); err != nil || len(conflicts) > 0 {
		w.t.Fatal(conflicts, err)
	}
	return b
}

func (w *world) order(n int) string { return fmt.Sprintf("%s%04d", w.prefix, n) }

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }

func (w *world) issue(ctx context.Context, b bulk.Batch) error {
	w.t.Helper()
	return w.issuer.Issue(ctx, b.ID, w.open(b))
}

func (w *world) open(b bulk.Batch) []string {
	w.t.Helper()
	orders, err := w.db.OpenOrders(w.t.Context(), b.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return orders
}

// judge compares the ledger's word for each row with the truth, and counts the words.
func (w *world) judge(b bulk.Batch) map[bulk.State]int {
	w.t.Helper()
	results, err := w.db.Results(w.t.Context(), b.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	counts := map[bulk.State]int{}
	for _, r := range results {
		made := len(w.sim.Made(b.Rows[r.N-1].Marker))
		counts[r.Status]++
		switch r.Status {
		case bulk.Issued, bulk.Pending:
			if made != 1 {
				w.t.Errorf("row %d is called %s and was made %d times", r.N, r.Status, made)
			}
		case bulk.Quarantined, bulk.Unknown, bulk.Sending:
			if made > 1 {
				w.t.Errorf("row %d was made %d times", r.N, made)
			}
		default:
			if made != 0 {
				w.t.Errorf("row %d is called %s and was made %d times", r.N, r.Status, made)
			}
		}
	}
	return counts
}

func TestIssueOnABadDay(t *testing.T) {
	inWorld(t, portonetest.BadDay, func(w *world) {
		b := w.give(120, 2)
		start := time.Now()
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		counts := w.judge(b)
		t.Logf("%v in %v of the bubble's time", counts, time.Since(start))
		if n := counts[bulk.Issued]; n < 200 || n == len(b.Rows) {
			t.Errorf("%d of %d issued", n, len(b.Rows))
		}
		for _, s := range []bulk.State{bulk.Planned, bulk.Sending, bulk.Unknown, bulk.Refused} {
			if counts[s] > 0 {
				t.Errorf("%d rows end as %s", counts[s], s)
			}
		}
	})
}

// A 200 whose list lags behind is unknown until the list shows it, with the true bounds.
func TestLaggingAnswer(t *testing.T) {
	inWorld(t, "lag 9m", func(w *world) {
		b := w.give(3, 1)
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if c := w.judge(b); c[bulk.Issued] != 3 || w.sim.Posts("") != 3 {
			t.Errorf("%v, %d POSTs", c, w.sim.Posts(""))
		}
	})
}

// What came too late for the bounds is quarantined, and settles by itself.
func TestBeyondTheBounds(t *testing.T) {
	inWorld(t, "lag 45m", func(w *world) {
		b := w.give(2, 2)
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if c := w.judge(b); c[bulk.Quarantined] != 2 || c[bulk.Held] != 2 {
			t.Errorf("%v", c)
		}
		time.Sleep(time.Hour)
		if _, unread, err := w.issuer.Resolve(w.t.Context(), time.Now()); err != nil || unread > 0 {
			t.Fatal(unread, err)
		}
		if c := w.judge(b); c[bulk.Issued] != 2 || c[bulk.Held] != 2 {
			t.Errorf("an hour later: %v", c)
		}
		w.sim.SetScript(portonetest.Script{})
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if c := w.judge(b); c[bulk.Issued] != 4 || w.sim.Posts("") != 4 {
			t.Errorf("issued again: %v, %d POSTs", c, w.sim.Posts(""))
		}
	})
}

// While every answer is lost, sending pauses after ten, and goes on when PortOne is back.
func TestBreakerPausesAndGoesOn(t *testing.T) {
	inWorld(t, "post 500-after, lag 3m", func(w *world) {
		b := w.give(60, 1)
		posts := make(chan int, 1)
		go func() {
			time.Sleep(time.Minute)
			posts <- w.sim.Posts("")
			w.sim.SetScript(portonetest.Script{})
		}()
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n := <-posts; n < 10 || n > 10+16 {
			t.Errorf("%d POSTs came in the first minute; the breaker opens at 10, with 16 orders side by side", n)
		}
		if c := w.judge(b); c[bulk.Issued] != 60 {
			t.Errorf("%v", c)
		}
	})
}

// A stop while calls wait leaves nothing behind, and the rest planned.
func TestStopWhileWaiting(t *testing.T) {
	inWorld(t, "", func(w *world) {
		b := w.give(100, 1)
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second) // at 20 calls a second
		defer cancel()
		if err := w.issue(ctx, b); err != nil {
			t.Fatal(err)
		}
		c := w.judge(b)
		if c[bulk.Issued] == 0 || c[bulk.Planned] == 0 || c[bulk.Issued]+c[bulk.Planned] != 100 {
			t.Errorf("%v", c)
		}
	})
}

// A ledger that was lost and begun anew finds the refunds that it made before.
func TestLostLedgerAdopts(t *testing.T) {
	inWorld(t, "", func(w *world) {
		b := w.give(5, 2)
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		anew, err := ledger.Open(w.t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer anew.Close()
		old := w.db
		w.db, w.issuer.Ledger = anew, anew
		if _, err := anew.Accept(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if c := w.judge(b); c[bulk.Issued] != 10 || w.sim.Posts("") != 10 {
			t.Errorf("%v, %d POSTs", c, w.sim.Posts(""))
		}
		w.db = old
	})
}

// A rate so low that every order waits for minutes still comes to an end.
func TestSlowRate(t *testing.T) {
	inWorld(t, "", func(w *world) {
		client, err := portone.New(portone.Config{BaseURL: w.sim.URL(), ClientKey: w.sim.ClientKey(), SecretKey: w.sim.SecretKey(), Dial: w.sim.Dial, Rate: 0.1})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		w.issuer.PortOne, w.issuer.Concurrency, w.issuer.Ahead = client, 1, 1
		b := w.give(20, 1)
		if err := w.issue(w.t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if c := w.judge(b); c[bulk.Issued] != 20 {
			t.Errorf("%v", c)
		}
	})
}

// A stop while a refusal is being confirmed ends soon, and records the refusal for what it is then.
func TestStopWhileConfirming(t *testing.T) {
	inWorld(t, "post 400 code=4070, get nth=2.. 429 retry-after=50", func(w *world) {
		b := w.give(1, 1)
		ctx, cancel := context.WithCancel(w.t.Context())
		defer cancel()
		stopped := make(chan time.Time, 1)
		go func() { time.Sleep(2 * time.Second); stopped <- time.Now(); cancel() }()
		if err := w.issue(ctx, b); err != nil {
			w.t.Fatal(err)
		}
		if d := time.Since(<-stopped); d > time.Minute {
			w.t.Errorf("it ended %v after the stop", d)
		}
		if c := w.judge(b); c[bulk.Unknown] != 1 {
			w.t.Errorf("%v", c)
		}
	})
}
