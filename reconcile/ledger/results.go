package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"refunds/bulk"
)

// OpenOrders implements bulk.Intake.
func (d *DB) OpenOrders(ctx context.Context, batchID string) ([]string, error) {
	var refs []string
	err := d.read(ctx, func(t tx) error {
		refs = nil
		return t.all(ctx, &refs, `SELECT r.order_ref FROM batch_rows r
			LEFT JOIN instructions i ON i.batch_id = r.batch_id AND i.batch_n = r.n AND i.state IN ('planned', 'held')
			LEFT JOIN attempts a ON a.order_ref = r.order_ref AND a.`+openAttempt+`
			WHERE r.batch_id = ? AND (i.marker IS NOT NULL OR a.id IS NOT NULL)
			GROUP BY r.order_ref ORDER BY min(r.n)`, batchID)
	})
	if err != nil {
		return nil, fmt.Errorf("list open orders of batch %s: %w", bulk.ShortID(batchID), err)
	}
	return refs, nil
}

// resultRow is a row of a batch with what became of it: of its own revision, or of
// the place that has it, if it was skipped.
type resultRow struct {
	N          int                 `db:"n"`
	PlaceBatch sql.NullString      `db:"place_batch"`
	PlaceN     sql.NullInt64       `db:"place_n"`
	State      bulk.State          `db:"state"`
	Code       string              `db:"reason_code"`
	Message    string              `db:"message"`
	SettledAt  stamp               `db:"settled_at"`
	RefundID   string              `db:"refund_id"`
	PSP        string              `db:"psp_refund_id"`
	Portone    string              `db:"portone_status"`
	Attempts   int                 `db:"attempts"`
	StartedAt  stamp               `db:"started_at"`
	Expires    stamp               `db:"token_expires"`
	Bounds     asJSON[bulk.Bounds] `db:"bounds"`
	LimitedAt  stamp               `db:"limited_at"`
	NewBatch   sql.NullString      `db:"new_batch"` // of the row that took the instruction over
	NewN       sql.NullInt64       `db:"new_n"`
}

// Results implements bulk.Intake. A row whose instruction a later batch has taken
// over keeps the status that it had by then. Attempts are those of the row's own
// revision. Until is when an attempt may first be known not to have been made.
func (d *DB) Results(ctx context.Context, batchID string) ([]bulk.Result, error) {
	var rows []resultRow
	err := d.read(ctx, func(t tx) error {
		rows = nil
		// o is the row that owns the instruction: r itself, or the place r was skipped for.
		return t.all(ctx, &rows, `SELECT r.n, r.place_batch, r.place_n,
				coalesce(o.closed_state, i.state) AS state,
				CASE WHEN o.closed_state IS NULL THEN i.reason_code ELSE o.closed_code END AS reason_code,
				CASE WHEN o.closed_state IS NULL THEN i.message ELSE o.closed_message END AS message,
				CASE WHEN o.closed_state IS NULL THEN i.settled_at ELSE o.closed_at END AS settled_at,
				coalesce(b.refund_id, '') AS refund_id, coalesce(b.psp_refund_id, '') AS psp_refund_id,
				coalesce(b.portone_status, '') AS portone_status,
				(SELECT count(*) FROM attempts c WHERE c.marker = r.marker AND c.revision = o.revision) AS attempts,
				a.started_at, a.token_expires, CASE WHEN a.limited THEN a.answered_at END AS limited_at, coalesce(a.bounds, '{}') AS bounds, later.batch_id AS new_batch, later.n AS new_n
			FROM batch_rows r
			JOIN batch_rows o ON o.batch_id = coalesce(r.place_batch, r.batch_id) AND o.n = coalesce(r.place_n, r.n)
			JOIN instructions i ON i.marker = o.marker
			LEFT JOIN refunds b ON b.marker = o.marker AND o.closed_state IS NULL
			LEFT JOIN attempts a ON a.marker = o.marker AND a.revision = o.revision
				AND a.n = (SELECT max(n) FROM attempts m WHERE m.marker = o.marker AND m.revision = o.revision)
			LEFT JOIN batch_rows later ON later.marker = o.marker AND later.revision = o.revision + 1
			WHERE r.batch_id = ? ORDER BY r.n`, batchID)
	})
	if err != nil {
		return nil, fmt.Errorf("read results of batch %s: %w", bulk.ShortID(batchID), err)
	}
	results := make([]bulk.Result, len(rows))
	for i, r := range rows {
		results[i] = r.result()
	}
	return results, nil
}

func (r resultRow) result() bulk.Result {
	if r.PlaceBatch.Valid {
		return bulk.Result{N: r.N, Status: bulk.Skipped, Message: alreadyThere(r.PlaceBatch.String, int(r.PlaceN.Int64), r.State)}
	}
	s := bulk.Result{
		N: r.N, Status: r.State, RefundID: r.RefundID, PSPRefundID: r.PSP, PortoneStatus: r.Portone, Attempts: r.Attempts,
		ReasonCode: r.Code, Message: r.Message, SentAt: r.StartedAt.Time, SettledAt: r.SettledAt.Time,
	}
	if r.NewBatch.Valid {
		taken := fmt.Sprintf("given again in batch %s…, row %d", bulk.ShortID(r.NewBatch.String), r.NewN.Int64)
		if s.Message != "" {
			taken = s.Message + "; " + taken
		}
		s.Message, s.GivenAgain = taken, true
	}
	if (r.State == bulk.Unknown || r.State == bulk.Quarantined) && !r.Expires.IsZero() {
		s.Until = r.Bounds.V.Absent(r.Expires.Time, r.LimitedAt.Time)
	}
	return s
}
