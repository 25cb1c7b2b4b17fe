package ledger

import (
	"context"
	"fmt"

	"refunds/bulk"
	"refunds/portone"
)

// orderRow is an order as its table has it.
type orderRow struct {
	OrderRef           string           `db:"order_ref"`
	MerchantOrderRef   string           `db:"merchant_order_ref"`
	Minor              int64            `db:"amount_minor"`
	Currency           portone.Currency `db:"currency"`
	Channel            string           `db:"channel"`
	RefundAllowed      *bool            `db:"refund_allowed"`
	MultiRefundAllowed *bool            `db:"multi_refund_allowed"`
	Confirmed          bool             `db:"confirmed"`
	PaidAt             stamp            `db:"paid_at"`
	Version            int64            `db:"version"`
	Echoes             bool             `db:"echoes"`
}

const orderColumns = `o.order_ref, o.merchant_order_ref, o.amount_minor, o.currency, o.channel, o.refund_allowed,
	o.multi_refund_allowed, o.confirmed, o.paid_at`

const insertOrders = `INSERT INTO orders (order_ref, merchant_order_ref, amount_minor, currency, channel, refund_allowed,
	multi_refund_allowed, confirmed, paid_at)`

func (r orderRow) order() bulk.Order {
	return bulk.Order{
		OrderRef: r.OrderRef, MerchantOrderRef: r.MerchantOrderRef,
		Amount: portone.Money{Minor: r.Minor, Currency: r.Currency}, Channel: r.Channel,
		RefundAllowed: r.RefundAllowed, MultiRefundAllowed: r.MultiRefundAllowed, Confirmed: r.Confirmed, PaidAt: r.PaidAt.Time,
	}
}

func orderValues(o bulk.Order) []any {
	return []any{o.OrderRef, text(o.MerchantOrderRef), o.Amount.Minor, string(o.Amount.Currency), text(o.Channel),
		o.RefundAllowed, o.MultiRefundAllowed, o.Confirmed, at(o.PaidAt)}
}

// PutOrder implements bulk.Ledger.
func (d *DB) PutOrder(ctx context.Context, o bulk.Order) error {
	err := d.write(ctx, func(t tx) error {
		_, err := t.insert(ctx, insertOrders, [][]any{orderValues(o)}, `ON CONFLICT (order_ref) DO UPDATE SET
			refund_allowed = excluded.refund_allowed, multi_refund_allowed = excluded.multi_refund_allowed, confirmed = true
			WHERE excluded.confirmed AND orders.amount_minor = excluded.amount_minor AND orders.currency = excluded.currency`)
		return err
	})
	if err != nil {
		return fmt.Errorf("book order %s: %w", o.OrderRef, err)
	}
	return nil
}

// OrderRefs implements bulk.Intake.
func (d *DB) OrderRefs(ctx context.Context, merchantOrderRefs []string) (map[string][]string, error) {
	var found map[string][]string
	err := d.read(ctx, func(t tx) error {
		found = make(map[string][]string)
		for refs := range chunks(merchantOrderRefs) {
			var rows []struct {
				Merchant string `db:"merchant_order_ref"`
				OrderRef string `db:"order_ref"`
			}
			list, args := in(refs)
			if err := t.all(ctx, &rows, `SELECT merchant_order_ref, order_ref FROM orders
				WHERE merchant_order_ref <> '' AND merchant_order_ref IN `+list+` ORDER BY order_ref`, args...); err != nil {
				return err
			}
			for _, r := range rows {
				found[r.Merchant] = append(found[r.Merchant], r.OrderRef)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("resolve merchant order references: %w", err)
	}
	return found, nil
}
