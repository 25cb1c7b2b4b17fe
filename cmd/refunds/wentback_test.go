package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

// A ledger that went back in time: a copy of the SQLite file that was taken before the last 50
// attempts is put back; or a superuser takes those 50 out of PostgreSQL, triggers and all. Half of
// the 50 went to a channel that gives the marker back. All were made, and none is made again.
func TestLedgerWentBack(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { testWentBack(t, engine) })
	}
}

func testWentBack(t *testing.T, engine string) {
	sim := portonetest.New(portonetest.Config{Script: portonetest.MustParse("no-echo OMISE")})
	defer sim.Close()
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	env := []string{
		childEnv + "=1", "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(), "PORTONE_SECRET_KEY=" + string(sim.SecretKey()),
		"PORTONE_RATE=5000", "PORTONE_BURST=50", "PORTONE_CONCURRENCY=8", "PORTONE_TIMEOUT=1s", "PORTONE_TOKEN_TTL=4s",
		"PORTONE_CLOCK_ERROR=100ms", "PORTONE_MAX_PROCESSING=100ms", "PORTONE_LIST_LAG=100ms", "REFUNDS_HOME=" + home, "PATH=" + os.Getenv("PATH"),
	}
	url := ""
	if engine == "postgres" {
		url = ledgertest.Migrated(t)
		env = append(env, "DATABASE_URL="+url)
	}
	before, last, next := wentBackFile(t, sim, dir, "before", 10), wentBackFile(t, sim, dir, "last", 50), wentBackFile(t, sim, dir, "next", 10)
	issue := func(file string, code int) string {
		t.Helper()
		out, got := run(t, env, "issue", file)
		if got != code {
			t.Fatalf("issue %s: exit %d, want %d\n%s", filepath.Base(file), got, code, out)
		}
		return out
	}
	issue(before, exitClean)
	file, copied := filepath.Join(home, "ledger.db"), filepath.Join(dir, "copy.db")
	if engine == "sqlite" {
		copyFile(t, file, copied)
	}
	issue(last, exitClean)
	if n := sim.Posts(""); n != 60 {
		t.Fatalf("%d POSTs", n)
	}
	if engine == "sqlite" {
		copyFile(t, copied, file)
	} else {
		takeOut(t, url)
	}

	// Another file first: every open order is read again before anything is sent.
	came := len(sim.Truth().Requests)
	told := issue(next, exitClean)
	for _, want := range []string{"WENT BACK IN TIME", "50 attempts on 50 orders", "refunds resolve --list", "Restore a newer ledger"} {
		if !strings.Contains(told, want) {
			t.Errorf("the person is not told %q:\n%s", want, told)
		}
	}
	readFirst(t, sim.Truth().Requests[came:])
	if n := sim.Posts(""); n != 70 {
		t.Errorf("%d POSTs, want 10 more", n)
	}

	// Then the file that was lost. Where the marker comes back each is taken over; else nobody knows.
	told = issue(last, exitFindings)
	for _, want := range []string{"50 attempts on 50 orders", "issued           25", "quarantined      25"} {
		if !strings.Contains(told, want) {
			t.Errorf("the person is not told %q:\n%s", want, told)
		}
	}
	if told = issue(last, exitFindings); !strings.Contains(told, "25 attempts on 25 orders") {
		t.Errorf("the rest is not told:\n%s", told)
	}

	// A person says what each is. From then on nothing is said any more, and the books agree.
	list, code := run(t, env, "resolve", "--list")
	todo := regexp.MustCompile(`refunds resolve (\S+) --made (\S+) --by`).FindAllStringSubmatch(list, -1)
	if code != exitFindings || len(todo) != 25 {
		t.Fatalf("resolve --list: exit %d, %d to do\n%s", code, len(todo), list)
	}
	for _, m := range todo {
		if out, code := run(t, env, "resolve", m[1], "--made", m[2], "--by", "Kim", "--note", "seen in the portal"); code != exitClean {
			t.Fatalf("resolve %s: exit %d\n%s", m[1], code, out)
		}
	}
	if told = issue(last, exitClean); strings.Contains(told, "WENT BACK") {
		t.Errorf("all is settled, and it is still told:\n%s", told)
	}
	if out, code := run(t, env, "reconcile", "--all"); code != exitClean {
		t.Errorf("reconcile: exit %d\n%s", code, out)
	}
	doubles := map[string]int{}
	for _, r := range sim.Truth().Refunds {
		doubles[r.Marker]++
	}
	for marker, n := range doubles {
		if n > 1 {
			t.Errorf("%s was made %d times", marker, n)
		}
	}
	if sim.Posts("") != 70 || len(doubles) != 70 {
		t.Errorf("%d POSTs, %d refunds; want 70 of each", sim.Posts(""), len(doubles))
	}
}

// readFirst wants that before the first POST the lists of all orders of last and next were read.
func readFirst(t *testing.T, requests []portonetest.Request) {
	t.Helper()
	read := map[string]bool{}
	for _, r := range requests {
		if r.Route == portonetest.RouteGet {
			read[r.OrderRef] = true
		}
		if r.Route == portonetest.RoutePost {
			break
		}
	}
	for _, name := range []string{"last", "next"} {
		for n := range map[string]int{"last": 50, "next": 10}[name] {
			if ref := fmt.Sprintf("%s%03d", name, n); !read[ref] {
				t.Errorf("something was sent before order %s was read again", ref)
			}
		}
	}
}

// wentBackFile writes a file of rows for an order each, half of them on a channel without echo.
func wentBackFile(t *testing.T, sim *portonetest.Server, dir, name string, rows int) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("instruction_id,order_ref,amount,currency,reason\n")
	for n := range rows {
		ref := fmt.Sprintf("%s%03d", name, n)
		if err := sim.AddOrders(portonetest.Order{OrderRef: ref, Amount: portone.Money{Minor: 1000, Currency: "VND"}, Channel: []string{"MOMOPAY", "OMISE"}[n%2]}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "RF-%s,%s,100,VND,Item returned\n", ref, ref)
	}
	file := filepath.Join(dir, name+".csv")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	for _, tail := range []string{"-wal", "-shm"} { // a closed ledger has none with anything in it
		if info, err := os.Stat(from + tail); err == nil && info.Size() > 0 {
			t.Fatalf("%s%s holds something", from, tail)
		}
		_ = os.Remove(to + tail)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// takeOut undoes the last 50 attempts, as a failover to a replica that lagged would.
func takeOut(t *testing.T, url string) {
	t.Helper()
	db, err := sqlx.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	x, err := db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer x.Rollback()
	for _, query := range []string{
		`SET LOCAL session_replication_role = replica`, // no triggers, no foreign keys
		`CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT id, marker, order_ref FROM attempts ORDER BY started_at DESC LIMIT 50`,
		`DELETE FROM refunds WHERE marker IN (SELECT marker FROM gone)`,
		`DELETE FROM events WHERE marker IN (SELECT marker FROM gone)`,
		`DELETE FROM attempts WHERE id IN (SELECT id FROM gone)`,
		`UPDATE instructions SET state = '` + string(bulk.Planned) + `', settled_at = NULL WHERE marker IN (SELECT marker FROM gone)`,
	} {
		if _, err := x.Exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if err := x.Commit(); err != nil {
		t.Fatal(err)
	}
}
