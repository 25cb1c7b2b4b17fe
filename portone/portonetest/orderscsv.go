package portonetest

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"refunds/portone"
)

// LoadOrders reads the CSV that `refunds orders import` reads: order_ref, amount
// (major units), currency and channel, and if known merchant_order_ref and paid_at
// (RFC 3339, or a date alone: its midnight UTC), in any order of columns. The
// first fault is the error; then there are no orders.
func LoadOrders(r io.Reader) ([]Order, error) {
	b := bufio.NewReader(r)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = b.Discard(3) // what was peeked is there
	}
	in := csv.NewReader(b)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("orders: header: %w", err)
	}
	if err := checkHeader(header); err != nil {
		return nil, fmt.Errorf("orders: header: %w", err)
	}
	var orders []Order
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return orders, nil
		}
		if err != nil {
			return nil, fmt.Errorf("orders: %w", err) // it names the line
		}
		o, err := readOrder(header, cells)
		if err != nil {
			line, _ := in.FieldPos(0)
			return nil, fmt.Errorf("orders: line %d: %w", line, err)
		}
		orders = append(orders, o)
	}
}

func checkHeader(header []string) error {
	required := []string{"order_ref", "amount", "currency", "channel"}
	known := append(slices.Clone(required), "merchant_order_ref", "paid_at")
	for i, h := range header {
		if !slices.Contains(known, h) {
			return fmt.Errorf("unknown column %q; the columns are %s", h, strings.Join(known, ", "))
		}
		if slices.Contains(header[:i], h) {
			return fmt.Errorf("column %s is there twice", h)
		}
	}
	for _, r := range required {
		if !slices.Contains(header, r) {
			return fmt.Errorf("column %s is missing", r)
		}
	}
	return nil
}

func readOrder(header, cells []string) (o Order, err error) {
	var amount, currency string
	for i, c := range cells {
		switch header[i] {
		case "order_ref":
			o.OrderRef = c
		case "amount":
			amount = c
		case "currency":
			currency = c
		case "channel":
			o.Channel = c
		case "merchant_order_ref":
			o.MerchantOrderRef = c
		case "paid_at":
			if o.PaidAt, err = readTime(c); err != nil {
				return o, err
			}
		}
	}
	code, err := portone.ParseCurrency(currency)
	if err != nil {
		return o, err
	}
	if o.Amount, err = portone.ParseMoney(amount, code); err != nil {
		return o, err
	}
	return o, o.check()
}

func readTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("paid_at %q is neither like 2026-11-05T10:00:00Z nor like 2026-11-05", s)
	}
	return t, nil
}
