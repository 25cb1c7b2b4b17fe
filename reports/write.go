package reports

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"refunds/reconcile"
)

// Source is where a report reads a finished run from: reconcile/ledger. Each… gives
// one thing at a time, sorted, and may be called again.
type Source interface {
	Run(ctx context.Context, id string) (reconcile.Run, error)
	// EachDiscrepancy gives the findings of one kind, by order_ref and id.
	EachDiscrepancy(ctx context.Context, runID string, k reconcile.Kind, f func(reconcile.Finding) error) error
	// EachOrder gives the orders of the run's window, by order_ref.
	EachOrder(ctx context.Context, runID string, f func(reconcile.OrderLine) error) error
}

// Write puts the report of a finished run into the folder root/RUN and gives its path. The
// folder is there complete or not at all: it is written beside, under a hidden
// name, and renamed when every byte is on the disk. One that is there already is
// checked and left as it is.
func Write(ctx context.Context, src Source, runID, root string) (dir string, err error) {
	dir = filepath.Join(root, runID)
	if filepath.Base(runID) != runID || strings.HasPrefix(runID, ".") {
		return "", fmt.Errorf("write a report: %q can't name a folder", runID)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the report of run %s to %s: %w", runID, root, err)
		}
	}()
	if _, err := os.Lstat(dir); err == nil {
		problems, err := Verify(dir)
		if err == nil && len(problems) > 0 {
			err = fmt.Errorf("the folder is there already, and not as it was written: %s; move it away and write it again", problems[0])
		}
		return dir, err
	}
	run, err := src.Run(ctx, runID)
	if err != nil {
		return "", err
	}
	if run.Verdict == "" {
		return "", errors.New("the run has not finished, so it has no verdict")
	}
	if err := os.MkdirAll(root, 0o750); err != nil {
		return "", err
	}
	previous, err := previousManifest(root, runID)
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(root, "."+runID+".*")
	if err != nil {
		return "", err
	}
	f := &folder{dir: tmp}
	if err := f.fill(ctx, src, run, previous); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	if err := f.rename(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return dir, nil
}

// fill writes the files. The tables come first, since the others tell their totals.
func (f *folder) fill(ctx context.Context, src Source, run reconcile.Run, previous *previousRun) error {
	c := &counts{kinds: map[reconcile.Kind]kindCount{}}
	if err := f.write("discrepancies.csv", func(w *writer) error { return writeDiscrepancies(ctx, w, src, run, c) }); err != nil {
		return err
	}
	if err := f.write("orders.csv", func(w *writer) error { return writeOrders(ctx, w, src, run, c) }); err != nil {
		return err
	}
	s, err := summarize(run, c)
	if err != nil {
		return err
	}
	if err := f.write("summary.json", func(w *writer) error { return writeJSON(w, s) }); err != nil {
		return err
	}
	if err := f.write("report.html", func(w *writer) error { return writeHTML(ctx, w, src, run, c) }); err != nil {
		return err
	}
	m := manifest{Run: run.ID, Environment: run.Environment, Verdict: run.Verdict, Totals: s.Orders, Discrepancies: s.Discrepancies.Open,
		Previous: previous, Files: sortedFiles(f.files)}
	if err := f.write(manifestName, func(w *writer) error { return writeJSON(w, m) }); err != nil {
		return err
	}
	sums := sortedFiles(f.files)
	return f.write(sumsName, func(w *writer) error {
		for _, file := range sums {
			fmt.Fprintf(w, "%s  %s\n", file.SHA256, file.Name)
		}
		return nil
	})
}
