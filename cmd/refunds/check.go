package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"refunds/bulk"
	"refunds/reconcile/ledger"
)

type checkCmd struct{ fileArgs }

func (c *checkCmd) Help() string {
	return `It names every fault with its line, column and cell, and what to write instead; then what the file comes to. It needs no keys, writes nothing and asks PortOne nothing. Rows that an earlier batch has are told where there is a ledger and the keys are set.`
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.check(false)
	if err != nil {
		return err
	}
	file, err := c.read(a)
	if err != nil {
		return err
	}
	if err := c.judge(a, file); err != nil {
		return err
	}
	d := file.Detected
	fmt.Fprintf(a.out, "%s: %d rows, %s\n  read as %s, delimiter %q, columns %s\n  batch %s\n", filepath.Base(c.File), len(file.Rows),
		totals(file.Totals), d.Encoding, d.Delimiter, strings.Join(d.Columns, ", "), bulk.ShortID(file.ID))
	if n := len(file.TurnedDown); n > 0 {
		fmt.Fprintf(a.out, "  %d rows are turned down and would go to the rejects file\n", n)
	}
	return c.held(ctx, a, cfg, file)
}

// held tells which rows an earlier batch has, if that can be known without writing anything.
func (c *checkCmd) held(ctx context.Context, a *app, cfg config, file *bulk.File) error {
	key, err := a.secret("PORTONE_CLIENT_KEY")
	path, sqlite := strings.CutPrefix(cfg.Database, "sqlite:")
	if _, statErr := os.Stat(path); err != nil || sqlite && statErr != nil {
		fmt.Fprintln(a.out, "  earlier batches were not looked at: no ledger yet, or PORTONE_CLIENT_KEY is not set")
		return nil
	}
	db, err := ledger.Open(ctx, cfg.Database, ledger.Options{})
	if err != nil {
		return err
	}
	batch := bulk.Batch{ID: file.ID, FileName: filepath.Base(c.File)}
	for _, row := range file.Rows {
		if row.OrderRef == "" {
			continue // known once its reference is looked up
		}
		row.Identify(cfg.rules.Environment, key)
		batch.Rows = append(batch.Rows, row)
	}
	held, conflicts, err := db.Held(ctx, batch)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	for _, row := range batch.Rows {
		if r, ok := held[row.N]; ok {
			fmt.Fprintf(a.out, "  line %d: %s\n", row.Line, r.Message)
		}
	}
	return c.contradictions(a, batch, conflicts)
}
