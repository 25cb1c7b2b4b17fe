package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"refunds/bulk"
	"refunds/reconcile"
	"refunds/reports"
)

type reconcileCmd struct {
	Date   string `placeholder:"DATE" xor:"window" help:"The business date to reconcile, as 2026-11-20 (default: yesterday)."`
	From   string `placeholder:"DATE" xor:"window" help:"With --to: a period, both dates included."`
	To     string `placeholder:"DATE" help:"With --from."`
	Orders string `placeholder:"FILE" type:"path" xor:"window" help:"The orders of a CSV file with a column order_ref."`
	All    bool   `xor:"window" help:"Every order of the ledger, now."`
}

func (c *reconcileCmd) Help() string {
	return `It reads PortOne's refund list of each order of the window, settles outcomes that were unknown, compares the list with the ledger both ways, and writes a report folder for auditors. The window is the orders on which something happened on the business date, and those with anything still open. Nothing is sent.

Exit 0: clean. 1: discrepancies. 3: incomplete, since an order could not be read or it was stopped.`
}

func (c *reconcileCmd) Run(ctx context.Context, a *app) (err error) {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	window, err := c.window(r.config, time.Now())
	if err != nil {
		return err
	}
	rec := a.reconciler(r)
	rec.Progress = func(done, of, unchecked, found int) {
		fmt.Fprintf(a.errs, "%d of %d orders read, %d unchecked, %d discrepancies\n", done, of, unchecked, found)
	}
	run, runErr := rec.Run(ctx, window)
	if run.FinishedAt.IsZero() {
		return runErr
	}
	dir, err := writeReport(context.WithoutCancel(ctx), r, run)
	if err != nil {
		return errors.Join(runErr, err)
	}
	fmt.Fprintln(a.out, runLine(run))
	fmt.Fprintln(a.out, "report:", filepath.Join(dir, "report.html"))
	if runErr != nil {
		return runErr
	}
	return verdictExit(run.Verdict)
}

func (c *reconcileCmd) window(cfg config, now time.Time) (reconcile.Window, error) {
	switch {
	case c.To != "" && c.From == "":
		return reconcile.Window{}, errors.New("--from and --to go together")
	case c.All:
		return reconcile.AllWindow(cfg.zone), nil
	case c.Orders != "":
		refs, err := orderRefs(c.Orders)
		return reconcile.OrdersWindow(refs, cfg.zone), err
	case (c.From == "") != (c.To == ""):
		return reconcile.Window{}, errors.New("--from and --to go together")
	case c.From == "" && c.Date == "":
		c.Date = string(reconcile.Yesterday(now, cfg.zone))
	}
	from, err := reconcile.ParseDate(cmp.Or(c.From, c.Date))
	if err != nil {
		return reconcile.Window{}, err
	}
	to, err := reconcile.ParseDate(cmp.Or(c.To, c.Date))
	if err != nil {
		return reconcile.Window{}, err
	}
	if today := reconcile.DateOf(now, cfg.zone); to > today {
		return reconcile.Window{}, fmt.Errorf("%s is yet to come: today is %s in %s", to, today, cfg.zone)
	}
	return reconcile.ActivityWindow(from, to, cfg.zone)
}

// orderRefs reads the references of a CSV file with at least a column order_ref.
func orderRefs(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	refs, faults, err := reconcile.ReadOrderRefs(name, f, bulk.Limits{})
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("%s: %s", name, faults[0])
	}
	return refs, err
}

func (a *app) reconciler(r *room) *reconcile.Reconciler {
	grace := r.rules.Bounds.MaxProcessing + r.rules.Bounds.ListLag
	return &reconcile.Reconciler{
		Ledger: r.db, PortOne: r.portone, Settler: r.issuer, Environment: r.rules.Environment, Concurrency: r.Concurrency, Log: a.log,
		Bounds: reconcile.Bounds{Grace: grace, StalePending: stalePending, StillUnknown: grace},
	}
}

// stalePending is how long PortOne may keep a refund queued before a person should ask
// it why. PortOne says nothing of it; a person settles queued ones in its portal (guide).
const stalePending = 3 * 24 * time.Hour

// writeReport writes a run's folder under the home folder.
func writeReport(ctx context.Context, r *room, run reconcile.Run) (dir string, err error) {
	return reports.Write(ctx, r.db, run.ID, filepath.Join(r.Home, "reports"))
}

// runLine is what a run came to, in one line.
func runLine(run reconcile.Run) string {
	return fmt.Sprintf("%s (%s, %s): %d orders read, %d unchecked; discrepancies: %d open before, %d new, %d resolved, %d open now",
		run.Verdict, run.Window, run.Environment, run.Read, run.Unchecked, run.Roll.Opening, run.Roll.New, run.Roll.Resolved, run.Roll.Closing)
}

func verdictExit(v reconcile.Verdict) error {
	switch v {
	case reconcile.Clean:
		return nil
	case reconcile.Discrepancies:
		return exit{code: exitFindings}
	case reconcile.Incomplete:
		return exit{exitIncomplete, "incomplete: what was not read is neither clean nor a discrepancy; the report names it, with why. Run it again when that is mended"}
	default:
		return fmt.Errorf("a run ended with the verdict %q, which this program does not know", v)
	}
}
