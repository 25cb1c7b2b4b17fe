package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"refunds/bulk"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
)

type importArgs struct {
	File    string `arg:"" type:"path" help:"CSV file."`
	MaxRows int    `default:"1000000" help:"Refuse a file of more rows."`
	MaxSize int64  `default:"268435456" help:"Refuse a file of more bytes."`
}

type ordersImportCmd struct{ importArgs }

func (c *ordersImportCmd) Help() string {
	return `Columns: order_ref, amount (major units), currency, channel, and if known merchant_order_ref and paid_at (RFC 3339). An order that is there already stays as it is; one that contradicts it is named.`
}

type ledgerImportCmd struct{ importArgs }

func (c *ledgerImportCmd) Help() string {
	return `Refunds that were made elsewhere, so that reconciliation knows of them. Columns: order_ref, amount (major units), currency, status (success, pending, failed), refunded_at, and if known refund_id, psp_refund_id, reason. Import their orders first.`
}

func (c *ordersImportCmd) Run(ctx context.Context, a *app) error {
	return importFile(ctx, a, c.importArgs, "orders", reconcile.ReadOrders, func(db *ledger.DB, orders []bulk.Order) (added, same int, err error) {
		added, same, conflicts, err := db.ImportOrders(ctx, orders, time.Now())
		for _, f := range conflicts {
			fmt.Fprintln(a.errs, f)
		}
		if err == nil && len(conflicts) > 0 {
			err = exit{exitFindings, fmt.Sprintf("%d orders contradict what is booked and were left as they are", len(conflicts))}
		}
		return added, same, err
	})
}

func (c *ledgerImportCmd) Run(ctx context.Context, a *app) error {
	return importFile(ctx, a, c.importArgs, "refunds", reconcile.ReadBooked, func(db *ledger.DB, booked []reconcile.Booked) (added, same int, err error) {
		added, same, err = db.ImportRefunds(ctx, booked, time.Now())
		var faults ledger.Faults
		if errors.As(err, &faults) {
			for _, f := range faults {
				fmt.Fprintln(a.errs, f)
			}
			err = fmt.Errorf("%s: %d rows contradict what is booked, or their order is not in the ledger; nothing was imported", c.File, len(faults))
		}
		return added, same, err
	})
}

// importFile reads a file strictly, and books all of it or nothing.
func importFile[T any](ctx context.Context, a *app, c importArgs, what string,
	read func(string, io.Reader, bulk.Limits) ([]T, []bulk.Fault, error), book func(*ledger.DB, []T) (added, same int, err error),
) (err error) {
	cfg, err := a.check(false)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	rows, faults, err := read(c.File, f, bulk.Limits{Bytes: c.MaxSize, Rows: c.MaxRows})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	showFaults(a.errs, "", faults, len(faults))
	if len(faults) > 0 {
		return fmt.Errorf("%s: refused for the %d faults above; nothing was imported", c.File, len(faults))
	}
	db, err := a.openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	added, same, err := book(db, rows)
	if err == nil || errors.As(err, new(exit)) {
		fmt.Fprintf(a.out, "%d %s read, %d added, %d there already\n", len(rows), what, added, same)
	}
	return err
}
