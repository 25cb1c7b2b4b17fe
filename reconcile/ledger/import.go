package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"refunds/bulk"
)

// A Fault is a row of an import that the ledger does not take.
type Fault struct {
	N        int // of the row, from 1, as it was given
	OrderRef string
	Message  string // what is wrong and what to do
}

func (f Fault) String() string {
	return fmt.Sprintf("row %d: order %s: %s", f.N, f.OrderRef, f.Message)
}

// Faults are all those of one import, of which nothing was booked.
type Faults []Fault

// Error names the first ten.
func (f Faults) Error() string {
	var lines []string
	for _, x := range f[:min(10, len(f))] {
		lines = append(lines, x.String())
	}
	if more := len(f) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return "nothing was imported: " + strings.Join(lines, "; ")
}

// errUndo takes a transaction back without being a failure.
var errUndo = errors.New("undone")

// ImportOrders books orders that the ledger lacks and fills in what it does not know
// of the others. It may be run again. An order that is told differently from what is
// booked is corrected, and counted as added, while only an import has told of it and
// nothing rests on it; else it is a conflict: it stays as it is, and the rest is booked.
func (d *DB) ImportOrders(ctx context.Context, orders []bulk.Order, now time.Time) (added, same int, conflicts []Fault, err error) {
	err = d.write(ctx, func(t tx) error {
		added, same, conflicts = 0, 0, nil
		if err := t.serialize(ctx); err != nil {
			return err
		}
		seen := map[string]bulk.Order{} // of this import
		n := 0
		for part := range chunks(orders) {
			has, err := t.ordersByRef(ctx, part)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, o := range part {
				n++
				o.PaidAt = at(o.PaidAt).Time
				b, booked := has[o.OrderRef]
				found := booked
				if !found {
					b, found = seen[o.OrderRef]
				}
				if !found {
					seen[o.OrderRef] = o
					rows = append(rows, orderValues(o))
					continue
				}
				if m := orderDiffers(o, b); m != "" {
					if fixed, err := t.correctOrder(ctx, o, booked); err != nil {
						return err
					} else if fixed {
						added++
						continue
					}
					conflicts = append(conflicts, Fault{n, o.OrderRef, m})
					continue
				}
				same++
				if err := t.fillOrder(ctx, o, b); err != nil {
					return err
				}
			}
			// A single order may be booked by PutOrder at this moment: it is then there, which is as good.
			done, err := t.insert(ctx, insertOrders, rows, "ON CONFLICT (order_ref) DO NOTHING")
			if err != nil {
				return err
			}
			added += int(done)
			same += len(rows) - int(done)
		}
		return t.log(ctx, event{at: now, kind: "orders_imported", data: map[string]any{
			"rows": len(orders), "added": added, "same": same, "conflicts": conflicts}})
	})
	if err != nil {
		return 0, 0, nil, fmt.Errorf("import orders: %w", err)
	}
	return added, same, conflicts, nil
}

func (t tx) ordersByRef(ctx context.Context, orders []bulk.Order) (map[string]bulk.Order, error) {
	refs := make([]string, len(orders))
	for i, o := range orders {
		refs[i] = o.OrderRef
	}
	list, args := in(refs)
	var rows []orderRow
	err := t.all(ctx, &rows, `SELECT `+orderColumns+` FROM orders o WHERE o.order_ref IN `+list, args...)
	has := make(map[string]bulk.Order, len(rows))
	for _, r := range rows {
		has[r.OrderRef] = r.order()
	}
	return has, err
}

// orderDiffers says in what o contradicts what is booked, b; "" in nothing. What
// either leaves out contradicts nothing.
func orderDiffers(o, b bulk.Order) string {
	switch {
	case o.Amount != b.Amount:
		return fmt.Sprintf("it is booked with %s %s, not %s %s", b.Amount, b.Amount.Currency, o.Amount, o.Amount.Currency)
	case o.Channel != "" && b.Channel != "" && o.Channel != b.Channel:
		return fmt.Sprintf("it is booked with channel %s, not %s", b.Channel, o.Channel)
	case o.MerchantOrderRef != "" && b.MerchantOrderRef != "" && o.MerchantOrderRef != b.MerchantOrderRef:
		return fmt.Sprintf("it is booked with merchant_order_ref %s, not %s", b.MerchantOrderRef, o.MerchantOrderRef)
	case !o.PaidAt.IsZero() && !b.PaidAt.IsZero() && !o.PaidAt.Equal(b.PaidAt):
		return fmt.Sprintf("it is booked as paid at %s, not %s", b.PaidAt.Format(time.RFC3339), o.PaidAt.Format(time.RFC3339))
	}
	return ""
}

// correctOrder takes over what an import now tells of an order that an earlier one booked and
// that nothing rests on yet.
func (t tx) correctOrder(ctx context.Context, o bulk.Order, booked bool) (bool, error) {
	if !booked {
		return false, nil
	}
	n, err := t.exec(ctx, `UPDATE orders SET amount_minor = ?, currency = ?, channel = ?, merchant_order_ref = ?, paid_at = ?, version = version + 1
		WHERE order_ref = ? AND NOT confirmed
			AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.order_ref = orders.order_ref)
			AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.order_ref = orders.order_ref)`,
		o.Amount.Minor, string(o.Amount.Currency), text(o.Channel), text(o.MerchantOrderRef), at(o.PaidAt), o.OrderRef)
	return n > 0, err
}

// fillOrder adds to a booked order what only o knows.
func (t tx) fillOrder(ctx context.Context, o, b bulk.Order) error {
	knows := o.Channel != "" && b.Channel == "" || o.MerchantOrderRef != "" && b.MerchantOrderRef == "" ||
		!o.PaidAt.IsZero() && b.PaidAt.IsZero()
	if !knows {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE orders SET
			merchant_order_ref = CASE WHEN merchant_order_ref = '' THEN ? ELSE merchant_order_ref END,
			channel = CASE WHEN channel = '' THEN ? ELSE channel END,
			paid_at = coalesce(paid_at, ?) WHERE order_ref = ?`,
		text(o.MerchantOrderRef), text(o.Channel), at(o.PaidAt), o.OrderRef)
	return err
}
