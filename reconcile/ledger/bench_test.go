package ledger_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
)

// fresh is an engine's ledger as it is in use: PostgreSQL with fsync.
var fresh = map[string]func(testing.TB) string{
	"sqlite":   ledgertest.SQLite,
	"postgres": func(t testing.TB) string { return ledgertest.Migrated(t, ledgertest.Fsync) },
}

// given books n rows, each on an order of its own.
func given(b *testing.B, db *ledger.DB, n int) []bulk.Row {
	batch := bulk.Batch{ID: strings.Repeat("0", 64), ReceivedAt: time.Now()}
	var orders []bulk.Order
	for i := range n {
		batch.Rows = append(batch.Rows, victimRow(i))
		orders = append(orders, bulk.Order{OrderRef: batch.Rows[i].OrderRef, Amount: batch.Rows[i].Amount})
	}
	if _, err := db.Accept(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	if _, _, _, err := db.ImportOrders(b.Context(), orders, time.Now()); err != nil {
		b.Fatal(err)
	}
	return batch.Rows
}

// BenchmarkIssue is what issuing one row asks of the ledger, by 64 workers at once.
func BenchmarkIssue(b *testing.B) {
	for name, url := range fresh {
		b.Run(name, func(b *testing.B) {
			db, err := ledger.Open(b.Context(), url(b), ledger.Options{MaxConns: 32})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			rows := given(b, db, b.N)
			var next atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					i := rows[next.Add(1)-1].Instruction
					s, err := db.OrderState(b.Context(), i.OrderRef, strings.Repeat("0", 64))
					if err != nil {
						b.Fatal(err)
					}
					a := bulk.Attempt{ID: i.Marker + "-1", N: 1, Marker: i.Marker, OrderRef: i.OrderRef, Amount: i.Amount, Body: []byte("{}"),
						TokenExpires: time.Now(), Baseline: portone.RefundList{Remaining: i.Amount, Raw: []byte(`{"amountToRefund":10,"refundDetails":[]}`)},
						StartedAt: time.Now(), State: bulk.AttemptSending}
					if err := db.Begin(b.Context(), a, s.Version); err != nil {
						b.Fatal(err)
					}
					if err := db.Settle(b.Context(), bulk.Settlement{OrderRef: i.OrderRef, Marker: i.Marker, At: time.Now(), AttemptID: a.ID,
						From: bulk.AttemptSending, To: bulk.AttemptMade, State: bulk.Issued,
						Refund: &portone.Refund{RefundID: "r", Amount: i.Amount, Status: "SUCCESS"}, Identity: "r"}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkAccept takes in a file of 20,000 rows and tells of them.
func BenchmarkAccept(b *testing.B) {
	const rows = 20_000
	for name, url := range fresh {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				db, err := ledger.Open(b.Context(), url(b), ledger.Options{})
				if err != nil {
					b.Fatal(err)
				}
				given(b, db, rows)
				r, err := db.Results(b.Context(), strings.Repeat("0", 64))
				if err != nil || len(r) != rows {
					b.Fatal(fmt.Sprint(len(r)), err)
				}
				db.Close()
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
