package reports

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"refunds/portone"
	"refunds/reconcile"
)

// counts are what the tables hold, gathered as they are written.
type counts struct {
	orders orderCounts
	kinds  map[reconcile.Kind]kindCount
	total  kindCount
}

type kindCount struct{ open, carried, resolved int }

func (k *kindCount) add(f reconcile.Finding) {
	if f.State == reconcile.Resolved {
		k.resolved++
		return
	}
	k.open++
	if f.Carried {
		k.carried++
	}
}

var discrepancyColumns = []string{"discrepancy_id", "kind", "severity", "order_ref", "merchant_order_ref", "refund_id", "psp_refund_id",
	"instruction_id", "currency", "ledger_amount", "portone_amount", "difference", "ledger_status", "portone_status", "first_seen",
	"age_days", "state", "note"}

// writeDiscrepancies writes every finding of the run, the gravest kind first, then by order.
func writeDiscrepancies(ctx context.Context, w *writer, src Source, run reconcile.Run, c *counts) error {
	out := csv.NewWriter(w)
	if err := out.Write(discrepancyColumns); err != nil {
		return err
	}
	for _, k := range reconcile.Kinds() {
		e, err := k.Explain()
		if err != nil {
			return err
		}
		n := kindCount{}
		if err := src.EachDiscrepancy(ctx, run.ID, k, func(f reconcile.Finding) error {
			n.add(f)
			c.total.add(f)
			return writeRow(out, f.ID, string(k), string(e.Severity), f.OrderRef, f.MerchantOrderRef, f.RefundID, f.PSPRefundID,
				f.InstructionID, f.Currency(), plain(f.Ledger), plain(f.Portone), plain(f.Difference), f.LedgerStatus, f.PortoneStatus,
				f.FirstSeen.UTC().Format(time.RFC3339), strconv.Itoa(f.AgeDays(run)), string(f.State), note(f))
		}); err != nil {
			return err
		}
		c.kinds[k] = n
	}
	out.Flush()
	return out.Error()
}

// note adds to a finding's own note what its run has to say.
func note(f reconcile.Finding) string {
	if !f.Carried {
		return f.Note
	}
	return strings.TrimSpace(f.Note + " The order could not be read this time; this is how it was told last.")
}

var orderColumns = []string{"order_ref", "merchant_order_ref", "verdict", "discrepancies", "currency", "order_amount", "ledger_refunded",
	"portone_refunded", "difference", "reason"}

// writeOrders writes every order of the run. Of an unchecked one no refunded amount is told.
func writeOrders(ctx context.Context, w *writer, src Source, run reconcile.Run, c *counts) error {
	out := csv.NewWriter(w)
	if err := out.Write(orderColumns); err != nil {
		return err
	}
	if err := src.EachOrder(ctx, run.ID, func(l reconcile.OrderLine) error {
		c.orders.add(l)
		amount, ledger, listed, difference := "", "", "", ""
		if l.Amount.Currency != "" {
			amount = l.Amount.String()
		}
		if l.Verdict != reconcile.OrderUnchecked {
			ledger, listed, difference = l.Ledger.String(), l.Portone.String(), l.Ledger.Sub(l.Portone).String()
		}
		return writeRow(out, l.OrderRef, l.MerchantOrderRef, string(l.Verdict), strconv.Itoa(l.Found), string(l.Amount.Currency),
			amount, ledger, listed, difference, l.Reason)
	}); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func writeRow(out *csv.Writer, cells ...string) error {
	for i, c := range cells {
		cells[i] = defuse(c)
	}
	return out.Write(cells)
}

// defuse keeps a spreadsheet from taking a cell for a formula.
func defuse(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) || isNumber(cell) {
		return cell
	}
	return "'" + cell
}

// isNumber tells of a plain decimal, such as the difference -0.50.
func isNumber(s string) bool {
	whole, frac, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && (!point || digits(frac))
}

// plain is an amount in major units for a machine; "" where there is none.
func plain(m *portone.Money) string {
	if m == nil {
		return ""
	}
	return m.String()
}
