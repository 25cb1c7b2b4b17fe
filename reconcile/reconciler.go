package reconcile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"refunds/bulk"
	"refunds/portone"
)

// A Reconciler runs reconciliations. All fields but Progress are required.
type Reconciler struct {
	Ledger      Ledger
	PortOne     Lister
	Settler     Settler
	Environment portone.Environment
	Bounds      Bounds
	Concurrency int // lists read at once
	Log         *slog.Logger
	// Progress is told how far the run is after every page of orders.
	Progress func(done, of, unchecked, found int)

	silent atomic.Int32 // orders in a row that PortOne gave no answer for
}

// maxSilent is how many orders in a row PortOne may leave without an answer, each after the
// client's retries, before the run stops: it would take hours to find every order unchecked.
const maxSilent = 50

// pageSize is how many orders are held at once; each page is one transaction.
const pageSize = 500

// Run reads every order of the window, settles what was unknown or pending, matches, and
// records. It posts nothing to PortOne.
//
// The run that it returns is recorded, whatever ended it: when ctx ends, it is
// incomplete, and that is no error. An error is a fault that more of the same run can't
// get past (a key that PortOne does not accept: portone.ErrUnauthorized; the ledger);
// the run is then incomplete too, and recorded as far as the ledger allows. What was read
// until then stays recorded.
func (r *Reconciler) Run(ctx context.Context, w Window) (Run, error) {
	now := time.Now()
	r.silent.Store(0)
	run := Run{ID: newRunID(now), Environment: r.Environment, Window: w, StartedAt: now.UTC().Truncate(time.Microsecond)}
	orders, opening, err := r.Ledger.BeginRun(ctx, run)
	if err != nil {
		return run, fmt.Errorf("begin a reconciliation of %s: %w", w, err)
	}
	r.Log.Info("reconciliation begins", "run", run.ID, "window", w.String(), "orders", orders)
	run.Roll = opening
	found, err := r.pages(ctx, &run, orders)
	switch {
	case ctx.Err() != nil:
		run.Stopped, err = "it was stopped before it had read every order", nil
	case errors.Is(err, portone.ErrUnauthorized):
		run.Stopped = "PortOne does not accept the key: " + brief(err)
	case err != nil:
		run.Stopped = "it failed: " + brief(err)
	}
	run.Unchecked = orders - run.Read
	run.Verdict = verdict(run, found)
	run.Roll.close()
	run.FinishedAt = time.Now().UTC().Truncate(time.Microsecond)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	finished, finishErr := r.Ledger.FinishRun(end, run)
	if finishErr != nil {
		return run, errors.Join(err, fmt.Errorf("record the end of run %s: %w", run.ID, finishErr))
	}
	r.Log.Info("reconciliation ends", "run", run.ID, "verdict", run.Verdict, "read", run.Read, "unchecked", run.Unchecked, "found", found)
	return finished, err
}

// pages works through the run's orders, and records each page also when it ends in an error.
func (r *Reconciler) pages(ctx context.Context, run *Run, orders int) (found int, err error) {
	for after, done := "", 0; ; {
		page, err := r.Ledger.Page(ctx, run.ID, after, pageSize)
		if err != nil || len(page) == 0 {
			return found, err
		}
		after, done = page[len(page)-1].OrderRef, done+len(page)
		checked, readErr := r.read(ctx, page)
		roll, err := r.Ledger.Record(context.WithoutCancel(ctx), *run, checked)
		if err != nil {
			return found, errors.Join(readErr, err)
		}
		run.Roll.add(roll)
		for _, c := range checked {
			run.count(c)
			found += len(c.Found)
		}
		if readErr != nil {
			return found, readErr
		}
		if r.Progress != nil {
			r.Progress(done, orders, done-run.Read, found)
		}
	}
}

// read reads and matches a page's orders side by side. On an error it still gives those
// that were read.
func (r *Reconciler) read(ctx context.Context, page []Books) ([]Checked, error) {
	all := make([]*Checked, len(page))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.Concurrency))
	for i, books := range page {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			c, err := r.order(groupCtx, books)
			if err == nil {
				all[i] = &c
			}
			return err
		})
	}
	err := group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	checked := make([]Checked, 0, len(page))
	for _, c := range all {
		if c != nil {
			checked = append(checked, *c)
		}
	}
	return checked, err
}

// order reads and matches one order. An error ends the run; what only keeps this order from
// being read makes it unchecked.
func (r *Reconciler) order(ctx context.Context, b Books) (Checked, error) {
	if b.Amount.Currency == "" {
		return unchecked(b, "the ledger has no such order"), nil
	}
	l := Listing{ReadAt: time.Now()}
	list, err := r.PortOne.Refunds(ctx, b.OrderRef, b.Amount.Currency)
	switch {
	case errors.Is(err, portone.ErrOrderUnknown):
		l.OrderUnknown = true
	case ctx.Err() != nil:
		return Checked{}, ctx.Err()
	case errors.Is(err, portone.ErrUnauthorized):
		return Checked{}, fmt.Errorf("read the refunds of order %s: %w", b.OrderRef, err)
	case errors.Is(err, portone.ErrUnavailable) && r.silent.Add(1) >= maxSilent:
		return Checked{}, fmt.Errorf("%d orders in a row could not be read, the last %s: %w", maxSilent, b.OrderRef, err)
	case err != nil:
		r.Log.Warn("order unchecked", "order_ref", b.OrderRef, "error", err)
		return unchecked(b, brief(err)), nil
	}
	r.silent.Store(0)
	l.RefundList = list
	fresh := false
	if !l.OrderUnknown && unsettled(b, list) {
		if err := r.Settler.Apply(ctx, b.OrderRef, list, l.ReadAt); err != nil && !errors.Is(err, bulk.ErrMoved) {
			if ctx.Err() != nil {
				return Checked{}, ctx.Err()
			}
			r.Log.Warn("order not settled", "order_ref", b.OrderRef, "error", err)
			return unchecked(b, "its open refunds could not be settled: "+brief(err)), nil
		}
		if b, err = r.Ledger.Books(ctx, b.OrderRef); err != nil {
			return Checked{}, err
		}
		fresh = true
	}
	out := Match(b, l, r.Bounds)
	if len(out.Discrepancies) > 0 && !fresh {
		// The books are as old as their page: somebody may have booked since what the list shows.
		if b, err = r.Ledger.Books(ctx, b.OrderRef); err != nil {
			return Checked{}, err
		}
		out = Match(b, l, r.Bounds)
	}
	return checked(b, l, out), nil
}

// unsettled tells whether a list may tell anew about the order's instructions.
func unsettled(b Books, list portone.RefundList) bool {
	for _, x := range b.Booked {
		if x.Marker != "" && x.Status == Pending {
			return true
		}
	}
	for _, in := range b.Instructions {
		if in.unsettled() {
			return true
		}
		if in.State == bulk.Refused || in.State == bulk.Failed || in.State == bulk.Cancelled {
			for _, l := range list.Refunds {
				if strings.Contains(l.Reason, in.Marker) {
					return true
				}
			}
		}
	}
	return false
}

// newRunID sorts by time, to the microsecond: a later run's reads count over an earlier
// one's. It names a folder.
func newRunID(now time.Time) string {
	return now.UTC().Format("20060102T150405.000000Z") + "-" + strings.ToLower(rand.Text()[:4])
}

// brief is an error as one line of a report, in at most 300 bytes.
func brief(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}
