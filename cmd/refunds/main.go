// Refunds issues refunds from finance's CSV files to PortOne, at most once each, and
// reconciles PortOne's refund lists with a ledger database. Run "refunds --help".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // business days in their zone, also on a machine without zone files

	"github.com/alecthomas/kong"
)

// Exit codes; a contract with whoever calls the program.
const (
	exitClean      = 0 // every row issued, pending or skipped; no discrepancy; a file accepted
	exitFindings   = 1 // finished, with something to look at
	exitTrouble    = 2 // usage, unreadable or refused file, no ledger, no PortOne, wrong key
	exitIncomplete = 3 // stopped early, or orders unchecked
)

// exit ends a command with a code other than trouble. Its message is printed unless it is empty.
type exit struct {
	code    int
	message string
}

func (e exit) Error() string { return e.message }

type commands struct {
	settings

	Check     checkCmd     `cmd:"" help:"Read a file of refund instructions and say what is wrong with it. Writes nothing, sends nothing."`
	Issue     issueCmd     `cmd:"" help:"Issue a file's refunds, at most once each. The same file again goes on where it stopped."`
	Status    statusCmd    `cmd:"" help:"Show the batches, or the rows of one."`
	Resolve   resolveCmd   `cmd:"" help:"Settle unknown and pending outcomes by reading PortOne's lists, or decide a quarantined row. Sends no refund."`
	Explain   explainCmd   `cmd:"" help:"Tell the whole story of one order from the ledger, on one screen. Needs no keys."`
	Reconcile reconcileCmd `cmd:"" help:"Compare PortOne's refund lists with the ledger, and write a report. Sends no refund."`
	Verify    verifyCmd    `cmd:"" help:"Check that a report folder is whole and unchanged. Needs no network and no ledger."`
	Orders    struct {
		Import ordersImportCmd `cmd:"" help:"Book the orders of a CSV file; again is harmless."`
	} `cmd:"" help:"The orders that refunds are made of."`
	Ledger struct {
		Import ledgerImportCmd `cmd:"" help:"Book refunds made elsewhere from a CSV file; again is harmless."`
	} `cmd:"" help:"The booked refunds."`
	Probe    probeCmd    `cmd:"" help:"In the sandbox, find out what PortOne does not document, by one small refund."`
	Migrate  migrateCmd  `cmd:"" help:"Create or upgrade the ledger's tables (PostgreSQL; SQLite does it by itself)."`
	Serve    serveCmd    `cmd:"" help:"Stay and do the nightly reconciliation, and settle unknown outcomes through the day."`
	Demo     demoCmd     `cmd:"" help:"Show the whole flow on made-up data in a minute. Needs nothing, touches nothing of yours."`
	Simulate simulateCmd `cmd:"" help:"Be a PortOne to try the program with: orders, refund lists, faults."`
}

const description = `Issues refunds from CSV files to PortOne, at most once each, and reconciles PortOne's refund lists with a ledger database.

  A first look:       refunds demo
  A file to issue:    refunds check refunds.csv
                      refunds issue refunds.csv
  What became of it:  refunds.results.csv beside the file, or refunds status
  Of one order:       refunds explain ORDER_REF
  Quarantined rows:   refunds resolve --list
  Every night:        refunds serve, or refunds reconcile from cron

Exit codes: 0 clean, 1 finished with something to look at, 2 trouble (nothing more could be done), 3 incomplete (run it again).`

// Main is the whole program but for the process: it returns the exit code.
func Main(args []string, in io.Reader, out, errs io.Writer, env func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once, which loses nothing either

	quietEnvironment(args)
	var c commands
	code := -1
	parser, err := kong.New(&c,
		kong.Name("refunds"), kong.Description(description), kong.Writers(out, errs), kong.UsageOnError(),
		kong.Exit(func(n int) { code = n }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, Summary: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "portone", Title: "PortOne:", Description: "PORTONE_CLIENT_KEY and PORTONE_SECRET_KEY (or …_FILE, a file that holds it) come by environment alone."},
			{Key: "refunds", Title: "This program:"},
		}),
	)
	if err != nil {
		fmt.Fprintln(errs, "refunds:", err)
		return exitTrouble
	}
	k, err := parser.Parse(args)
	if code == 0 { // --help was asked for and given
		return exitClean
	}
	if err != nil {
		fmt.Fprintf(errs, "refunds: %v\nRun \"refunds --help\", or \"refunds COMMAND --help\".\n", err)
		return exitTrouble
	}
	c.env = env
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	a := &app{settings: c.settings, in: in, out: out, errs: errs, log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: level}))}
	k.BindTo(ctx, (*context.Context)(nil))
	err = k.Run(a)
	var e exit
	switch {
	case err == nil:
		return exitClean
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(errs, "refunds: stopped by you: %v. The same command goes on\n", err)
		return exitIncomplete
	case errors.As(err, &e):
		if e.message != "" {
			fmt.Fprintln(errs, "refunds:", e.message)
		}
		return e.code
	default:
		fmt.Fprintln(errs, "refunds:", err)
		return exitTrouble
	}
}

// quietEnvironment takes settings that are set to nothing for not set, and keeps a command that
// uses no settings from stumbling over any.
func quietEnvironment(args []string) {
	alone := len(args) > 0 && (args[0] == "demo" || args[0] == "verify")
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		ours := strings.HasPrefix(name, "PORTONE_") || strings.HasPrefix(name, "REFUNDS_") || name == "DATABASE_URL"
		if ours && (value == "" || alone && name != "REFUNDS_HOME") {
			_ = os.Unsetenv(name) // it exists, and its name is a name
		}
	}
}

func main() {
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
