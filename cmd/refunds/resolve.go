package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"refunds/bulk"
)

type resolveCmd struct {
	List        bool   `help:"Show every quarantined row, the evidence, and what can be done. Settles nothing."`
	Instruction string `arg:"" optional:"" help:"The row to decide: its instruction_id, or its marker."`
	ruleArgs
}

func (c *resolveCmd) Help() string {
	return `Without arguments it reads the list of each order with an unknown, quarantined or pending refund, and records what the list tells. Nothing is sent. A row becomes quarantined when its refund has not turned up by the time it must have; a person decides then.

  See what waits:        refunds resolve --list
  See one row's case:    refunds resolve RF-17
  PortOne made it:       refunds resolve RF-17 --made REFUND --by NAME --note "seen in the portal"
  PortOne did not:       refunds resolve RF-17 --not-made --by NAME --note "the portal shows nothing, nor does the PSP"
  … and send it again:   the same with --reissue; then issue its file again
  It is not wanted now:  refunds resolve RF-17 --cancel --by NAME --note "paid back in cash"

REFUND is a refund_id, a psp_refund_id, or the identity that --list shows. Look in PortOne's portal before you decide: what is called not made and is sent again is paid twice if it was. A decision is taken against a list read at that moment, and refused before the time by which the refund must have been listed, or where the list is against it. It is kept for good, with who took it and why. Rows held behind it go on when their file is issued again.

Exit 0: all is settled, or the decision is recorded. 1: rows are quarantined. 2: the decision was refused, and nothing recorded. 3: some rows are still unknown, or lists could not be read.`
}

func (c *resolveCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.List && (c.Instruction != "" || c.any()):
		return errors.New("--list stands alone")
	case c.List:
		return listCases(ctx, a)
	case c.Instruction != "":
		return c.decide(ctx, a, c.Instruction)
	case c.any():
		return errors.New("name the row: refunds resolve INSTRUCTION …, its instruction_id or marker as refunds resolve --list shows it")
	}
	return c.settle(ctx, a)
}

// settle settles what PortOne's lists settle.
func (c *resolveCmd) settle(ctx context.Context, a *app) (err error) {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var mu sync.Mutex
	counts := map[bulk.State]int{}
	var until time.Time
	r.issuer.Observe = func(s bulk.Settlement) {
		mu.Lock()
		defer mu.Unlock()
		counts[s.State]++
		if s.Until.After(until) {
			until = s.Until
		}
	}
	const everything = 100 * 365 * 24 * time.Hour
	looked, unread, err := r.issuer.Resolve(ctx, time.Now().Add(everything))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%d orders with an outcome to settle (%s)\n", looked, r.rules.Environment)
	for _, s := range []bulk.State{bulk.Issued, bulk.Pending, bulk.Failed, bulk.Planned, bulk.Quarantined, bulk.Sending, bulk.Unknown} {
		if counts[s] > 0 {
			fmt.Fprintf(a.out, "  %-12s %6d\n", s, counts[s])
		}
	}
	if ctx.Err() != nil {
		return exit{exitIncomplete, "stopped by you; the same command goes on"}
	}
	quarantined, planned, err := c.left(ctx, a, r)
	switch {
	case err != nil:
		return err
	case unread > 0:
		return exit{exitIncomplete, fmt.Sprintf("the lists of %d orders could not be read; the same command tries them again", unread)}
	case counts[bulk.Unknown]+counts[bulk.Sending] > 0:
		return exit{exitIncomplete, fmt.Sprintf("%d are still unknown; they are settled by %s at the latest", counts[bulk.Unknown]+counts[bulk.Sending], until.In(r.zone).Format(time.DateTime))}
	case planned > 0:
		return exit{exitIncomplete, fmt.Sprintf("%d rows were not sent, or were not made and may be sent again; issue their files again", planned)}
	case quarantined+counts[bulk.Failed] > 0:
		return exit{code: exitFindings}
	}
	return nil
}

// left tells of what reading alone does not settle: quarantined rows, and rows that wait to be issued.
func (c *resolveCmd) left(ctx context.Context, a *app, r *room) (quarantined, planned int, err error) {
	batches, err := r.db.Batches(ctx)
	for _, b := range batches {
		n := 0
		for _, t := range b.Totals {
			switch t.Status {
			case bulk.Quarantined:
				quarantined += t.Rows
			case bulk.Planned:
				n += t.Rows
			}
		}
		if n > 0 {
			fmt.Fprintf(a.out, "%d rows of batch %s, %s, are planned\n", n, bulk.ShortID(b.ID), b.FileName)
		}
		planned += n
	}
	if quarantined > 0 {
		fmt.Fprintf(a.out, "%d rows are quarantined; refunds resolve --list shows them, and what can be done\n", quarantined)
	}
	return quarantined, planned, err
}
