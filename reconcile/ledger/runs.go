package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"refunds/portone"
	"refunds/reconcile"
)

// ErrNoRun: the ledger has no run of that id.
var ErrNoRun = errors.New("there is no such run")

// runResult is the part of a run that its end decides.
type runResult struct {
	Stopped   string          `json:"stopped,omitempty"`
	Read      int             `json:"read"`
	Unchecked int             `json:"unchecked"`
	Sums      []reconcile.Sum `json:"sums"`
	Roll      reconcile.Roll  `json:"roll"`
}

// BeginRun implements reconcile.Ledger.
func (d *DB) BeginRun(ctx context.Context, r reconcile.Run) (orders int, opening reconcile.Roll, err error) {
	err = d.write(ctx, func(t tx) error {
		orders, opening = 0, reconcile.Roll{}
		w := r.Window
		if _, err := t.exec(ctx, `INSERT INTO runs (id, environment, window_kind, window_from, window_to, zone, started_at, result)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Environment, w.Kind, w.From, w.To, w.Zone, at(r.StartedAt), asJSON[runResult]{}); err != nil {
			return err
		}
		if err := t.window(ctx, r); err != nil {
			return err
		}
		if _, err := t.get(ctx, &orders, `SELECT count(*) FROM run_orders WHERE run_id = ?`, r.ID); err != nil {
			return err
		}
		var open []asJSON[reconcile.Discrepancy]
		if err := t.all(ctx, &open, `SELECT detail FROM discrepancies WHERE state = 'open'`); err != nil {
			return err
		}
		for _, x := range open {
			opening.Opens(x.V)
		}
		return nil
	})
	if err != nil {
		return 0, reconcile.Roll{}, fmt.Errorf("book run %s: %w", r.ID, err)
	}
	return orders, opening, nil
}

// The orders of an activity window, each source by itself, since the merchant's own
// views may sort and compare references in their own way.
var (
	onTheDate = []string{
		`SELECT order_ref FROM ledger_orders WHERE paid_at >= ? AND paid_at < ?`,
		`SELECT order_ref FROM ledger_refunds WHERE refunded_at >= ? AND refunded_at < ?`,
		`SELECT order_ref FROM attempts WHERE started_at >= ? AND started_at < ?`,
		`SELECT r.order_ref FROM batch_rows r JOIN batches b ON b.id = r.batch_id
			WHERE b.received_at >= ? AND b.received_at < ? AND EXISTS (SELECT 1 FROM ledger_orders o WHERE o.order_ref = r.order_ref)`,
	}
	stillOpen = []string{
		`SELECT order_ref FROM ledger_refunds WHERE status = 'pending'`,
		`SELECT order_ref FROM attempts WHERE state IN ('sending', 'unknown', 'quarantined')`,
		`SELECT order_ref FROM instructions WHERE state IN ('sending', 'unknown', 'quarantined')`,
		`SELECT order_ref FROM discrepancies WHERE state = 'open'`,
		// Unchecked in a run, and read in none since. An order that the ledger lacks can't be read at all.
		`SELECT u.order_ref FROM run_orders u WHERE u.verdict = 'unchecked'
			AND NOT EXISTS (SELECT 1 FROM run_orders l WHERE l.order_ref = u.order_ref AND l.run_id > u.run_id AND l.verdict <> 'unchecked')
			AND EXISTS (SELECT 1 FROM ledger_orders o WHERE o.order_ref = u.order_ref)`,
		// Clean when last read, though the sums differed: by a refund too recent to be missed, or not known yet.
		`SELECT u.order_ref FROM run_orders u WHERE u.verdict = 'clean' AND u.ledger_minor <> u.portone_minor
			AND NOT EXISTS (SELECT 1 FROM run_orders l WHERE l.order_ref = u.order_ref AND l.run_id > u.run_id AND l.verdict <> 'unchecked')`,
	}
)

const notReached = "the run ended before it was read"

// window books the orders of r's window as unchecked.
func (t tx) window(ctx context.Context, r reconcile.Run) error {
	add := func(query string, args ...any) error {
		query = strings.Replace(query, "SELECT ", "SELECT CAST(? AS text), 'unchecked', '"+notReached+"', ", 1)
		_, err := t.exec(ctx, `INSERT INTO run_orders (run_id, verdict, reason, order_ref) `+query+` ON CONFLICT DO NOTHING`, append([]any{r.ID}, args...)...)
		return err
	}
	switch r.Window.Kind {
	case reconcile.All:
		return add(`SELECT order_ref FROM ledger_orders WHERE order_ref <> ''`)
	case reconcile.Listed:
		rows := make([][]any, len(r.Window.Orders))
		for i, ref := range r.Window.Orders {
			rows[i] = []any{r.ID, ref, "unchecked", notReached}
		}
		_, err := t.insert(ctx, `INSERT INTO run_orders (run_id, order_ref, verdict, reason)`, rows, `ON CONFLICT DO NOTHING`)
		return err
	case reconcile.Activity:
		from, to := r.Window.Bounds()
		for _, q := range onTheDate {
			if err := add(q, at(from), at(to)); err != nil {
				return err
			}
		}
		for _, q := range stillOpen {
			if err := add(q); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a window of kind %q", r.Window.Kind)
}

// FinishRun implements reconcile.Ledger.
func (d *DB) FinishRun(ctx context.Context, r reconcile.Run) (reconcile.Run, error) {
	err := d.write(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `INSERT INTO run_discrepancies (run_id, discrepancy_id, kind, order_ref, state, carried, first_seen, detail)
			SELECT o.run_id, x.id, x.kind, x.order_ref, 'open', 1, x.first_seen, x.detail
			FROM discrepancies x JOIN run_orders o ON o.order_ref = x.order_ref
			WHERE o.run_id = ? AND o.verdict = 'unchecked' AND x.state = 'open'`, r.ID); err != nil {
			return err
		}
		var told int
		if _, err := t.get(ctx, &told, `SELECT count(*) FROM run_discrepancies WHERE run_id = ? AND state = 'open'`, r.ID); err != nil {
			return err
		}
		r.Roll.Outside = max(0, r.Roll.Closing-told)
		n, err := t.exec(ctx, `UPDATE runs SET finished_at = ?, verdict = ?, result = ? WHERE id = ? AND finished_at IS NULL`,
			at(r.FinishedAt), r.Verdict, asJSON[runResult]{runResult{text(r.Stopped), r.Read, r.Unchecked, r.Sums, r.Roll}}, r.ID)
		if err == nil && n == 0 {
			err = ErrNoRun
		}
		return err
	})
	if err != nil {
		return r, fmt.Errorf("finish run %s: %w", r.ID, err)
	}
	return r, nil
}

type runRow struct {
	ID          string               `db:"id"`
	Environment portone.Environment  `db:"environment"`
	Kind        reconcile.WindowKind `db:"window_kind"`
	From        reconcile.Date       `db:"window_from"`
	To          reconcile.Date       `db:"window_to"`
	Zone        string               `db:"zone"`
	StartedAt   stamp                `db:"started_at"`
	FinishedAt  stamp                `db:"finished_at"`
	Verdict     reconcile.Verdict    `db:"verdict"`
	Result      asJSON[runResult]    `db:"result"`
}

const runColumns = `id, environment, window_kind, window_from, window_to, zone, started_at, finished_at, coalesce(verdict, '') AS verdict, result`

func (r runRow) run() reconcile.Run {
	return reconcile.Run{ID: r.ID, Environment: r.Environment, StartedAt: r.StartedAt.Time, FinishedAt: r.FinishedAt.Time, Verdict: r.Verdict,
		Window:  reconcile.Window{Kind: r.Kind, From: r.From, To: r.To, Zone: r.Zone},
		Stopped: r.Result.V.Stopped, Read: r.Result.V.Read, Unchecked: r.Result.V.Unchecked, Sums: r.Result.V.Sums, Roll: r.Result.V.Roll}
}

// Run reads one run; ErrNoRun where there is none. Window.Orders is left out.
func (d *DB) Run(ctx context.Context, id string) (reconcile.Run, error) {
	var row runRow
	err := d.read(ctx, func(t tx) error {
		found, err := t.get(ctx, &row, `SELECT `+runColumns+` FROM runs WHERE id = ?`, id)
		if err == nil && !found {
			err = ErrNoRun
		}
		return err
	})
	if err != nil {
		return reconcile.Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	return row.run(), nil
}

// Runs reads the latest runs, latest first, finished or not.
func (d *DB) Runs(ctx context.Context, limit int) ([]reconcile.Run, error) {
	var rows []runRow
	err := d.read(ctx, func(t tx) error {
		rows = nil
		return t.all(ctx, &rows, `SELECT `+runColumns+` FROM runs ORDER BY started_at DESC, id DESC LIMIT ?`, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest runs: %w", err)
	}
	runs := make([]reconcile.Run, len(rows))
	for i, r := range rows {
		runs[i] = r.run()
	}
	return runs, nil
}
