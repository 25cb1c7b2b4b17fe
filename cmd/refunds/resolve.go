package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"refunds/bulk"
)

type resolveCmd struct{}

func (c *resolveCmd) Help() string {
	return `It reads the list of each order with an unknown, quarantined or pending refund, and records what the list tells. Nothing is sent. A row becomes quarantined when its refund has not turned up by the time it must have; a person looks then. Exit 0 when all is settled, 1 when rows are quarantined, 3 when some are still unknown or could not be read.`
}

func (c *resolveCmd) Run(ctx context.Context, a *app) (err error) {
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
	switch {
	case ctx.Err() != nil:
		return exit{exitIncomplete, "stopped by you; the same command goes on"}
	case unread > 0:
		return exit{exitIncomplete, fmt.Sprintf("the lists of %d orders could not be read; the same command tries them again", unread)}
	case counts[bulk.Unknown]+counts[bulk.Sending] > 0:
		return exit{exitIncomplete, fmt.Sprintf("%d are still unknown; they are settled by %s at the latest", counts[bulk.Unknown]+counts[bulk.Sending], until.In(r.zone).Format(time.DateTime))}
	case counts[bulk.Quarantined]+counts[bulk.Failed] > 0:
		return exit{code: exitFindings}
	}
	return nil
}
