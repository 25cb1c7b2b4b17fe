package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"refunds/portone"
	"refunds/portone/portonetest"
)

type simulateCmd struct {
	Listen   string `default:"127.0.0.1:8089" help:"Address of this machine to listen on."`
	Orders   string `type:"existingfile" help:"CSV of the orders it knows: order_ref, amount, currency, channel."`
	Faults   string `help:"What goes wrong, such as \"post 5% 429, post 2% 500-after, lag 10% 300ms\"; @FILE reads it from a file."`
	Seed     uint64 `default:"1" help:"Of the faults' chances: the same seed strikes the same requests."`
	Anytoken bool   `name:"ignore-expiry" help:"Take tokens that have expired."`
}

func (c *simulateCmd) Help() string {
	return `It speaks PortOne's refund API over HTTP on this machine, keeps orders and refund lists in memory, and prints the settings to reach it with. It is our reading of PortOne's guide, not PortOne.

  See what it really did:  curl ADDRESS/_sim/truth   or   /_sim/stats
  Refund in the portal:    curl ADDRESS/_sim/portal -d '{"order_ref": "…", "amount": 12.34, "reason": "…"}'
  Add orders:              curl ADDRESS/_sim/orders --data-binary @orders.csv`
}

func (c *simulateCmd) Run(ctx context.Context, a *app) error {
	text := c.Faults
	if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(name) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		text = string(b)
	}
	script, err := portonetest.Parse(text)
	if err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	sim := portonetest.New(portonetest.Config{
		Environment: portone.Environment(a.Environment), Seed: c.Seed, Script: script,
		IgnoreExpiry: c.Anytoken, DropBodies: true, Log: a.log,
	})
	defer sim.Close() //nolint:errcheck // nothing is kept
	if c.Orders != "" {
		f, err := os.Open(c.Orders)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // read only
		orders, err := portonetest.LoadOrders(f)
		if err == nil {
			err = sim.AddOrders(orders...)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.Orders, err)
		}
	}
	if err := sim.Start(c.Listen); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "A simulated PortOne (%s) until Ctrl-C. To reach it, in another terminal:\n\n  export PORTONE_BASE_URL=%s PORTONE_CLIENT_KEY=%s PORTONE_SECRET_KEY=%s\n\n",
		a.Environment, sim.URL(), sim.ClientKey(), string(sim.SecretKey()))
	<-ctx.Done()
	for _, s := range sim.Stats() {
		fmt.Fprintln(a.out, s)
	}
	return nil
}
