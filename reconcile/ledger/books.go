package ledger

import (
	"context"
	"fmt"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
)

// Page implements reconcile.Ledger.
func (d *DB) Page(ctx context.Context, runID, after string, limit int) ([]reconcile.Books, error) {
	var page []reconcile.Books
	err := d.read(ctx, func(t tx) error {
		var refs []string
		err := t.all(ctx, &refs, `SELECT order_ref FROM run_orders WHERE run_id = ? AND order_ref > ? ORDER BY order_ref LIMIT ?`, runID, after, limit)
		if err != nil {
			return err
		}
		page, err = t.books(ctx, refs)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the books of run %s after order %q: %w", runID, after, err)
	}
	return page, nil
}

// Books implements reconcile.Ledger.
func (d *DB) Books(ctx context.Context, orderRef string) (reconcile.Books, error) {
	var b []reconcile.Books
	err := d.read(ctx, func(t tx) (err error) {
		b, err = t.books(ctx, []string{orderRef})
		return err
	})
	if err != nil {
		return reconcile.Books{}, fmt.Errorf("read the books of order %s: %w", orderRef, err)
	}
	return b[0], nil
}

// books reads what the ledger has of some orders, at most one chunk, in their order.
func (t tx) books(ctx context.Context, refs []string) ([]reconcile.Books, error) {
	books := make([]reconcile.Books, len(refs))
	of := make(map[string]*reconcile.Books, len(refs))
	for i, ref := range refs {
		books[i].OrderRef = ref
		of[ref] = &books[i]
	}
	if len(refs) == 0 {
		return nil, nil
	}
	for _, read := range []func(context.Context, []string, map[string]*reconcile.Books) error{
		t.paidOrders, t.bookedRefunds, t.orderInstructions, t.seenRefunds,
	} {
		if err := read(ctx, refs, of); err != nil {
			return nil, err
		}
	}
	return books, nil
}

func (t tx) paidOrders(ctx context.Context, refs []string, of map[string]*reconcile.Books) error {
	var rows []struct {
		OrderRef string           `db:"order_ref"`
		Merchant string           `db:"merchant_order_ref"`
		Minor    int64            `db:"amount_minor"`
		Currency portone.Currency `db:"currency"`
	}
	list, args := in(refs)
	err := t.all(ctx, &rows, `SELECT order_ref, coalesce(merchant_order_ref, '') AS merchant_order_ref, amount_minor, currency
		FROM ledger_orders WHERE order_ref IN `+list, args...)
	for _, r := range rows {
		b := of[r.OrderRef]
		b.MerchantOrderRef, b.Amount = r.Merchant, money(r.Minor, r.Currency)
	}
	return err
}

func (t tx) bookedRefunds(ctx context.Context, refs []string, of map[string]*reconcile.Books) error {
	var rows []struct {
		OrderRef    string                 `db:"order_ref"`
		Minor       int64                  `db:"amount_minor"`
		Currency    portone.Currency       `db:"currency"`
		Status      reconcile.BookedStatus `db:"status"`
		RefundID    string                 `db:"refund_id"`
		PSPRefundID string                 `db:"psp_refund_id"`
		Reason      string                 `db:"reason"`
		RefundedAt  stamp                  `db:"refunded_at"`
		Marker      string                 `db:"marker"`
		Instruction string                 `db:"instruction_id"`
	}
	list, args := in(refs)
	err := t.all(ctx, &rows, `SELECT order_ref, amount_minor, currency, status, coalesce(refund_id, '') AS refund_id,
			coalesce(psp_refund_id, '') AS psp_refund_id, coalesce(reason, '') AS reason, refunded_at,
			coalesce(marker, '') AS marker, coalesce(instruction_id, '') AS instruction_id
		FROM ledger_refunds WHERE order_ref IN `+list, args...)
	for _, r := range rows {
		b := of[r.OrderRef]
		b.Booked = append(b.Booked, reconcile.Booked{OrderRef: r.OrderRef, Amount: money(r.Minor, r.Currency), Status: r.Status,
			RefundID: r.RefundID, PSPRefundID: r.PSPRefundID, Reason: r.Reason, RefundedAt: r.RefundedAt.Time,
			Marker: r.Marker, InstructionID: r.Instruction})
	}
	return err
}

// orderInstructions gives each instruction, and one whose outcome is not known since when it
// is not: since its open attempt, or, without one, since it was quarantined.
func (t tx) orderInstructions(ctx context.Context, refs []string, of map[string]*reconcile.Books) error {
	var rows []struct {
		OrderRef  string           `db:"order_ref"`
		Marker    string           `db:"marker"`
		ID        string           `db:"instruction_id"`
		State     bulk.State       `db:"state"`
		Minor     int64            `db:"amount_minor"`
		Currency  portone.Currency `db:"currency"`
		SettledAt stamp            `db:"settled_at"`
	}
	list, args := in(refs)
	if err := t.all(ctx, &rows, `SELECT order_ref, marker, instruction_id, state, amount_minor, currency, settled_at
		FROM instructions WHERE order_ref IN `+list, args...); err != nil {
		return err
	}
	var open []struct {
		Marker  string              `db:"marker"`
		Started stamp               `db:"started_at"`
		Expires stamp               `db:"token_expires"`
		Bounds  asJSON[bulk.Bounds] `db:"bounds"`
		Limited stamp               `db:"limited_at"`
	}
	if err := t.all(ctx, &open, `SELECT marker, started_at, token_expires, bounds, CASE WHEN limited THEN answered_at END AS limited_at FROM attempts
		WHERE state IN ('sending', 'unknown', 'quarantined') AND order_ref IN `+list, args...); err != nil {
		return err
	}
	for _, r := range rows {
		i := reconcile.Instruction{Marker: r.Marker, ID: r.ID, State: r.State, Amount: money(r.Minor, r.Currency)}
		if i.State == bulk.Quarantined {
			i.Since, i.Until = r.SettledAt.Time, r.SettledAt.Time
		}
		for _, a := range open {
			if a.Marker == r.Marker {
				i.Since, i.Until = a.Started.Time, a.Bounds.V.Absent(a.Expires.Time, a.Limited.Time)
			}
		}
		of[r.OrderRef].Instructions = append(of[r.OrderRef].Instructions, i)
	}
	return nil
}

func (t tx) seenRefunds(ctx context.Context, refs []string, of map[string]*reconcile.Books) error {
	var rows []seenRow
	list, args := in(refs)
	err := t.all(ctx, &rows, `SELECT order_ref, identity, refund_id, psp_refund_id, marker, amount_minor, currency, status,
			reason, refund_date, first_seen, last_seen, succeeded_at
		FROM listed_refunds WHERE order_ref IN `+list, args...)
	for _, r := range rows {
		b := of[r.OrderRef]
		b.Seen = append(b.Seen, reconcile.Seen{Identity: r.Identity, RefundID: r.RefundID, PSPRefundID: r.PSPRefundID, Marker: r.Marker,
			Amount: money(r.Minor, r.Currency), Status: r.Status, Reason: r.Reason, Date: r.Date.Time,
			FirstSeen: r.FirstSeen.Time, LastSeen: r.LastSeen.Time, SucceededAt: r.SucceededAt.Time})
	}
	return err
}

type seenRow struct {
	OrderRef    string           `db:"order_ref"`
	Identity    string           `db:"identity"`
	RefundID    string           `db:"refund_id"`
	PSPRefundID string           `db:"psp_refund_id"`
	Marker      string           `db:"marker"`
	Minor       int64            `db:"amount_minor"`
	Currency    portone.Currency `db:"currency"`
	Status      portone.Status   `db:"status"`
	Reason      string           `db:"reason"`
	Date        stamp            `db:"refund_date"`
	FirstSeen   stamp            `db:"first_seen"`
	LastSeen    stamp            `db:"last_seen"`
	SucceededAt stamp            `db:"succeeded_at"`
}
