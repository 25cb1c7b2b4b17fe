package main

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

// The stories under testdata/script are told with the real program against a simulator of
// their own, which knows the orders of the file orders.csv where the story has one. With a file
// called live its environment is live, with one called anytoken it takes expired tokens.
// Besides testscript's own, they have these commands:
//
//	code N refunds …      run it; it must exit with N
//	posts N               so many refund POSTs have come
//	made N                so many refunds were made
//	faults SCRIPT         what goes wrong from now on
//	portal ORDER AMOUNT   a refund behind the ledger's back, in minor units
//	status ORDER WORD     the status of the order's last refund becomes WORD
//	newer FILE            the SQLite ledger gets a schema version from the future
//	postgres NAME         put the URL of a fresh PostgreSQL database into the variable
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error { return setupStory(t, env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if strconv.Itoa(got) != args[0] {
					ts.Fatalf("exit code %d, want %s", got, args[0])
				}
			},
			"posts": func(ts *testscript.TestScript, neg bool, args []string) { count(ts, simOf(ts).Posts(""), args) },
			"made":  func(ts *testscript.TestScript, neg bool, args []string) { count(ts, len(simOf(ts).Made("")), args) },
			"faults": func(ts *testscript.TestScript, neg bool, args []string) {
				simOf(ts).SetScript(portonetest.MustParse(args[0]))
			},
			"portal": func(ts *testscript.TestScript, neg bool, args []string) {
				list := simOf(ts).List(args[0])
				currency := portone.Currency("VND")
				if len(list) > 0 {
					currency = list[0].Amount.Currency
				}
				n, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(err)
				_, err = simOf(ts).PortalRefund(args[0], portone.Money{Minor: n, Currency: currency}, "by hand")
				ts.Check(err)
			},
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				list := simOf(ts).List(args[0])
				ts.Check(simOf(ts).SetStatus(args[0], list[len(list)-1].Seq, args[1]))
			},
			"newer": func(ts *testscript.TestScript, neg bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
				ts.Check(err)
				defer db.Close()
				_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
				ts.Check(err)
			},
			"postgres": func(ts *testscript.TestScript, neg bool, args []string) { ts.Setenv(args[0], ledgertest.Postgres(t)) },
		},
	})
}

type simKey struct{}

func simOf(ts *testscript.TestScript) *portonetest.Server {
	return ts.Value(simKey{}).(*portonetest.Server)
}

func count(ts *testscript.TestScript, got int, args []string) {
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%d, want %s", got, args[0])
	}
}

func setupStory(t *testing.T, env *testscript.Env) error {
	cfg := portonetest.Config{}
	if _, err := os.Stat(filepath.Join(env.WorkDir, "live")); err == nil {
		cfg.Environment = portone.Live
	}
	if _, err := os.Stat(filepath.Join(env.WorkDir, "anytoken")); err == nil {
		cfg.IgnoreExpiry = true
	}
	sim := portonetest.New(cfg)
	env.Defer(func() { _ = sim.Close() })
	env.Values[simKey{}] = sim
	if f, err := os.Open(filepath.Join(env.WorkDir, "orders.csv")); err == nil {
		defer f.Close()
		orders, err := portonetest.LoadOrders(f)
		if err == nil {
			err = sim.AddOrders(orders...)
		}
		if err != nil {
			return err
		}
	}
	if err := sim.Start(""); err != nil {
		return err
	}
	env.Vars = append(env.Vars, "PORTONE_BASE_URL="+sim.URL(), "PORTONE_CLIENT_KEY="+sim.ClientKey(), "PORTONE_SECRET_KEY="+string(sim.SecretKey()),
		"PORTONE_RATE=1000", "PORTONE_BURST=20", "PORTONE_TIMEOUT=1s", "PORTONE_TOKEN_TTL=2s", "PORTONE_CLOCK_ERROR=100ms",
		"PORTONE_MAX_PROCESSING=100ms", "PORTONE_LIST_LAG=200ms", "REFUNDS_HOME="+filepath.Join(env.WorkDir, "home"),
		"NO_COLOR=1", "WORKURL="+strings.TrimPrefix(sim.URL(), "http://"))
	return nil
}
