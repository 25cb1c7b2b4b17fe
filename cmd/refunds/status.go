package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"refunds/bulk"
)

type statusCmd struct {
	Batch string `arg:"" optional:"" help:"A batch's id, or the beginning of it."`
}

func (c *statusCmd) Help() string {
	return `Without a batch it lists all of them, newest first. With one it shows the rows that are not issued, with what became of them. Exit 0 when nothing is left to look at, 1 when something is, 3 when rows are not settled yet.`
}

func (c *statusCmd) Run(ctx context.Context, a *app) (err error) {
	cfg, err := a.check(false)
	if err != nil {
		return err
	}
	db, err := a.openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	batches, err := db.Batches(ctx)
	if err != nil {
		return err
	}
	if c.Batch == "" && len(batches) == 0 {
		fmt.Fprintln(a.out, "no batch yet; refunds issue FILE makes one")
		return nil
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetOutputMirror(a.out)
	var states []bulk.State
	if c.Batch == "" {
		t.AppendHeader(table.Row{"batch", "file", "received", "rows", "status", "count", "money"})
		for _, b := range batches {
			for i, s := range b.Totals {
				states = append(states, s.Status)
				head := table.Row{"", "", "", ""}
				if i == 0 {
					head = table.Row{bulk.ShortID(b.ID), b.FileName, b.ReceivedAt.In(cfg.zone).Format("2006-01-02 15:04"), b.Rows}
				}
				t.AppendRow(append(head, s.Status, s.Rows, fmt.Sprintf("%s %s", s.Amount.Currency, grouped(s.Amount.String()))))
			}
		}
		t.Render()
		return code(states)
	}
	id := ""
	for _, b := range batches {
		if strings.HasPrefix(b.ID, strings.ToLower(c.Batch)) {
			if id != "" {
				return fmt.Errorf("more than one batch begins with %q; give more of its id", c.Batch)
			}
			id = b.ID
		}
	}
	if id == "" {
		return fmt.Errorf("no batch begins with %q; refunds status lists them", c.Batch)
	}
	rows, err := db.Results(ctx, id)
	if err != nil {
		return err
	}
	t.AppendHeader(table.Row{"row", "status", "reason", "attempts", "sent", "message"})
	shown := 0
	for _, r := range rows {
		states = append(states, r.Status)
		if r.Status == bulk.Issued {
			continue
		}
		shown++
		sent := ""
		if !r.SentAt.IsZero() {
			sent = r.SentAt.In(cfg.zone).Format(time.DateTime)
		}
		t.AppendRow(table.Row{r.N, r.Status, r.ReasonCode, r.Attempts, sent, r.Message})
	}
	fmt.Fprintf(a.out, "batch %s: %d rows, %d issued\n", bulk.ShortID(id), len(rows), len(rows)-shown)
	if shown > 0 {
		t.Render()
	}
	return code(states)
}

// code is the exit that rows in these states call for; nil: all is well.
func code(states []bulk.State) error {
	worst := exitClean
	for _, s := range states {
		switch s {
		case bulk.Planned, bulk.Sending, bulk.Unknown:
			worst = exitIncomplete
		case bulk.Refused, bulk.Failed, bulk.Held, bulk.Quarantined, bulk.Cancelled:
			worst = max(worst, exitFindings)
		case bulk.Issued, bulk.Pending, bulk.Skipped:
		default:
			return fmt.Errorf("the ledger has a row in state %q, which this program does not know", s)
		}
	}
	if worst == exitClean {
		return nil
	}
	return exit{code: worst}
}
