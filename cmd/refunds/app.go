package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
)

// app is what every command works with.
type app struct {
	settings
	in        io.Reader
	out, errs io.Writer
	log       *slog.Logger
}

// home makes the folder of our own files, so that what can't be written is found first.
func (c config) home() error {
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return fmt.Errorf("the folder %s can't be made: %w; set REFUNDS_HOME to one that can be written", c.Home, err)
	}
	f, err := os.CreateTemp(c.Home, ".writable-*")
	if err != nil {
		return fmt.Errorf("the folder %s can't be written: %w; set REFUNDS_HOME to one that can", c.Home, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// openLedger opens the ledger. With keys in c, it must be theirs: it is bound to
// one environment and client key.
func (a *app) openLedger(ctx context.Context, c config) (*ledger.DB, error) {
	if err := c.home(); err != nil {
		return nil, err
	}
	db, err := ledger.Open(ctx, c.Database, ledger.Options{})
	if err != nil {
		return nil, err
	}
	if c.clientKey != "" {
		if err := db.Bind(ctx, c.rules.Environment, c.clientKey); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func (a *app) openPortOne(c config) (*portone.Client, error) {
	return portone.New(portone.Config{
		BaseURL: c.BaseURL, ClientKey: c.clientKey, SecretKey: c.secretKey, Environment: c.rules.Environment,
		Rate: c.Rate, Burst: c.Burst, Concurrency: c.Concurrency, Timeout: c.Timeout, TokenTTL: c.TokenTTL, Log: a.log,
	})
}

// room is a ledger and a PortOne, opened and bound: what issuing and reconciling need.
type room struct {
	config
	db      *ledger.DB
	portone *portone.Client
	issuer  *bulk.Issuer
	unborne error // why nothing may be sent under the policy; nil: it may
}

// open checks the settings, then opens everything. Close what it gives.
func (a *app) open(ctx context.Context) (*room, error) {
	c, err := a.check(true)
	if err != nil {
		return nil, err
	}
	client, err := a.openPortOne(c)
	if err != nil {
		return nil, err
	}
	db, err := a.openLedger(ctx, c)
	if err != nil {
		return nil, err
	}
	journal, err := a.openJournal(ctx, c, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	unborne, err := a.bearPolicy(ctx, &c, db)
	if err != nil {
		return nil, errors.Join(err, journal.Close(), db.Close())
	}
	return &room{config: c, unborne: unborne, db: db, portone: client, issuer: &bulk.Issuer{
		Ledger: db, PortOne: client, Rules: c.rules, Journal: journal,
		Breaker: bulk.NewBreaker(c.breaker), Concurrency: c.Concurrency, Ahead: 1 + int(c.Rate/100), Log: a.log, WentBack: a.wentBack(c.zone),
	}}, nil
}

func (r *room) close() error {
	r.portone.Close()
	return errors.Join(r.issuer.Journal.Close(), r.db.Close())
}
