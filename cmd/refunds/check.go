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
	db, err := ledger.Open(ctx, cfg.Database, ledger.Options{ReadOnly: true})
	if err != nil {
		fmt.Fprintln(a.out, "  earlier batches were not looked at:", err)
		return nil
	}
	held, conflicts, batch, err := c.look(ctx, db, cfg, key, file)
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

// look asks the ledger about the rows. Those that name only the merchant's reference are known
// once it is looked up, so they are left out.
func (c *checkCmd) look(ctx context.Context, db *ledger.DB, cfg config, key string, file *bulk.File) (map[int]bulk.Result, []bulk.Conflict, bulk.Batch, error) {
	batch := bulk.Batch{ID: file.ID, FileName: file.Name}
	if err := db.CheckBound(ctx, cfg.rules.Environment, key); err != nil {
		return nil, nil, batch, err
	}
	booked, err := db.Results(ctx, file.ID)
	if err != nil {
		return nil, nil, batch, err
	}
	if len(booked) > 0 {
		all := make(map[int]bulk.Result, len(booked))
		for _, r := range booked {
			all[r.N] = bulk.Result{N: r.N, Message: "in the ledger as a row of this very file, " + string(r.Status)}
		}
		batch.Rows = file.Rows
		return all, nil, batch, nil
	}
	for _, row := range file.Rows {
		if row.OrderRef != "" {
			row.Identify(cfg.rules.Environment, key)
			batch.Rows = append(batch.Rows, row)
		}
	}
	held, conflicts, err := db.Held(ctx, batch)
	return held, conflicts, batch, err
}
