package ledger

import (
	"context"
	"fmt"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// OrderState implements bulk.Ledger.
func (d *DB) OrderState(ctx context.Context, orderRef, batchID string) (bulk.OrderState, error) {
	var s bulk.OrderState
	err := d.read(ctx, func(t tx) error {
		s = bulk.OrderState{}
		return t.orderState(ctx, &s, orderRef, batchID)
	})
	if err != nil {
		return bulk.OrderState{}, fmt.Errorf("read order %s: %w", orderRef, err)
	}
	return s, nil
}

func (t tx) orderState(ctx context.Context, s *bulk.OrderState, orderRef, batchID string) error {
	var o orderRow
	found, err := t.get(ctx, &o, `SELECT `+orderColumns+`, o.version, c.channel IS NOT NULL AS echoes
		FROM orders o LEFT JOIN channels c ON c.channel = o.channel WHERE o.order_ref = ?`, orderRef)
	if err != nil {
		return err
	}
	if found { // without an order there is neither an attempt nor a refund
		order := o.order()
		s.Order, s.Version, s.Echoes = &order, o.Version, o.Echoes
		var a attemptRow
		found, err := t.get(ctx, &a, `SELECT `+attemptColumns+` FROM attempts WHERE order_ref = ? AND `+openAttempt, orderRef)
		if err != nil {
			return err
		}
		if found {
			s.Open = a.attempt()
		}
		if s.Bound, s.Imported, err = t.bound(ctx, orderRef); err != nil {
			return err
		}
	}
	var rows []openRow
	if err := t.all(ctx, &rows, `SELECT `+instructionColumns+`, i.batch_id, `+ended+`
		FROM instructions i LEFT JOIN attempts a ON a.marker = i.marker
		WHERE i.order_ref = ? AND i.state IN ('planned', 'held', 'sending', 'unknown', 'quarantined')
		GROUP BY i.marker ORDER BY i.batch_n`, orderRef); err != nil {
		return err
	}
	var all []struct {
		Marker string     `db:"marker"`
		State  bulk.State `db:"state"`
	}
	if err := t.all(ctx, &all, `SELECT marker, state FROM instructions WHERE order_ref = ?`, orderRef); err != nil {
		return err
	}
	s.Markers = make(map[string]bulk.State, len(all))
	for _, i := range all {
		s.Markers[i.Marker] = i.State
	}
	for _, r := range rows {
		row := r.row()
		switch {
		case s.Open != nil && s.Open.Marker == r.Marker:
			s.OpenRow = &row
		case r.BatchID == batchID && (r.State == bulk.Planned || r.State == bulk.Held):
			s.Rows = append(s.Rows, row)
		}
	}
	return nil
}

// bound gives the order's booked refunds: those of an instruction, and the others.
func (t tx) bound(ctx context.Context, orderRef string) (bound, imported []bulk.BoundRefund, err error) {
	var rows []struct {
		Marker      string           `db:"marker"`
		State       bulk.State       `db:"state"`
		RefundID    string           `db:"refund_id"`
		PSPRefundID string           `db:"psp_refund_id"`
		Identity    string           `db:"identity"`
		Minor       int64            `db:"amount_minor"`
		Currency    portone.Currency `db:"currency"`
		Status      portone.Status   `db:"portone_status"`
	}
	err = t.all(ctx, &rows, `SELECT coalesce(r.marker, '') AS marker, coalesce(i.state, '') AS state, r.refund_id, r.psp_refund_id, r.identity, r.amount_minor, r.currency,
		r.portone_status FROM refunds r LEFT JOIN instructions i ON i.marker = r.marker WHERE r.order_ref = ? ORDER BY r.id`, orderRef)
	for _, r := range rows {
		b := bulk.BoundRefund{
			Marker: r.Marker, State: r.State, RefundID: r.RefundID, PSPRefundID: r.PSPRefundID, Identity: r.Identity,
			Amount: portone.Money{Minor: r.Minor, Currency: r.Currency}, Status: r.Status,
		}
		if b.Marker == "" {
			imported = append(imported, b)
		} else {
			bound = append(bound, b)
		}
	}
	return bound, imported, err
}

// Unsettled implements bulk.Ledger. How long an order has waited counts from when its
// attempt was to be looked at, or its refund was last told of.
func (d *DB) Unsettled(ctx context.Context, due time.Time) ([]string, error) {
	var refs []string
	err := d.read(ctx, func(t tx) error {
		refs = nil
		return t.all(ctx, &refs, `SELECT order_ref FROM (
				SELECT order_ref, next_look AS since FROM attempts WHERE `+openAttempt+` AND next_look <= ?
				UNION ALL
				SELECT order_ref, told_at FROM refunds WHERE status = 'pending'
			) w GROUP BY order_ref ORDER BY min(since), order_ref`, at(due))
	})
	if err != nil {
		return nil, fmt.Errorf("list unsettled orders: %w", err)
	}
	return refs, nil
}

// Hold implements bulk.Ledger.
func (d *DB) Hold(ctx context.Context, batchID string, now time.Time) (n int, err error) {
	err = d.write(ctx, func(t tx) error {
		n = 0
		const quarantined = `EXISTS (SELECT 1 FROM instructions q WHERE q.order_ref = instructions.order_ref AND q.state = 'quarantined')`
		// The WHEN that never holds gives the parameter its type in PostgreSQL.
		var became []bulk.State
		if err := t.all(ctx, &became, `UPDATE instructions SET
				settled_at = CASE WHEN state = 'planned' THEN ? WHEN false THEN settled_at END,
				message = CASE state WHEN 'planned' THEN 'waits behind a quarantined refund of its order; issue the file again when that is settled' ELSE '' END,
				reason_code = CASE state WHEN 'planned' THEN 'order_quarantined' ELSE '' END,
				state = CASE state WHEN 'planned' THEN 'held' ELSE 'planned' END
			WHERE batch_id = ? AND (state = 'planned' AND `+quarantined+` OR state = 'held' AND NOT `+quarantined+`)
			RETURNING state`, at(now), batchID); err != nil || len(became) == 0 {
			return err
		}
		for _, s := range became {
			if s == bulk.Held {
				n++
			}
		}
		return t.log(ctx, event{at: now, kind: "held", data: map[string]any{
			"batch": batchID, "held": n, "released": len(became) - n,
		}})
	})
	if err != nil {
		return 0, fmt.Errorf("hold rows of batch %s: %w", bulk.ShortID(batchID), err)
	}
	return n, nil
}

// MissingAttempts implements bulk.Ledger.
func (d *DB) MissingAttempts(ctx context.Context, ids []string) ([]string, error) {
	var missing []string
	err := d.read(ctx, func(t tx) error {
		missing = nil
		for part := range chunks(ids) {
			var found []string
			list, args := in(part)
			if err := t.all(ctx, &found, `SELECT id FROM attempts WHERE id IN `+list, args...); err != nil {
				return err
			}
			has := make(map[string]bool, len(found))
			for _, id := range found {
				has[id] = true
			}
			for _, id := range part {
				if !has[id] {
					missing = append(missing, id)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for lost attempts: %w", err)
	}
	return missing, nil
}
