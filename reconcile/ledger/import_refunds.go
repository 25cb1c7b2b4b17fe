package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
)

// ImportRefunds books refunds that the ledger lacks, found by psp_refund_id, else
// refund_id, else marker (also one at the front of the reason), else content, where
// the second of two equal rows of one import is a second refund. It may be run again.
// A pending refund that is now told as final settles. Any row that contradicts what
// is booked, or whose order the ledger lacks, is a fault: err is then Faults with all
// of them, and nothing is booked.
func (d *DB) ImportRefunds(ctx context.Context, refunds []reconcile.Booked, now time.Time) (added, same int, err error) {
	var faults Faults
	err = d.write(ctx, func(t tx) error {
		if err := t.serialize(ctx); err != nil {
			return err
		}
		im := importer{tx: t, now: now, content: map[string]int{}, orders: map[string][]*refundRow{}, changed: map[string]bool{}}
		for part := range chunks(refunds) {
			if err := im.load(ctx, part); err != nil {
				return err
			}
			for _, b := range part {
				if err := im.take(ctx, b); err != nil {
					return err
				}
			}
		}
		added, same, faults = len(im.rows), im.same, im.faults
		if len(faults) > 0 {
			return errUndo
		}
		return im.book(ctx, len(refunds))
	})
	switch {
	case err == errUndo:
		return 0, 0, faults
	case err != nil:
		return 0, 0, fmt.Errorf("import refunds: %w", err)
	}
	return added, same, nil
}

// An importer is one run of ImportRefunds within its transaction.
type importer struct {
	tx
	now     time.Time
	n       int                     // rows taken
	content map[string]int          // how often a content came
	orders  map[string][]*refundRow // of orders that the ledger has: what is booked, this import included
	changed map[string]bool         // orders whose refunds this import changes
	rows    [][]any
	same    int
	faults  Faults
}

// load reads the orders of part, and what is booked for them.
func (im *importer) load(ctx context.Context, part []reconcile.Booked) error {
	var refs []string
	asked := map[string]bool{}
	for _, b := range part {
		if _, has := im.orders[b.OrderRef]; !has && !asked[b.OrderRef] {
			asked[b.OrderRef] = true
			refs = append(refs, b.OrderRef)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	list, args := in(refs)
	var there []string
	lock := "" // what is read here must stay so until it is booked
	if im.engine == postgres {
		lock = " ORDER BY order_ref FOR UPDATE"
	}
	if err := im.all(ctx, &there, `SELECT order_ref FROM orders WHERE order_ref IN `+list+lock, args...); err != nil {
		return err
	}
	for _, ref := range there {
		im.orders[ref] = nil
	}
	var rows []refundRow
	if err := im.all(ctx, &rows, `SELECT `+refundColumns+` FROM refunds WHERE order_ref IN `+list+` ORDER BY id`, args...); err != nil {
		return err
	}
	for i := range rows {
		im.orders[rows[i].OrderRef] = append(im.orders[rows[i].OrderRef], &rows[i])
	}
	return nil
}

func (im *importer) fault(b reconcile.Booked, format string, args ...any) {
	im.faults = append(im.faults, Fault{im.n, b.OrderRef, fmt.Sprintf(format, args...)})
}

// take decides on one row.
func (im *importer) take(ctx context.Context, b reconcile.Booked) error {
	im.n++
	identity := im.identity(b)
	booked, has := im.orders[b.OrderRef]
	if !has {
		im.fault(b, "the ledger lacks the order: import the orders first (refunds orders import)")
		return nil
	}
	row := find(booked, b, identity)
	switch {
	case row == nil:
		im.add(b, identity)
	case row.Minor != b.Amount.Minor || row.Currency != b.Amount.Currency:
		has := money(row.Minor, row.Currency)
		im.fault(b, "refund %s is booked with %s %s, not %s %s; correct the file, or leave the row out and let reconciliation name the difference",
			row.Identity, has, has.Currency, b.Amount, b.Amount.Currency)
	case row.Marker == nil && row.Status != b.Status && row.Status != reconcile.Pending && b.Status != reconcile.Pending:
		im.fault(b, "refund %s is booked as %s, not %s; correct the file, or leave the row out and let reconciliation name the difference",
			row.Identity, row.Status, b.Status)
	default:
		im.same++
		return im.settle(ctx, row, b)
	}
	return nil
}

func (im *importer) add(b reconcile.Booked, identity string) {
	im.rows = append(im.rows, []any{b.OrderRef, identity, "import", text(b.RefundID), text(b.PSPRefundID), b.Amount.Minor,
		string(b.Amount.Currency), string(b.Status), "", text(b.Reason), at(b.RefundedAt), at(im.now)})
	im.changed[b.OrderRef] = true
	im.orders[b.OrderRef] = append(im.orders[b.OrderRef], &refundRow{
		OrderRef: b.OrderRef, Identity: identity, RefundID: b.RefundID, PSPRefundID: b.PSPRefundID,
		Minor: b.Amount.Minor, Currency: b.Amount.Currency, Status: b.Status,
	})
}

// settle takes over a final status of an imported refund that is booked as pending.
// One that belongs to an instruction is settled by PortOne's list alone.
func (im *importer) settle(ctx context.Context, row *refundRow, b reconcile.Booked) error {
	if row.Marker != nil || row.ID == 0 || row.Status != reconcile.Pending || b.Status == reconcile.Pending {
		return nil
	}
	im.changed[b.OrderRef] = true
	row.Status = b.Status
	if _, err := im.exec(ctx, `UPDATE refunds SET status = ?, told_at = ? WHERE id = ?`, string(b.Status), at(im.now), row.ID); err != nil {
		return err
	}
	return im.log(ctx, event{at: im.now, kind: "refund_settled", orderRef: b.OrderRef,
		data: map[string]any{"identity": row.Identity, "status": b.Status}})
}

// book inserts what was found new. It raises the orders' versions first, since a
// baseline must show what is booked.
func (im *importer) book(ctx context.Context, rows int) error {
	refs := make([]string, 0, len(im.changed))
	for ref := range im.changed {
		refs = append(refs, ref)
	}
	for part := range chunks(refs) {
		list, args := in(part)
		if _, err := im.exec(ctx, `UPDATE orders SET version = version + 1 WHERE order_ref IN `+list, args...); err != nil {
			return err
		}
	}
	if _, err := im.insert(ctx, `INSERT INTO refunds (order_ref, identity, source, refund_id, psp_refund_id, amount_minor, currency,
		status, portone_status, reason, refunded_at, told_at)`, im.rows, ""); err != nil {
		return err
	}
	return im.log(ctx, event{at: im.now, kind: "refunds_imported", data: map[string]any{
		"rows": rows, "added": len(im.rows), "same": im.same}})
}

// identity is what tells an imported refund from the others of its order. For equal
// rows without an id it counts.
func (im *importer) identity(b reconcile.Booked) string {
	switch {
	case b.PSPRefundID != "":
		return "psp:" + text(b.PSPRefundID)
	case b.RefundID != "":
		return "id:" + text(b.RefundID)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		b.OrderRef, b.Amount.String(), string(b.Amount.Currency), at(b.RefundedAt).Format(stampFormat), b.Reason}, "\x1f")))
	content := "content:" + hex.EncodeToString(sum[:16])
	im.content[content]++
	return fmt.Sprintf("%s#%d", content, im.content[content])
}

// find is the booked refund that b is; nil: none.
func find(booked []*refundRow, b reconcile.Booked, identity string) *refundRow {
	marker := b.Marker
	if first, _, _ := strings.Cut(b.Reason, " "); marker == "" && len(first) == bulk.MarkerLength {
		marker = first
	}
	var found *refundRow
	for _, r := range booked {
		switch {
		case sameID(r.PSPRefundID, b.PSPRefundID):
			return r
		case r.PSPRefundID != "" && b.PSPRefundID != "": // certainly another
		case r.Identity == identity, sameID(r.RefundID, b.RefundID), r.Marker != nil && *r.Marker == marker:
			found = r
		}
	}
	return found
}

// money is an amount's two columns as a value.
func money(minor int64, c portone.Currency) portone.Money {
	return portone.Money{Minor: minor, Currency: c}
}
