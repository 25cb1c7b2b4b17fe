package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"refunds/portone"
	"refunds/reconcile"
)

// openDiscrepancy is a discrepancy that stands open.
type openDiscrepancy struct {
	ID        string                        `db:"id"`
	OrderRef  string                        `db:"order_ref"`
	FirstSeen stamp                         `db:"first_seen"`
	ReadAt    stamp                         `db:"read_at"`
	Detail    asJSON[reconcile.Discrepancy] `db:"detail"`
}

// Record implements reconcile.Ledger.
func (d *DB) Record(ctx context.Context, r reconcile.Run, checked []reconcile.Checked) (reconcile.Roll, error) {
	var roll reconcile.Roll
	err := d.write(ctx, func(t tx) error {
		roll = reconcile.Roll{}
		if err := t.recordOrders(ctx, r.ID, checked); err != nil {
			return err
		}
		if err := t.recordSeen(ctx, checked); err != nil {
			return err
		}
		return t.recordFound(ctx, r, checked, &roll)
	})
	if err != nil {
		return reconcile.Roll{}, fmt.Errorf("record %d orders of run %s: %w", len(checked), r.ID, err)
	}
	return roll, nil
}

func (t tx) recordOrders(ctx context.Context, runID string, checked []reconcile.Checked) error {
	rows := make([][]any, len(checked))
	for i, c := range checked {
		l := c.Line
		rows[i] = []any{runID, l.OrderRef, l.MerchantOrderRef, l.Verdict, l.Found, text(l.Reason),
			l.Amount.Currency, l.Amount.Minor, l.Ledger.Minor, l.Portone.Minor}
	}
	_, err := t.insert(ctx, `INSERT INTO run_orders (run_id, order_ref, merchant_order_ref, verdict, found, reason,
		currency, amount_minor, ledger_minor, portone_minor)`, rows, `ON CONFLICT (run_id, order_ref) DO UPDATE SET
		merchant_order_ref = excluded.merchant_order_ref, verdict = excluded.verdict, found = excluded.found, reason = excluded.reason,
		currency = excluded.currency, amount_minor = excluded.amount_minor, ledger_minor = excluded.ledger_minor,
		portone_minor = excluded.portone_minor`)
	return err
}

func (t tx) recordSeen(ctx context.Context, checked []reconcile.Checked) error {
	var rows [][]any
	for _, c := range checked {
		for _, s := range c.Seen {
			rows = append(rows, []any{c.Line.OrderRef, text(s.Identity), text(s.RefundID), text(s.PSPRefundID), s.Marker,
				s.Amount.Minor, s.Amount.Currency, text(string(s.Status)), text(s.Reason), at(s.Date), at(s.FirstSeen), at(s.LastSeen), at(s.SucceededAt)})
		}
	}
	// Two runs at once may have seen a refund each for the first time: the earlier time stays.
	_, err := t.insert(ctx, `INSERT INTO listed_refunds (order_ref, identity, refund_id, psp_refund_id, marker,
		amount_minor, currency, status, reason, refund_date, first_seen, last_seen, succeeded_at)`, rows,
		`ON CONFLICT (order_ref, identity) DO UPDATE SET refund_id = excluded.refund_id, psp_refund_id = excluded.psp_refund_id,
		marker = excluded.marker, amount_minor = excluded.amount_minor, currency = excluded.currency, status = excluded.status,
		reason = excluded.reason, refund_date = excluded.refund_date, last_seen = excluded.last_seen,
		succeeded_at = coalesce(listed_refunds.succeeded_at, excluded.succeeded_at)`)
	return err
}

// recordFound carries the discrepancies of the orders that were read forward.
func (t tx) recordFound(ctx context.Context, r reconcile.Run, checked []reconcile.Checked, roll *reconcile.Roll) error {
	var refs []string
	readAt := map[string]time.Time{}
	for _, c := range checked {
		if c.Line.Verdict != reconcile.OrderUnchecked {
			refs = append(refs, c.Line.OrderRef)
			readAt[c.Line.OrderRef] = c.At
		}
	}
	open, err := t.openDiscrepancies(ctx, refs)
	if err != nil {
		return err
	}
	var now, told [][]any
	tell := func(d reconcile.Discrepancy, state reconcile.State, firstSeen, resolvedAt time.Time) {
		detail := asJSON[reconcile.Discrepancy]{d}
		now = append(now, []any{d.ID, d.Kind, d.OrderRef, state, at(firstSeen), r.ID, at(readAt[d.OrderRef]), at(resolvedAt), detail})
		told = append(told, []any{r.ID, d.ID, d.Kind, d.OrderRef, state, 0, at(firstSeen), detail})
	}
	for _, c := range checked {
		for _, d := range c.Found {
			firstSeen := r.StartedAt
			var before *reconcile.Discrepancy
			if o, ok := open[d.ID]; ok {
				firstSeen, before = o.FirstSeen.Time, &o.Detail.V
				delete(open, d.ID)
			}
			roll.Finds(d, before)
			tell(d, reconcile.Open, firstSeen, time.Time{})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(open)) {
		o := open[id]
		if o.ReadAt.After(readAt[o.OrderRef]) {
			continue // another run has read the list since, and found it
		}
		roll.Resolves(o.Detail.V)
		tell(o.Detail.V, reconcile.Resolved, o.FirstSeen.Time, r.StartedAt)
	}
	if _, err := t.insert(ctx, `INSERT INTO discrepancies (id, kind, order_ref, state, first_seen, last_run, read_at, resolved_at, detail)`, now,
		`ON CONFLICT (id) DO UPDATE SET state = excluded.state, first_seen = excluded.first_seen, last_run = excluded.last_run,
		read_at = excluded.read_at, resolved_at = excluded.resolved_at, detail = excluded.detail`); err != nil {
		return err
	}
	_, err = t.insert(ctx, `INSERT INTO run_discrepancies (run_id, discrepancy_id, kind, order_ref, state, carried, first_seen, detail)`, told, "")
	return err
}

func (t tx) openDiscrepancies(ctx context.Context, refs []string) (map[string]openDiscrepancy, error) {
	open := map[string]openDiscrepancy{}
	for part := range chunks(refs) {
		var rows []openDiscrepancy
		list, args := in(part)
		if err := t.all(ctx, &rows, `SELECT id, order_ref, first_seen, read_at, detail FROM discrepancies WHERE state = 'open' AND order_ref IN `+list, args...); err != nil {
			return nil, err
		}
		for _, o := range rows {
			open[o.ID] = o
		}
	}
	return open, nil
}

// eachPage is how many rows are read, and held, at once.
const eachPage = 1000

// EachDiscrepancy gives f one run's findings of one kind, sorted by order_ref and id.
func (d *DB) EachDiscrepancy(ctx context.Context, runID string, k reconcile.Kind, f func(reconcile.Finding) error) error {
	var last openDiscrepancy
	for {
		var rows []struct {
			openDiscrepancy
			State   reconcile.State `db:"state"`
			Carried int             `db:"carried"`
		}
		err := d.read(ctx, func(t tx) error {
			rows = nil
			return t.all(ctx, &rows, `SELECT discrepancy_id AS id, order_ref, state, carried, first_seen, detail FROM run_discrepancies
				WHERE run_id = ? AND kind = ? AND (order_ref, discrepancy_id) > (?, ?) ORDER BY order_ref, discrepancy_id LIMIT ?`,
				runID, k, last.OrderRef, last.ID, eachPage)
		})
		if err != nil {
			return fmt.Errorf("read the discrepancies of run %s: %w", runID, err)
		}
		for _, r := range rows {
			found := reconcile.Finding{Discrepancy: r.Detail.V, State: r.State, FirstSeen: r.FirstSeen.Time, Carried: r.Carried == 1}
			if err := f(found); err != nil {
				return err
			}
			last = r.openDiscrepancy
		}
		if len(rows) < eachPage {
			return nil
		}
	}
}

// EachOrder gives f one run's orders, sorted by order_ref.
func (d *DB) EachOrder(ctx context.Context, runID string, f func(reconcile.OrderLine) error) error {
	type row struct {
		OrderRef string                 `db:"order_ref"`
		Merchant string                 `db:"merchant_order_ref"`
		Verdict  reconcile.OrderVerdict `db:"verdict"`
		Found    int                    `db:"found"`
		Reason   string                 `db:"reason"`
		Currency portone.Currency       `db:"currency"`
		Amount   int64                  `db:"amount_minor"`
		Ledger   int64                  `db:"ledger_minor"`
		Portone  int64                  `db:"portone_minor"`
	}
	for after := ""; ; {
		var rows []row
		err := d.read(ctx, func(t tx) error {
			rows = nil
			return t.all(ctx, &rows, `SELECT order_ref, merchant_order_ref, verdict, found, reason, currency, amount_minor, ledger_minor, portone_minor
				FROM run_orders WHERE run_id = ? AND order_ref > ? ORDER BY order_ref LIMIT ?`, runID, after, eachPage)
		})
		if err != nil {
			return fmt.Errorf("read the orders of run %s: %w", runID, err)
		}
		for _, r := range rows {
			after = r.OrderRef
			line := reconcile.OrderLine{OrderRef: r.OrderRef, MerchantOrderRef: r.Merchant, Verdict: r.Verdict, Found: r.Found, Reason: r.Reason,
				Amount: money(r.Amount, r.Currency), Ledger: money(r.Ledger, r.Currency), Portone: money(r.Portone, r.Currency)}
			if err := f(line); err != nil {
				return err
			}
		}
		if len(rows) < eachPage {
			return nil
		}
	}
}
