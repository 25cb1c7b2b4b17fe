package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"

	"go.uber.org/goleak"
)

// TestMain runs this binary as the process that a test kills, if it is asked to.
func TestMain(m *testing.M) {
	switch os.Getenv("LEDGER_TEST_VICTIM") {
	case "issue":
		victim(os.Getenv("LEDGER_TEST_URL"))
	case "postgres":
		m.Run() // only -test.run=TestHoldPostgres
	default:
		goleak.VerifyTestMain(m)
	}
}

const victims = 400 // orders

// victim begins and settles one row after the other, and says on its standard output
// what is durable, until it is killed.
func victim(url string) {
	check := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	db, err := ledger.Open(ctx, url, ledger.Options{})
	check(err)
	for n := range victims {
		i := victimRow(n).Instruction
		s, err := db.OrderState(ctx, i.OrderRef, "")
		check(err)
		a := bulk.Attempt{ID: i.Marker + "-1", N: 1, Marker: i.Marker, OrderRef: i.OrderRef, Amount: i.Amount, Body: []byte("{}"),
			TokenExpires: time.Now(), Baseline: portone.RefundList{Remaining: i.Amount}, StartedAt: time.Now(), State: bulk.AttemptSending}
		check(db.Begin(ctx, a, s.Version))
		fmt.Println("began", i.Marker)
		check(db.Settle(ctx, bulk.Settlement{OrderRef: i.OrderRef, Marker: i.Marker, At: time.Now(), AttemptID: a.ID,
			From: bulk.AttemptSending, To: bulk.AttemptMade, State: bulk.Issued,
			Refund: &portone.Refund{RefundID: "r", Amount: i.Amount, Status: "SUCCESS"}, Identity: "r"}))
		fmt.Println("settled", i.Marker)
	}
	fmt.Println("end")
}

func victimRow(n int) bulk.Row {
	i := bulk.Instruction{OrderRef: fmt.Sprint("O", n), Amount: portone.Money{Minor: 10, Currency: "VND"}, Type: portone.Partial}
	i.Identify(portone.Sandbox, "k")
	return bulk.Row{Instruction: i, N: n + 1, Line: n + 2}
}

// TestKilled kills a process while it issues, at another moment in each round. What it
// said is durable is there, and every transaction is there whole or not at all.
func TestKilled(t *testing.T) {
	for _, e := range ledgertest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			for round, after := range []int{1, 2, 37, 200} {
				killed(t, e.Fresh(t), after, time.Duration(round)*300*time.Microsecond)
			}
		})
	}
}

func killed(t *testing.T, url string, after int, delay time.Duration) {
	db := ledgertest.Open(t, url)
	b := bulk.Batch{ID: strings.Repeat("0", 64), ReceivedAt: time.Now()}
	var orders []bulk.Order
	for n := range victims {
		b.Rows = append(b.Rows, victimRow(n))
		orders = append(orders, bulk.Order{OrderRef: b.Rows[n].OrderRef, Amount: b.Rows[n].Amount})
	}
	if _, err := db.Accept(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := db.ImportOrders(t.Context(), orders, time.Now()); err != nil {
		t.Fatal(err)
	}

	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "LEDGER_TEST_VICTIM=issue", "LEDGER_TEST_URL="+url)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{} // the last word on each marker
	for lines, n := bufio.NewScanner(out), 0; lines.Scan(); n++ {
		word, marker, _ := strings.Cut(lines.Text(), " ")
		if word == "error" || word == "end" {
			t.Fatalf("the victim says %q before it is killed", lines.Text())
		}
		said[marker] = word
		if n == after {
			time.Sleep(delay)
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Wait() // killed

	raw := ledgertest.Raw(t, url)
	for marker, word := range said {
		query := `SELECT count(*) FROM attempts WHERE marker = ?`
		if word == "settled" {
			query = `SELECT count(*) FROM attempts a JOIN refunds r ON r.marker = a.marker WHERE a.marker = ? AND a.state = 'made'`
		}
		if n := ledgertest.Count(t, raw, query, marker); n != 1 {
			t.Errorf("%s said %s, and it is lost", marker, word)
		}
	}
	for what, query := range map[string]string{
		"attempts that differ from their instruction": `SELECT count(*) FROM instructions i LEFT JOIN attempts a ON a.marker = i.marker
			WHERE NOT (i.state = 'planned' AND a.id IS NULL OR i.state = 'sending' AND a.state = 'sending' OR i.state = 'issued' AND a.state = 'made')`,
		"versions that differ from what happened": `SELECT count(*) FROM orders o WHERE version <> 1
			+ (SELECT count(*) FROM attempts a WHERE a.order_ref = o.order_ref) + (SELECT count(*) FROM refunds r WHERE r.order_ref = o.order_ref)`,
		"events that differ from what happened": `SELECT count(*) FROM orders o WHERE (SELECT count(*) FROM events e WHERE e.order_ref = o.order_ref) <> version - 1`,
	} {
		if n := ledgertest.Count(t, raw, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	if n := ledgertest.Count(t, raw, `SELECT count(*) FROM attempts`); n == 0 || n == victims {
		t.Errorf("%d attempts: it was not killed in the middle", n)
	}
}

// TestHoldPostgres is the victim of TestNoPostgresLeft. In a run of its own it does
// what every test does that asks for PostgreSQL.
func TestHoldPostgres(t *testing.T) {
	url := ledgertest.Migrated(t)
	if os.Getenv("LEDGER_TEST_VICTIM") != "postgres" {
		ledgertest.Open(t, url)
		return
	}
	var pid int
	var folder string
	raw := ledgertest.Raw(t, url)
	if err := raw.QueryRow(`SELECT (string_to_array(pg_read_file('postmaster.pid'), E'\n'))[1]::int, current_setting('data_directory')`).Scan(&pid, &folder); err != nil {
		t.Fatal(err)
	}
	fmt.Println("pid", pid, filepath.Dir(folder))
	time.Sleep(time.Minute)
	t.Error("it was not killed")
}

// TestNoPostgresLeft kills a test run with kill -9 and wants its server and its files gone.
func TestNoPostgresLeft(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^TestHoldPostgres$")
	c.Env = append(os.Environ(), "LEDGER_TEST_VICTIM=postgres")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 || fields[0] != "pid" {
		t.Fatalf("the victim says %q: %v", line, err)
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil || syscall.Kill(pid, 0) != nil {
		t.Fatalf("no server runs as %s: %v", fields[1], err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait() // killed
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(fields[2])
		if syscall.Kill(pid, 0) == syscall.ESRCH && os.IsNotExist(err) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("server %d or folder %s is left behind", pid, fields[2])
		}
	}
}
