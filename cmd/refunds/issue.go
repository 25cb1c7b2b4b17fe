package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"refunds/bulk"
	"refunds/portone"
)

type issueCmd struct {
	fileArgs
	Results string `type:"path" placeholder:"FILE" help:"Where the results go (default: beside the file)."`
	Yes     bool   `help:"In live, pay without asking."`
	NoWait  bool   `help:"Don't wait for unknown outcomes to settle; resolve and the nightly run do."`
}

func (c *issueCmd) Help() string {
	return `The file is read and judged whole first; nothing is sent for a file that was not accepted. Each refund is written into the ledger before it is sent, and sent once. Where PortOne's answer is lost, the program reads PortOne's list until it knows, or leaves the row quarantined for a person; it never guesses.

Stop it at any time (Ctrl-C, also kill): what is in flight is recorded, and the same command goes on where it stopped. Results stand in FILE.results.csv, rows that were refused or turned down in FILE.rejects.csv; mended, that file can be issued as it is.`
}

func (c *issueCmd) Run(ctx context.Context, a *app) (err error) {
	if _, err := a.check(true); err != nil {
		return err
	}
	file, err := c.read(a)
	if err != nil {
		return err
	}
	if err := c.judge(a, file); err != nil {
		return err
	}
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.unborne != nil {
		return errors.New("nothing was sent: the policy is refused in live, see above")
	}
	out, err := newResults(r, file, c.File, c.Results)
	if err != nil {
		return err
	}
	batch, err := c.accept(ctx, a, r, file)
	if err != nil {
		return err
	}
	if err := out.setAside(ctx, a); err != nil {
		return err
	}
	orders, err := r.db.OpenOrders(ctx, batch.ID)
	if err != nil {
		return err
	}
	stopped := c.issue(ctx, a, r, batch, orders, out)
	whole := context.WithoutCancel(ctx)
	results, err := out.write(whole)
	if err != nil {
		return errors.Join(stopped, err)
	}
	return c.close(ctx, a, r, out, results, stopped)
}

// accept resolves the references, asks in live, and books the batch.
func (c *issueCmd) accept(ctx context.Context, a *app, r *room, file *bulk.File) (bulk.Batch, error) {
	if err := c.resolveRefs(ctx, a, r, file); err != nil {
		return bulk.Batch{}, err
	}
	batch := file.Batch(time.Now())
	for i := range batch.Rows {
		batch.Rows[i].Identify(r.rules.Environment, r.clientKey)
	}
	held, conflicts, err := r.db.Held(ctx, batch)
	if err != nil {
		return batch, err
	}
	before, err := r.db.Results(ctx, batch.ID)
	if err != nil {
		return batch, err
	}
	for _, row := range before {
		if final(row.Status) {
			held[row.N] = row
		}
	}
	if err := c.confirm(ctx, a, r, batch, held); err != nil {
		return batch, err
	}
	if len(conflicts) == 0 {
		if err := storeUpload(r.Home, c.raw.Bytes(), batch.ID); err != nil {
			return batch, err
		}
		conflicts, err = r.db.Accept(ctx, batch)
	}
	if err == nil {
		err = c.contradictions(a, batch, conflicts)
	}
	if err != nil {
		return batch, err
	}
	booked, err := r.db.Results(ctx, batch.ID)
	faults := file.KeepBooked(booked)
	showFaults(a.errs, "", faults, len(faults))
	return batch, err
}

// confirm shows what will be paid, and in live asks. Sandbox is play money: it asks nothing.
// done are the rows that the ledger has settled, of this batch or of earlier ones.
func (c *issueCmd) confirm(ctx context.Context, a *app, r *room, batch bulk.Batch, done map[int]bulk.Result) error {
	rows, sums := 0, map[portone.Currency]portone.Money{}
	for _, row := range batch.Rows {
		if _, ok := done[row.N]; !ok {
			rows++
			add(sums, row.Amount)
		}
	}
	fmt.Fprintf(a.out, "%s: batch %s, %d rows to pay, %s (%s)\n", batch.FileName, bulk.ShortID(batch.ID), rows, sorted(sums), r.rules.Environment)
	if n := len(batch.Rows) - rows; n > 0 {
		fmt.Fprintf(a.out, "%d rows are in the ledger already and are not repeated\n", n)
	}
	if rows == 0 {
		return nil
	}
	if r.rules.Environment != portone.Live || c.Yes {
		return nil
	}
	if !terminal(a.in) {
		return errors.New("this is live: real money. Nobody can be asked here; say --yes if it is meant")
	}
	fmt.Fprintf(a.out, "This is LIVE: real money. Type yes to pay it: ")
	var answer string
	var err error
	read := make(chan struct{})
	go func() { answer, err = bufio.NewReader(a.in).ReadString('\n'); close(read) }() // ends with the process
	select {
	case <-read:
	case <-ctx.Done():
		return exit{exitIncomplete, "stopped by you; nothing was sent"}
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.Join(errors.New("nothing was sent, since the answer was not yes"), err)
	}
	return nil
}

// issue drives the issuer, shows how it goes, and keeps the results file fresh.
func (c *issueCmd) issue(ctx context.Context, a *app, r *room, batch bulk.Batch, orders []string, out *results) error {
	rows, err := r.db.Results(ctx, batch.ID)
	if err != nil {
		return err
	}
	todo := 0
	for _, row := range rows {
		if !final(row.Status) {
			todo++
		}
	}
	if todo == 0 {
		fmt.Fprintln(a.out, "nothing is left to issue")
	}
	p := newProgress(a.errs, todo)
	r.issuer.NoWait, r.issuer.Observe, r.issuer.Paused = c.NoWait, p.observe, p.pause
	side, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { p.show(side) })
	group.Go(func() { out.keep(side, a) })
	err = r.issuer.Issue(ctx, batch.ID, orders)
	stop()
	group.Wait()
	return err
}

// close tells what came of it, and with which exit code.
func (c *issueCmd) close(ctx context.Context, a *app, r *room, out *results, rows []bulk.Result, stopped error) error {
	fmt.Fprint(a.out, summary(out.file, rows))
	fmt.Fprintln(a.out, "results:", out.path)
	if _, err := os.Stat(out.rejects); err == nil {
		fmt.Fprintln(a.out, "rejects:", out.rejects, "(mend its rows and issue that file)")
	}
	left, look := 0, len(out.file.TurnedDown)
	for _, row := range rows {
		switch row.Status {
		case bulk.Planned, bulk.Sending, bulk.Unknown:
			left++
		case bulk.Refused, bulk.Failed, bulk.Held, bulk.Quarantined, bulk.Cancelled:
			look++
		case bulk.Issued, bulk.Pending, bulk.Skipped:
		default:
			return fmt.Errorf("the ledger has a row in state %q, which this program does not know", row.Status)
		}
	}
	switch {
	case stopped != nil:
		return fmt.Errorf("stopped: %w. %d rows are left as they are; issue the file again when this is mended", stopped, left)
	case left > 0 && ctx.Err() != nil:
		return exit{exitIncomplete, fmt.Sprintf("stopped by you; %d rows are left. The same command goes on where it stopped", left)}
	case left > 0:
		return exit{exitIncomplete, fmt.Sprintf("%d rows are not settled yet. The same command goes on, and \"refunds resolve\" settles what is unknown", left)}
	case look > 0:
		return exit{code: exitFindings}
	}
	return nil
}

func final(s bulk.State) bool {
	switch s {
	case bulk.Planned, bulk.Held, bulk.Sending, bulk.Unknown:
		return false
	}
	return true
}

// storeUpload keeps the file as it was given, beside the ledger.
func storeUpload(home string, b []byte, id string) error {
	folder := filepath.Join(home, "uploads")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	name := id + ".csv"
	if hidden := bulk.HideCards(string(b)); hidden != string(b) {
		b, name = []byte(hidden), id+".masked.csv" // a card number is stored nowhere
	}
	return renameio.WriteFile(filepath.Join(folder, name), b, 0o600)
}
