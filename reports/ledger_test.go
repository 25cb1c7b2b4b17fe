package reports_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
	"refunds/reports"
)

// lists is PortOne with a list for each of some orders.
type lists map[string]portone.RefundList

func (l lists) Refunds(_ context.Context, orderRef string, _ portone.Currency) (portone.RefundList, error) {
	if list, ok := l[orderRef]; ok {
		return list, nil
	}
	return portone.RefundList{}, portone.ErrUnavailable
}

func (lists) Apply(context.Context, string, portone.RefundList, time.Time) error { return nil }

// Two runs over the same state give the same files but for the run's id and its times.
func TestTwoRunsSameFiles(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		p := lists{}
		at := time.Now().Add(-30 * time.Hour).Truncate(time.Microsecond)
		var imported []reconcile.Booked
		for n := range 700 {
			ref := fmt.Sprintf("O%04d", n)
			amount := portone.Money{Minor: int64(1000 + n), Currency: []portone.Currency{"THB", "VND"}[n%2]}
			if err := db.PutOrder(t.Context(), bulk.Order{OrderRef: ref, Amount: portone.Money{Minor: 100000, Currency: amount.Currency}, Channel: "C"}); err != nil {
				t.Fatal(err)
			}
			refund := portone.Refund{PSPRefundID: "P" + ref, Amount: amount, Status: "SUCCESS", Date: at}
			if n%10 == 0 {
				refund.PSPRefundID = ""
			}
			if n%20 != 7 {
				imported = append(imported, reconcile.Booked{OrderRef: ref, PSPRefundID: refund.PSPRefundID, Amount: amount, Status: reconcile.Success, RefundedAt: at})
			}
			if n%50 == 3 {
				refund.Status = "FAILED"
			}
			if n != 699 {
				p[ref] = portone.RefundList{Remaining: portone.Money{Minor: 100000 - amount.Minor, Currency: amount.Currency}, Refunds: []portone.Refund{refund}}
			}
		}
		if _, _, err := db.ImportRefunds(t.Context(), imported, time.Now()); err != nil {
			t.Fatal(err)
		}
		r := &reconcile.Reconciler{Ledger: db, PortOne: p, Settler: p, Environment: portone.Sandbox, Concurrency: 7, Log: slog.New(slog.DiscardHandler)}
		report := func() map[string]string {
			run, err := r.Run(t.Context(), reconcile.AllWindow(time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			if run.Roll.Closing != 35+14 || run.Unchecked != 1 {
				t.Fatalf("run %+v", run)
			}
			dir, err := reports.Write(t.Context(), db, run.ID, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if problems, err := reports.Verify(dir); err != nil || len(problems) > 0 {
				t.Fatal(problems, err)
			}
			return masked(t, dir, run.ID)
		}
		report() // the first finds all of it for the first time
		if diff := cmp.Diff(report(), report()); diff != "" {
			t.Error(diff)
		}
	})
}

// masked reads a report's files, with the run's id, its times, and the sums over them left out.
func masked(t *testing.T, dir, id string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"discrepancies.csv", "orders.csv", "summary.json", "report.html"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s := regexp.MustCompile(regexp.QuoteMeta(id)).ReplaceAllString(string(b), "RUN")
		s = regexp.MustCompile(`"(started|finished)_at": "[^"]*"|<dt>When</dt><dd>[^<]*`).ReplaceAllString(s, "TIME")
		files[name] = s
	}
	return files
}
