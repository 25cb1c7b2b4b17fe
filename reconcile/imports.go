package reconcile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

// The two files that are imported into the ledger. Both are read by the rules of
// bulk's tables; a file with any fault is not to be imported at all.

var orderTable = &bulk.Table{Columns: []bulk.Column{
	{Name: "order_ref", Required: true, Rule: bulk.JudgeReference, ID: true, Order: true, Aliases: bulk.OrderRefAliases},
	{Name: "amount", Required: true, Amount: true, Aliases: []string{"order_amount", "paid_amount"}},
	{Name: "currency", Required: true, Rule: bulk.JudgeCurrency, Aliases: bulk.CurrencyAliases},
	{Name: "channel", Required: true, Rule: bulk.JudgeReference, Aliases: bulk.ChannelAliases},
	{Name: "merchant_order_ref", Rule: bulk.JudgeReference, ID: true, Order: true, Aliases: bulk.MerchantOrderRefAliases},
	{Name: "paid_at", Rule: bulk.JudgeTime, Aliases: []string{"payment_date", "paid_on"}},
}}

type orderCells struct {
	OrderRef         string `csv:"order_ref"`
	Amount           string `csv:"amount"`
	Currency         string `csv:"currency"`
	Channel          string `csv:"channel"`
	MerchantOrderRef string `csv:"merchant_order_ref"`
	PaidAt           string `csv:"paid_at"`
}

// ReadOrders reads a file of orders. paid_at is RFC 3339 with its zone, or a day, which
// is 00:00 UTC of it. An order may stand in the file once. The error is one of
// reading; with any fault, the orders are not all that the file holds.
func ReadOrders(name string, r io.Reader, limits bulk.Limits) ([]bulk.Order, []bulk.Fault, error) {
	var orders []bulk.Order
	f := newImported(name, limits)
	rd, err := bulk.ReadTable(r, orderTable, limits, func(rec *bulk.Record[orderCells]) {
		c := rec.Values
		f.once(rec.Line, rec.Fault, "order_ref", c.OrderRef)
		orders = append(orders, bulk.Order{OrderRef: c.OrderRef, MerchantOrderRef: c.MerchantOrderRef, Channel: c.Channel,
			Amount: f.money(rec.Line, c.Amount, c.Currency), PaidAt: f.time(rec.Line, c.PaidAt)})
	}, nil)
	faults, err := f.end(rd, err)
	return orders, faults, err
}

// orderRefTable takes a list of references, or a file of orders as it is.
var orderRefTable = func() *bulk.Table {
	t := bulk.Table{Columns: slices.Clone(orderTable.Columns)}
	for i := range t.Columns {
		t.Columns[i].Required = t.Columns[i].Name == "order_ref"
	}
	return &t
}()

// ReadOrderRefs reads the references of a file with a column order_ref, and perhaps the other
// columns of orders. The error is one of reading; with any fault, the references are not
// all that the file holds.
func ReadOrderRefs(name string, r io.Reader, limits bulk.Limits) ([]string, []bulk.Fault, error) {
	var refs []string
	f := newImported(name, limits)
	rd, err := bulk.ReadTable(r, orderRefTable, limits, func(rec *bulk.Record[orderCells]) {
		refs = append(refs, rec.Values.OrderRef)
	}, nil)
	faults, err := f.end(rd, err)
	return refs, faults, err
}

var bookedTable = &bulk.Table{Columns: []bulk.Column{
	{Name: "order_ref", Required: true, Rule: bulk.JudgeReference, ID: true, Order: true, Aliases: bulk.OrderRefAliases},
	{Name: "amount", Required: true, Amount: true, Aliases: []string{"refund_amount"}},
	{Name: "currency", Required: true, Rule: bulk.JudgeCurrency, Aliases: bulk.CurrencyAliases},
	{Name: "status", Required: true, Rule: judgeStatus, Aliases: []string{"refund_status"}},
	{Name: "refunded_at", Required: true, Rule: bulk.JudgeTime, Aliases: []string{"refund_date", "refunded_on"}},
	{Name: "refund_id", Rule: bulk.JudgeID, ID: true},
	{Name: "psp_refund_id", Rule: bulk.JudgeID, ID: true},
	{Name: "reason", Rule: bulk.JudgeNote, Aliases: []string{"refund_reason"}},
}}

type bookedCells struct {
	OrderRef    string `csv:"order_ref"`
	Amount      string `csv:"amount"`
	Currency    string `csv:"currency"`
	Status      string `csv:"status"`
	RefundedAt  string `csv:"refunded_at"`
	RefundID    string `csv:"refund_id"`
	PSPRefundID string `csv:"psp_refund_id"`
	Reason      string `csv:"reason"`
}

// ReadBooked reads a file of refunds that were made elsewhere, so without marker and
// instruction. refunded_at is as in ReadOrders. One refund_id or psp_refund_id may stand
// in the file once; rows without either are refunds of their own, also when they are
// equal. The error is one of reading; with any fault, the refunds are not all that the
// file holds.
func ReadBooked(name string, r io.Reader, limits bulk.Limits) ([]Booked, []bulk.Fault, error) {
	var refunds []Booked
	f := newImported(name, limits)
	rd, err := bulk.ReadTable(r, bookedTable, limits, func(rec *bulk.Record[bookedCells]) {
		c := rec.Values
		f.once(rec.Line, rec.Fault, "refund_id", c.RefundID)
		f.once(rec.Line, rec.Fault, "psp_refund_id", c.PSPRefundID)
		status, _ := parseStatus(c.Status)
		refunds = append(refunds, Booked{OrderRef: c.OrderRef, Amount: f.money(rec.Line, c.Amount, c.Currency), Status: status,
			RefundID: c.RefundID, PSPRefundID: c.PSPRefundID, Reason: c.Reason, RefundedAt: f.time(rec.Line, c.RefundedAt)})
	}, nil)
	faults, err := f.end(rd, err)
	return refunds, faults, err
}

// parseStatus takes the ledger's words and PortOne's (IN_QUEUE is its word for a refund
// that a person has to settle in the portal), in any case.
func parseStatus(v string) (BookedStatus, bool) {
	switch strings.ToUpper(v) {
	case "SUCCESS":
		return Success, true
	case "PENDING", "IN_QUEUE":
		return Pending, true
	case "FAILED":
		return Failed, true
	}
	return "", false
}

func judgeStatus(v string) string {
	if _, ok := parseStatus(v); ok {
		return ""
	}
	return "is not a status; write success, pending or failed"
}

// imported is one file while it is read.
type imported struct {
	name   string
	seen   map[string]int // column and value → line
	faults []bulk.Fault   // of rows that stand there twice, the first max of count
	count  int
	max    int
	err    error
}

func newImported(name string, l bulk.Limits) *imported {
	return &imported{name: name, seen: map[string]int{}, max: l.OrDefault().Faults}
}

func (f *imported) once(line int, fault func(code, column, message string) bulk.Fault, column, value string) {
	if value == "" {
		return
	}
	key := column + "=" + value
	if first, ok := f.seen[key]; ok {
		if f.count++; f.count <= f.max {
			f.faults = append(f.faults, fault(bulk.CodeTwice, column, fmt.Sprintf("stands on line %d already; remove one of the two rows", first)))
		}
		return
	}
	f.seen[key] = line
}

func (f *imported) money(line int, amount, currency string) portone.Money {
	c, err := portone.ParseCurrency(currency)
	f.judgedGood(line, err)
	m, err := portone.ParseMoney(amount, c)
	f.judgedGood(line, err)
	return m
}

func (f *imported) time(line int, v string) time.Time {
	if v == "" {
		return time.Time{}
	}
	t, err := bulk.ParseTime(v)
	f.judgedGood(line, err)
	return t
}

// judgedGood holds the program to its word.
func (f *imported) judgedGood(line int, err error) {
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("line %d was judged good: %w", line, err)
	}
}

func (f *imported) end(rd *bulk.Reading, err error) ([]bulk.Fault, error) {
	if err == nil {
		err = f.err
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	faults := append(rd.Faults, f.faults...)
	slices.SortStableFunc(faults, func(a, b bulk.Fault) int { return a.Line - b.Line })
	faults = faults[:min(len(faults), f.max)]
	if more := rd.FaultCount + f.count - len(faults); more > 0 {
		faults = append(faults, bulk.Fault{Code: bulk.CodeFile, Message: fmt.Sprintf("%d more faults are not shown", more)})
	}
	return faults, nil
}
