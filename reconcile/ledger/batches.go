package ledger

import (
	"context"
	"fmt"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// A BatchSummary is a batch with what became of its rows.
type BatchSummary struct {
	ID         string
	FileName   string
	ReceivedAt time.Time
	Rows       int
	Totals     []BatchTotal // by status, then currency
}

// A BatchTotal counts a batch's rows of one status and currency.
type BatchTotal struct {
	Status bulk.State
	Rows   int
	Amount portone.Money // their sum, as ordered
}

// Batches tells of every batch, the latest first.
func (d *DB) Batches(ctx context.Context) ([]BatchSummary, error) {
	var batches []BatchSummary
	err := d.read(ctx, func(t tx) error {
		var rows []struct {
			ID         string `db:"id"`
			FileName   string `db:"file_name"`
			ReceivedAt stamp  `db:"received_at"`
		}
		if err := t.all(ctx, &rows, `SELECT id, file_name, received_at FROM batches ORDER BY received_at DESC, id`); err != nil {
			return err
		}
		batches = make([]BatchSummary, len(rows))
		index := make(map[string]*BatchSummary, len(rows))
		for i, r := range rows {
			batches[i] = BatchSummary{ID: r.ID, FileName: r.FileName, ReceivedAt: r.ReceivedAt.Time}
			index[r.ID] = &batches[i]
		}
		var totals []struct {
			ID       string           `db:"batch_id"`
			Status   bulk.State       `db:"status"`
			Currency portone.Currency `db:"currency"`
			Rows     int              `db:"n"`
			Minor    int64            `db:"minor"` // a sum beyond int64 is an error in both engines, not another number
		}
		if err := t.all(ctx, &totals, `SELECT batch_id, status, currency, count(*) AS n, CAST(sum(amount_minor) AS bigint) AS minor FROM (
				SELECT r.batch_id, r.currency, r.amount_minor,
					CASE WHEN r.revision IS NULL THEN 'skipped' ELSE coalesce(r.closed_state, i.state) END AS status
				FROM batch_rows r JOIN instructions i ON i.marker = r.marker
			) s GROUP BY batch_id, status, currency ORDER BY batch_id, status, currency`); err != nil {
			return err
		}
		for _, r := range totals {
			b := index[r.ID]
			b.Rows += r.Rows
			b.Totals = append(b.Totals, BatchTotal{r.Status, r.Rows, money(r.Minor, r.Currency)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	return batches, nil
}
