package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// results keeps the results and rejects files of a batch.
type results struct {
	r             *room
	file          *bulk.File
	path, rejects string
}

// newResults finds a folder that can be written: the input's, or the one named, else our own.
func newResults(r *room, file *bulk.File, input, named string) (*results, error) {
	o := &results{r: r, file: file}
	o.path, o.rejects = bulk.ResultsPaths(input, named)
	if err := mayWrite(input, o.path, o.rejects); err != nil {
		return nil, err
	}
	probe, err := os.CreateTemp(filepath.Dir(o.path), ".refunds-*")
	if err == nil {
		return o, errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if named != "" {
		return nil, fmt.Errorf("the results can't be written: %w; name another file with --results", err)
	}
	own := filepath.Join(r.Home, "results")
	if err := os.MkdirAll(own, 0o700); err != nil {
		return nil, err
	}
	name := bulk.ShortID(file.ID) + "-" // two files of one name are two batches
	o.path, o.rejects = filepath.Join(own, name+filepath.Base(o.path)), filepath.Join(own, name+filepath.Base(o.rejects))
	return o, mayWrite(input, o.path, o.rejects)
}

// mayWrite finds what would stop the results at the end of the run, when money has gone out,
// or would write over the input, whatever path leads to it.
func mayWrite(input string, paths ...string) error {
	in, err := os.Stat(input)
	if err != nil {
		return err
	}
	for _, path := range paths {
		switch there, err := os.Stat(path); {
		case err != nil:
		case os.SameFile(in, there):
			return fmt.Errorf("%s is the input itself; name another file with --results; nothing was sent", path)
		case !there.Mode().IsRegular():
			return fmt.Errorf("%s is in the way of the results and is no plain file; move it, or name another file with --results; nothing was sent", path)
		}
	}
	return nil
}

// write writes both files as the ledger has the rows now.
func (o *results) write(ctx context.Context) ([]bulk.Result, error) {
	rows, err := o.r.db.Results(ctx, o.file.ID)
	if err != nil {
		return nil, err
	}
	err = errors.Join(bulk.WriteResults(o.path, o.file, rows), bulk.WriteRejects(o.rejects, o.file, rows))
	if err != nil {
		return rows, fmt.Errorf("%w; the ledger has them all, the same command writes them again", err)
	}
	return rows, nil
}

// keep writes the files every few seconds until ctx ends. A failure only warns: the last
// writing, at the end of the run, is the one that counts.
func (o *results) keep(ctx context.Context, a *app) {
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := o.write(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("results file not written yet", "error", err)
		}
	}
}

// summary is one line for each status: how many rows, and how much money.
func summary(file *bulk.File, rows []bulk.Result) string {
	amounts := map[int]bulk.Row{}
	for _, r := range file.Rows {
		amounts[r.N] = r
	}
	var b strings.Builder
	for _, s := range []bulk.State{bulk.Issued, bulk.Pending, bulk.Skipped, bulk.Refused, bulk.Failed, bulk.Held, bulk.Quarantined,
		bulk.Cancelled, bulk.Planned, bulk.Sending, bulk.Unknown} {
		n, sums := 0, map[portone.Currency]portone.Money{}
		for _, r := range rows {
			if r.Status == s {
				n++
				add(sums, amounts[r.N].Amount)
			}
		}
		if n > 0 {
			fmt.Fprintf(&b, "  %-12s %6d  %s\n", s, n, sorted(sums))
		}
	}
	if n := len(file.TurnedDown); n > 0 {
		fmt.Fprintf(&b, "  %-12s %6d\n", "turned down", n)
	}
	return b.String()
}

// add counts m among the sums of its currency.
func add(sums map[portone.Currency]portone.Money, m portone.Money) {
	sums[m.Currency] = m.Add(portone.Money{Minor: sums[m.Currency].Minor, Currency: m.Currency})
}

// sorted is sums for people, by currency.
func sorted(sums map[portone.Currency]portone.Money) string {
	if len(sums) == 0 {
		return "nothing"
	}
	return totals(slices.SortedFunc(maps.Values(sums), func(x, y portone.Money) int { return strings.Compare(string(x.Currency), string(y.Currency)) }))
}

// setAside moves a rejects file away that is not what was written last for this batch: a person
// may be mending it, or it is of another file of the same name.
func (o *results) setAside(ctx context.Context, a *app) error {
	there, err := os.ReadFile(o.rejects)
	if err != nil {
		return nil //nolint:nilerr // there is none, or mayWrite has told
	}
	rows, err := o.r.db.Results(ctx, o.file.ID)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		tmp, err := os.MkdirTemp(o.r.Home, ".rejects-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp) //nolint:errcheck // a temporary folder of our own
		again := filepath.Join(tmp, "rejects.csv")
		if err := bulk.WriteRejects(again, o.file, rows); err != nil {
			return err
		}
		if b, err := os.ReadFile(again); err == nil && bytes.Equal(b, there) {
			return nil
		}
	}
	aside := strings.TrimSuffix(o.rejects, ".csv") + "." + time.Now().UTC().Format("20060102T150405.000") + ".csv"
	if err := os.Rename(o.rejects, aside); err != nil {
		return fmt.Errorf("set the rejects of before aside: %w; nothing was sent", err)
	}
	fmt.Fprintf(a.errs, "%s is not what was written for this file, so it was kept as %s\n", o.rejects, aside)
	return nil
}
