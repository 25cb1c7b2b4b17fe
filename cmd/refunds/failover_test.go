package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger"
)

// forgetful is a ledger whose failover drops the first T1 after confirming it.
type forgetful struct {
	*ledger.DB
	dropped bool
}

func (f *forgetful) Begin(ctx context.Context, a bulk.Attempt, version int64) error {
	if !f.dropped {
		f.dropped = true
		return nil
	}
	return f.DB.Begin(ctx, a, version)
}

// A failover in the middle of a run loses an attempt whose POST then goes out: the run must not
// take the row for one that was never sent.
func TestFailoverWithinRun(t *testing.T) {
	sim := portonetest.New(portonetest.Config{Script: portonetest.MustParse("no-echo MOMOPAY")})
	defer sim.Close()
	if err := sim.AddOrders(portonetest.Order{OrderRef: "AAAA1", Amount: portone.Money{Minor: 1000, Currency: "VND"}, Channel: "MOMOPAY"}); err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	home, ctx := t.TempDir(), t.Context()
	db, err := ledger.Open(ctx, "sqlite:"+filepath.Join(home, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	client, err := portone.New(portone.Config{BaseURL: sim.URL(), ClientKey: sim.ClientKey(), SecretKey: sim.SecretKey(), Environment: portone.Sandbox,
		Rate: 1000, Burst: 10, Concurrency: 4, Timeout: time.Second, TokenTTL: 3 * time.Second, Log: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	journal, err := bulk.OpenJournal(filepath.Join(home, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	in := bulk.Instruction{ID: "R1", OrderRef: "AAAA1", Amount: portone.Money{Minor: 100, Currency: "VND"}, Reason: "Late", Type: portone.Partial}
	in.Identify(portone.Sandbox, sim.ClientKey())
	batch := bulk.Batch{ID: "0000000000000000000000000000000000000000000000000000000000000001", FileName: "r.csv", ReceivedAt: time.Now(),
		Rows: []bulk.Row{{N: 1, Line: 2, Instruction: in}}}
	if c, err := db.Accept(ctx, batch); err != nil || len(c) > 0 {
		t.Fatal(c, err)
	}
	issue := func() error {
		i := &bulk.Issuer{Ledger: &forgetful{DB: db, dropped: t.Failed() || len(sim.Made("")) > 0}, PortOne: client, Journal: journal, Concurrency: 4, Ahead: 1,
			Breaker: bulk.NewBreaker(bulk.BreakerRule{InARow: 10, Percent: 50}), Log: slog.Default(),
			Rules: bulk.Rules{Environment: portone.Sandbox, OnAbsent: bulk.Quarantine, Timeout: time.Second,
				Bounds: bulk.Bounds{ClockError: 50 * time.Millisecond, MaxProcessing: 50 * time.Millisecond, ListLag: 50 * time.Millisecond}}}
		return i.Issue(ctx, batch.ID, []string{"AAAA1"})
	}
	t.Log(issue())
	if n := len(sim.Made("")); n != 1 {
		t.Fatalf("%d refunds were made for one row", n)
	}
	t.Log(issue()) // looks at the journal
	results, err := db.Results(ctx, batch.ID)
	if n := len(sim.Made("")); err != nil || n != 1 || results[0].Status != bulk.Quarantined {
		t.Fatalf("%d refunds were made; %+v, %v", n, results, err)
	}
}
