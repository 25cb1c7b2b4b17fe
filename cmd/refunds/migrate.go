package main

import (
	"context"
	"fmt"

	"refunds/reconcile/ledger"
)

type migrateCmd struct{}

func (c *migrateCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.check(false)
	if err != nil {
		return err
	}
	if err := cfg.home(); err != nil {
		return err
	}
	from, to, err := ledger.Migrate(ctx, cfg.Database)
	if err != nil {
		return err
	}
	if from == to {
		fmt.Fprintf(a.out, "the ledger is at version %d already\n", to)
		return nil
	}
	fmt.Fprintf(a.out, "the ledger went from version %d to %d\n", from, to)
	return nil
}
