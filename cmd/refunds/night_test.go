package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

// 3,000 orders with one to three imported refunds, a quarter of them without ids, and in
// every 20th order one planted difference: those are found and nothing else, nothing
// is sent, and a second run over the same state writes the same files.
func TestPlantedDifferences(t *testing.T) {
	sim := portonetest.New(portonetest.Config{Script: portonetest.MustParse("shuffle")})
	defer sim.Close()
	dir := t.TempDir()
	want := plant(t, sim, dir)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env := func(home, url string) []string {
		return []string{
			childEnv + "=1", "PATH=" + os.Getenv("PATH"), "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(),
			"PORTONE_SECRET_KEY=" + string(sim.SecretKey()), "PORTONE_RATE=5000", "PORTONE_BURST=100", "REFUNDS_HOME=" + home, "DATABASE_URL=" + url,
		}
	}
	imports := func(env []string) {
		t.Helper()
		for _, args := range [][]string{{"orders", "import", filepath.Join(dir, "orders.csv")}, {"ledger", "import", filepath.Join(dir, "booked.csv")}} {
			if out, code := run(t, env, args...); code != exitClean {
				t.Fatalf("%v: exit %d\n%s", args, code, out)
			}
		}
	}
	night := func(env []string, home string) string {
		t.Helper()
		out, code := run(t, env, "reconcile", "--all")
		if code != exitFindings {
			t.Fatalf("reconcile: exit %d\n%s", code, out)
		}
		folders, err := filepath.Glob(filepath.Join(home, "reports", "2*"))
		if err != nil || len(folders) != 1 {
			t.Fatalf("reports %v, %v", folders, err)
		}
		lines, err := readCSV(filepath.Join(folders[0], "discrepancies.csv"))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, l := range lines {
			if got[l["order_ref"]] != "" {
				t.Errorf("a second discrepancy of order %s: %v", l["order_ref"], l)
			}
			got[l["order_ref"]] = l["kind"]
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("discrepancies (-planted +found):\n%s", d)
		}
		return folders[0]
	}

	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	imports(env(first, ""))
	if err := os.CopyFS(second, os.DirFS(first)); err != nil { // nothing has the ledger open
		t.Fatal(err)
	}
	a, b := folder(t, night(env(first, ""), first)), folder(t, night(env(second, ""), second))
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("two runs over the same state differ by more than their id and times:\n%s", d)
	}

	third, url := filepath.Join(dir, "third"), ledgertest.Postgres(t)
	if out, code := run(t, env(third, url), "migrate"); code != exitClean {
		t.Fatalf("migrate: exit %d\n%s", code, out)
	}
	imports(env(third, url))
	if d := cmp.Diff(a, folder(t, night(env(third, url), third))); d != "" {
		t.Errorf("SQLite and PostgreSQL differ by more than the run's id and times:\n%s", d)
	}
	if n := sim.Posts(""); n != 0 {
		t.Errorf("%d POSTs came", n)
	}
}

// plant fills the simulator, writes the files of orders and booked refunds, and gives the
// kind of difference by order.
func plant(t *testing.T, sim *portonetest.Server, dir string) map[string]string {
	t.Helper()
	kinds := []string{"missing_at_portone", "missing_in_ledger", "amount_differs", "currency_differs", "status_differs"}
	planted := map[string]string{}
	var orders, booked strings.Builder
	orders.WriteString("order_ref,amount,currency,channel\n")
	booked.WriteString("order_ref,amount,currency,status,refunded_at,refund_id,psp_refund_id,reason\n")
	long := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	for n := range 3000 {
		ref := fmt.Sprintf("27TcJzyjL1y0eNVLEUa8p%06d", n)
		fmt.Fprintf(&orders, "%s,1000.00,THB,OMISE\n", ref)
		err := sim.AddOrders(portonetest.Order{OrderRef: ref, Amount: portone.Money{Minor: 100_000, Currency: "THB"}, Channel: "OMISE"})
		for k := 0; k <= n%3 && err == nil; k++ {
			_, err = sim.PortalRefund(ref, portone.Money{Minor: int64(10_000 + 1000*k), Currency: "THB"}, fmt.Sprintf("return %d", k))
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := ""
		if n%20 == 7 {
			kind = kinds[n/20%len(kinds)]
			planted[ref] = kind
		}
		err = sim.EditList(ref, func(list []portonetest.Listed) []portonetest.Listed {
			for k := range list {
				list[k].Date = long.Add(time.Duration(k) * time.Minute)
				if n%4 == 0 || n%80 == 7 {
					list[k].RefundID, list[k].PSPRefundID = "", ""
				}
				if k > 0 || kind != "missing_in_ledger" {
					l := list[k]
					fmt.Fprintf(&booked, "%s,%s,THB,success,%s,%s,%s,%s\n", ref, l.Amount, l.Date.Format(time.RFC3339), l.RefundID, l.PSPRefundID, l.Reason)
				}
			}
			switch kind {
			case "missing_at_portone":
				list = list[1:]
			case "amount_differs":
				list[0].Amount.Minor += 500
			case "currency_differs":
				list[0].Amount.Currency = "USD"
			case "status_differs":
				list[0].Status = "FAILED"
			}
			return list
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"orders.csv": orders.String(), "booked.csv": booked.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return planted
}

// The run's own: its id, times, and what is computed from them.
var (
	runID = regexp.MustCompile(`\d{8}T\d{6}(\.\d+)?Z-[a-z0-9]+`)
	times = regexp.MustCompile(`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?|\b\d{2}:\d{2}:\d{2}\b`)
	sums  = regexp.MustCompile(`[0-9a-f]{64}`)
	sizes = regexp.MustCompile(`"size": \d+`)
)

// folder reads a report folder, without what is the run's own.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		text := runID.ReplaceAllString(string(b), "RUN")
		text = times.ReplaceAllString(text, "TIME")
		if name := d.Name(); name == "manifest.json" || name == "SHA256SUMS" {
			text = sizes.ReplaceAllString(sums.ReplaceAllString(text, "SUM"), "SIZE")
		}
		files[d.Name()] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
