package ledger

import (
	"context"
	"fmt"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
)

// refundRow is what decides whether a listed refund is a booked one.
type refundRow struct {
	ID          int64                  `db:"id"`
	OrderRef    string                 `db:"order_ref"`
	Identity    string                 `db:"identity"`
	Marker      *string                `db:"marker"` // nil: imported, and bound to nobody
	RefundID    string                 `db:"refund_id"`
	PSPRefundID string                 `db:"psp_refund_id"`
	Minor       int64                  `db:"amount_minor"`
	Currency    portone.Currency       `db:"currency"`
	Status      reconcile.BookedStatus `db:"status"`
}

const refundColumns = `id, order_ref, identity, marker, refund_id, psp_refund_id, amount_minor, currency, status`

// booked is the ledger's word for PortOne's: a word that is not known to be final is pending.
func booked(s portone.Status) reconcile.BookedStatus {
	switch {
	case s.Succeeded():
		return reconcile.Success
	case s.Failed():
		return reconcile.Failed
	}
	return reconcile.Pending
}

// bookRefund books the listed refund for the instruction, or takes over what it is
// told anew of one that is booked. The caller holds the order's row.
func (t tx) bookRefund(ctx context.Context, s bulk.Settlement) error {
	r := *s.Refund
	r.RefundID, r.PSPRefundID, r.Reason = text(r.RefundID), text(r.PSPRefundID), text(r.Reason)
	identity := text(s.Identity)
	if identity == "" {
		return fmt.Errorf("the refund that PortOne lists has no identity")
	}
	var rows []refundRow
	if err := t.all(ctx, &rows, `SELECT `+refundColumns+` FROM refunds WHERE order_ref = ? ORDER BY id`, s.OrderRef); err != nil {
		return err
	}
	row, twin, err := match(rows, s.Marker, identity, r)
	if err != nil {
		return err
	}
	if twin { // the import's row has them
		identity, r.RefundID, r.PSPRefundID = row.Identity, "", ""
	}
	date := at(r.Date)
	if date.IsZero() {
		date = at(s.At)
	}
	if row == nil {
		_, err := t.exec(ctx, `INSERT INTO refunds (order_ref, identity, marker, source, refund_id, psp_refund_id, amount_minor, currency,
				status, portone_status, reason, refunded_at, told_at) VALUES (?, ?, ?, 'issue', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			s.OrderRef, identity, s.Marker, r.RefundID, r.PSPRefundID, r.Amount.Minor, string(r.Amount.Currency),
			string(booked(r.Status)), text(string(r.Status)), r.Reason, date, at(s.At))
		return err
	}
	// An id that is known is not lost to a list that leaves it out; the amount stays
	// as it was booked, and reconciliation names the difference.
	_, err = t.exec(ctx, `UPDATE refunds SET identity = ?, marker = ?, status = ?, portone_status = ?, told_at = ?,
			refund_id = CASE WHEN refund_id = '' THEN ? ELSE refund_id END,
			psp_refund_id = CASE WHEN psp_refund_id = '' THEN ? ELSE psp_refund_id END,
			reason = CASE WHEN reason = '' THEN ? ELSE reason END
		WHERE id = ?`,
		identity, s.Marker, string(booked(r.Status)), text(string(r.Status)), at(s.At), r.RefundID, r.PSPRefundID, r.Reason, row.ID)
	return err
}

// match finds the booked refund that r is, among those of its order; nil: none. It is
// ErrBoundElsewhere if r is booked for another instruction than marker's. twin tells
// that an import booked r a second time, before PortOne gave ids to ours; it
// stays, and reconciliation names it.
func match(rows []refundRow, marker, identity string, r portone.Refund) (found *refundRow, twin bool, err error) {
	var mine, imported *refundRow
	for i := range rows {
		row := &rows[i]
		same := row.Identity == identity || sameID(row.PSPRefundID, r.PSPRefundID) || sameID(row.RefundID, r.RefundID)
		switch {
		case row.Marker != nil && *row.Marker == marker:
			if !same && differ(row.PSPRefundID, r.PSPRefundID, row.RefundID, r.RefundID) {
				return nil, false, fmt.Errorf("refund %q is booked for it already, and another, %q, can't be: see refunds reconcile", row.Identity, identity)
			}
			mine = row
		case !same:
		case row.Marker != nil:
			return nil, false, fmt.Errorf("refund %q, booked for %s: %w", identity, *row.Marker, bulk.ErrBoundElsewhere)
		case imported == nil || sameID(row.PSPRefundID, r.PSPRefundID): // the PSP's id is the surer one
			imported = row
		}
	}
	if mine != nil {
		return mine, imported != nil, nil
	}
	return imported, false, nil
}

// sameID compares two ids; an empty id is no id.
func sameID(a, b string) bool { return a != "" && a == b }

// differ tells whether two refunds, by their ids of both kinds, are certainly two.
func differ(psp, psp2, id, id2 string) bool {
	return psp != "" && psp2 != "" && psp != psp2 || id != "" && id2 != "" && id != id2
}

// proven holds the invariant that an instruction is issued, or pending, only by a
// booked refund of PortOne's that says so.
func (t tx) proven(ctx context.Context, s bulk.Settlement) error {
	want := reconcile.Success
	switch s.State {
	case bulk.Issued:
	case bulk.Pending:
		want = reconcile.Pending
	default:
		return nil
	}
	var has reconcile.BookedStatus
	if _, err := t.get(ctx, &has, `SELECT status FROM refunds WHERE marker = ?`, s.Marker); err != nil {
		return err
	}
	if has != want {
		return fmt.Errorf("it can't be %s: its booked refund's status is %q", s.State, has)
	}
	return nil
}
