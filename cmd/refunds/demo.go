package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile"
	"refunds/testdata"
)

type demoCmd struct{}

func (c *demoCmd) Help() string {
	return `It starts a simulated PortOne that loses answers, imports 300 orders, issues a file of 371 refunds over HTTP, then refunds and takes back a few behind the ledger's back, reconciles, and shows where the report is. Everything is in the folder demo of REFUNDS_HOME; your ledger, keys and PortOne are not touched.`
}

// demoFaults are a bad hour at PortOne.
const demoFaults = `post 4% 429, post 3% 500-after, post 1% 500-before, post 2% timeout-after, post 1% cut,
	lag 5% 200ms, empty-ids 20%, get 2% 503`

// demoMark tells a folder that the demo made from one that somebody else called demo.
const demoMark = ".made-by-refunds-demo"

func (c *demoCmd) Run(ctx context.Context, a *app) error {
	home, err := demoHome(a.Home)
	if err != nil {
		return err
	}
	sim := portonetest.New(portonetest.Config{Seed: 2, Script: portonetest.MustParse(strings.ReplaceAll(demoFaults, "\n", " "))})
	defer sim.Close() //nolint:errcheck // it keeps nothing
	orders, err := portonetest.LoadOrders(strings.NewReader(string(testdata.DemoOrders)))
	if err != nil {
		return err
	}
	if err := errors.Join(sim.AddOrders(orders...), sim.Start("")); err != nil {
		return err
	}
	d := &demo{app: a.forDemo(home, sim), sim: sim, orders: orders, home: home}
	fmt.Fprintf(a.out, "A simulated PortOne (sandbox) runs at %s. It knows 300 orders, and about one answer in nine is lost, late or an error.\n", sim.URL())
	for _, step := range []func(context.Context) error{d.importOrders, d.issue, d.firstNight, d.behindTheLedger, d.secondNight} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// demoHome makes the demo's folder anew.
func demoHome(home string) (string, error) {
	dir := filepath.Join(home, "demo")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil && len(entries) > 0 {
		return "", fmt.Errorf("the folder %s was not made by the demo; move it away, or set REFUNDS_HOME to another folder", dir)
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return "", err
	}
	return dir, errors.Join(os.WriteFile(filepath.Join(dir, demoMark), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "orders.csv"), testdata.DemoOrders, 0o600),
		os.WriteFile(filepath.Join(dir, "refunds.csv"), testdata.DemoRefunds, 0o600))
}

// forDemo is the same program with settings of the demo's own, whatever the environment says.
func (a *app) forDemo(home string, sim *portonetest.Server) *app {
	b := *a
	b.settings = settings{
		BaseURL: sim.URL(), Environment: string(portone.Sandbox), Rate: 100, Burst: 10, Concurrency: 16,
		Timeout: time.Second, TokenTTL: 2 * time.Second,
		ClockError: 200 * time.Millisecond, MaxProcessing: 300 * time.Millisecond, ListLag: 500 * time.Millisecond,
		OnAbsent: string(bulk.Quarantine), Breaker: "10,50%", Home: home, Timezone: "UTC", Schedule: "0 2 * * *",
		env: func(name string) string {
			return map[string]string{"PORTONE_CLIENT_KEY": sim.ClientKey(), "PORTONE_SECRET_KEY": string(sim.SecretKey())}[name]
		},
	}
	return &b
}

// demo is one showing: the commands of the program, one after the other.
type demo struct {
	*app
	sim    *portonetest.Server
	orders []portonetest.Order
	home   string

	unknown int // rows that nobody knows of, as the results file has them
}

func (d *demo) file(name string) string { return filepath.Join(d.home, name) }

// say tells what comes next, as the person would type it.
func (d *demo) say(what, command string) {
	fmt.Fprintf(d.out, "\n%s\n$ %s\n", what, command)
}

func (d *demo) importOrders(ctx context.Context) error {
	d.say("The merchant's orders go into the ledger.", "refunds orders import orders.csv")
	return (&ordersImportCmd{importArgs{File: d.file("orders.csv"), MaxRows: 1000, MaxSize: 1 << 20}}).Run(ctx, d.app)
}

func (d *demo) issue(ctx context.Context) error {
	d.say("Finance's file is issued. Lost answers are looked up in PortOne's lists, never sent again.", "refunds issue refunds.csv")
	cmd := issueCmd{fileArgs: fileArgs{File: d.file("refunds.csv"), Accept: string(bulk.AllOrNothing)}}
	if err := expect(cmd.Run(ctx, d.app), exitFindings); err != nil {
		return err
	}
	return d.compare()
}

// compare holds the results file against what the simulator really did.
func (d *demo) compare() error {
	made := map[string]int{}
	for _, r := range d.sim.Truth().Refunds {
		made[r.Marker]++
	}
	lines, err := readCSV(d.file("refunds.results.csv"))
	if err != nil {
		return err
	}
	amounts := 0
	for _, l := range lines {
		i := bulk.Instruction{ID: l["instruction_id"]}
		i.Identify(portone.Sandbox, d.sim.ClientKey())
		n := made[i.Marker]
		amounts += n
		switch status := bulk.State(l["status"]); {
		case n > 1:
			return fmt.Errorf("the demo went wrong: %s was refunded %d times", i.ID, n)
		case status == bulk.Issued && n == 0, status != bulk.Issued && status != bulk.Quarantined && n > 0:
			return fmt.Errorf("the demo went wrong: %s is called %s, but PortOne made %d refunds of it", i.ID, status, n)
		case status == bulk.Quarantined:
			d.unknown++
		}
	}
	fmt.Fprintf(d.out, "Held against what the simulator really did: %d POSTs came, %d refunds were made, no instruction twice, and every row is called what it is.\n", d.sim.Posts(""), amounts)
	return nil
}

func (d *demo) firstNight(ctx context.Context) error {
	d.say("The first night: PortOne's lists are compared with the ledger.", "refunds reconcile --all")
	return d.night(ctx, map[reconcile.Kind]int{reconcile.StillUnknown: d.unknown})
}

// What is done behind the ledger's back.
const portalRefunds, takenBack = 3, 2

// behindTheLedger does what only a reconciliation finds.
func (d *demo) behindTheLedger(ctx context.Context) error {
	fmt.Fprintln(d.out, "\nBehind the ledger's back: three refunds are made in the portal, and PortOne takes two successful ones back.")
	portal, taken := 0, 0
	for _, o := range d.orders {
		list := d.sim.List(o.OrderRef)
		if len(list) != 1 || list[0].Status != "SUCCESS" {
			continue
		}
		tenth := portone.Money{Minor: o.Amount.Minor / 10, Currency: o.Amount.Currency}
		switch {
		case portal < portalRefunds && o.Amount.Sub(list[0].Amount).Minor > tenth.Minor:
			if _, err := d.sim.PortalRefund(o.OrderRef, tenth, "made in the portal"); err != nil {
				return err
			}
			portal++
		case taken < takenBack:
			if err := d.sim.SetStatus(o.OrderRef, list[0].Seq, "FAILED"); err != nil {
				return err
			}
			taken++
		}
	}
	select { // younger differences may be under way
	case <-time.After(d.MaxProcessing + d.ListLag):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (d *demo) secondNight(ctx context.Context) error {
	d.say("The second night.", "refunds reconcile --all")
	return d.night(ctx, map[reconcile.Kind]int{
		reconcile.StillUnknown: d.unknown, reconcile.MissingInLedger: portalRefunds, reconcile.Reversed: takenBack,
	})
}

// night reconciles, and holds the report against what is known to differ.
func (d *demo) night(ctx context.Context, want map[reconcile.Kind]int) error {
	code := exitClean
	for _, n := range want {
		if n > 0 {
			code = exitFindings
		}
	}
	if err := expect((&reconcileCmd{All: true}).Run(ctx, d.app), code); err != nil {
		return err
	}
	dirs, err := filepath.Glob(filepath.Join(d.home, "reports", "*", "discrepancies.csv"))
	if err != nil || len(dirs) == 0 {
		return fmt.Errorf("the demo went wrong: no report was written: %w", err)
	}
	lines, err := readCSV(dirs[len(dirs)-1])
	if err != nil {
		return err
	}
	got := map[reconcile.Kind]int{}
	for _, l := range lines {
		if l["state"] == string(reconcile.Open) {
			got[reconcile.Kind(l["kind"])]++
		}
	}
	for _, k := range reconcile.Kinds() {
		if got[k] != want[k] {
			return fmt.Errorf("the demo went wrong: the report has %d of %s, not %d", got[k], k, want[k])
		}
		if got[k] > 0 {
			fmt.Fprintf(d.out, "  %-20s %3d\n", k, got[k])
		}
	}
	return nil
}

// expect turns a command's expected end into success.
func expect(err error, code int) error {
	var e exit
	switch {
	case errors.As(err, &e) && e.code == code, err == nil && code == exitClean:
		return nil
	case err == nil:
		return fmt.Errorf("the demo went wrong: exit code 0 where %d was to come", code)
	}
	return fmt.Errorf("the demo went wrong: %w", err)
}

// readCSV reads a file of ours, each line by its column names.
func readCSV(name string) ([]map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	lines := make([]map[string]string, len(all)-1)
	for i, l := range all[1:] {
		lines[i] = map[string]string{}
		for j, name := range all[0] {
			lines[i][name] = l[j]
		}
	}
	return lines, nil
}
