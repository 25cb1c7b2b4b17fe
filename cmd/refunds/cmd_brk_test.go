package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"refunds/portone"
	"refunds/portone/portonetest"
)

type brk struct {
	*testing.T
	sim *portonetest.Server
	dir string
	env []string
}

func newBrk(t *testing.T, script string, extra ...string) *brk {
	sim := portonetest.New(portonetest.Config{Script: portonetest.MustParse(script)})
	t.Cleanup(func() { sim.Close() })
	for _, r := range []string{"ORDERA", "ORDERB", "ORDERC"} {
		if err := sim.AddOrders(portonetest.Order{OrderRef: r, Amount: portone.Money{Minor: 100_000, Currency: "THB"}, Channel: "OMISE"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := append([]string{childEnv + "=1", "PATH=" + os.Getenv("PATH"), "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(),
		"PORTONE_SECRET_KEY=" + string(sim.SecretKey()), "PORTONE_RATE=5000", "PORTONE_BURST=100", "REFUNDS_HOME=" + filepath.Join(dir, "home"), "PORTONE_TIMEOUT=1s", "PORTONE_TOKEN_TTL=2s", "PORTONE_CLOCK_ERROR=100ms",
		"PORTONE_MAX_PROCESSING=100ms", "PORTONE_LIST_LAG=200ms"}, extra...)
	return &brk{t, sim, dir, env}
}

func (b *brk) file(name, text string) string {
	p := filepath.Join(b.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return p
}

func (b *brk) do(args ...string) string {
	out, code := run(b.T, b.env, args...)
	b.Logf("$ refunds %s\n%s→ exit %d", strings.Join(args, " "), out, code)
	return out
}

func (b *brk) cat(name string) {
	x, _ := os.ReadFile(filepath.Join(b.dir, name))
	b.Logf("%s:\n%s", name, x)
}

func (b *brk) disc() {
	fs, _ := filepath.Glob(filepath.Join(b.dir, "home", "reports", "2*", "discrepancies.csv"))
	if len(fs) > 0 {
		x, _ := os.ReadFile(fs[len(fs)-1])
		b.Logf("discrepancies:\n%s", x)
	}
}

const brkHead = "order_ref,amount,currency,reason,instruction_id\n"

func TestBrkTwoPending(t *testing.T) {
	b := newBrk(t, "no-echo OMISE, empty-ids, empty-psp-ids, in-queue")
	f := b.file("in.csv", brkHead+"ORDERA,100.00,THB,one,I1\nORDERA,100.00,THB,two,I2\n")
	b.do("issue", f)
	b.sim.SetStatus("ORDERA", 1, "FAILED")
	time.Sleep(500 * time.Millisecond)
	b.do("resolve") // "failed 2"
	b.do("issue", f)
	b.cat("in.results.csv")
	for _, r := range b.sim.Truth().Refunds {
		b.Logf("truth: %d %s %s", r.Seq, r.Amount, r.Status)
	}
}

func TestBrkIdsLater(t *testing.T) {
	b := newBrk(t, "no-echo OMISE, empty-ids, empty-psp-ids, in-queue")
	b.do("issue", b.file("in.csv", brkHead+"ORDERA,100.00,THB,one,I1\n"))
	b.sim.SetStatus("ORDERA", 1, "FAILED")
	b.sim.EditList("ORDERA", func(l []portonetest.Listed) []portonetest.Listed {
		l[0].RefundID, l[0].PSPRefundID = "R1", "P1"
		return l
	})
	time.Sleep(500 * time.Millisecond)
	b.do("resolve")
	b.do("reconcile", "--all") // clean
	b.do("issue", b.file("in2.csv", brkHead+"ORDERA,50.00,THB,other,I2\n"))
	b.cat("in2.results.csv") // list_behind
}

func TestBrkPendingBehindQuarantine(t *testing.T) {
	b := newBrk(t, "in-queue, post order=ORDERA nth=2 500-before")
	b.do("issue", b.file("in.csv", brkHead+"ORDERA,100.00,THB,one,I1\nORDERA,70.00,THB,two,I2\n"))
	b.sim.SetStatus("ORDERA", 1, "FAILED")
	time.Sleep(500 * time.Millisecond)
	b.do("resolve")
	b.do("reconcile", "--all")
	b.disc()
}

func TestBrkRecentLost(t *testing.T) {
	b := newBrk(t, "", "PORTONE_MAX_PROCESSING=2s", "PORTONE_LIST_LAG=1s")
	now := time.Now().UTC()
	y, today := now.AddDate(0, 0, -1).Format(time.DateOnly), now.Format(time.DateOnly)
	b.do("orders", "import", b.file("orders.csv", "order_ref,amount,currency,channel,paid_at\nORDERA,1000.00,THB,OMISE,"+y+"\n"))
	b.sim.PortalRefund("ORDERA", portone.Money{Minor: 5000, Currency: "THB"}, "by hand")
	b.do("reconcile", "--date", y)
	time.Sleep(3500 * time.Millisecond)
	b.do("reconcile", "--date", today) // 0 orders, clean
	b.do("reconcile", "--all")
}

func TestBrkImportTwice(t *testing.T) {
	b := newBrk(t, "")
	b.do("orders", "import", b.file("orders.csv", "order_ref,amount,currency,channel\nORDERA,1000.00,THB,OMISE\n"))
	b.sim.PortalRefund("ORDERA", portone.Money{Minor: 5000, Currency: "THB"}, "by hand")
	b.sim.EditList("ORDERA", func(l []portonetest.Listed) []portonetest.Listed {
		l[0].Date = l[0].Date.Add(-48 * time.Hour)
		return l
	})
	l := b.sim.List("ORDERA")[0]
	row := "order_ref,amount,currency,status,refunded_at,refund_id,psp_refund_id,reason\nORDERA,50.00,THB,success,%s,%s,%s,by hand\n"
	at := l.Date.Format(time.RFC3339)
	b.do("ledger", "import", b.file("i1.csv", fmt.Sprintf(row, at, "", "")))
	b.do("ledger", "import", b.file("i2.csv", fmt.Sprintf(row, at, l.RefundID, l.PSPRefundID)))
	b.do("reconcile", "--all")
}

func TestBrkReportLost(t *testing.T) {
	b := newBrk(t, "")
	y := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	b.do("orders", "import", b.file("orders.csv", "order_ref,amount,currency,channel,paid_at\nORDERA,1000.00,THB,OMISE,"+y+"\n"))
	b.file("home/reports", "in the way")
	serve := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "serve", "--listen", "127.0.0.1:0")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.Env = append(b.env, "REFUNDS_SCHEDULE=0 0 * * *")
		out, err := cmd.CombinedOutput()
		b.Logf("serve: %v\n%s", err, out)
	}
	serve()
	os.Remove(filepath.Join(b.dir, "home/reports"))
	serve()
	fs, _ := filepath.Glob(filepath.Join(b.dir, "home", "reports", "*"))
	b.Logf("reports: %v", fs)
}
