package reports

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"refunds/portone"
	"refunds/reconcile"
)

var (
	//go:embed report.gohtml
	pageText string
	//go:embed style.css
	style string

	page = template.Must(template.New("").Parse(pageText))
)

// Rows shown on the page of one kind, and of unchecked orders; all are in the CSV files.
const (
	maxRows      = 5000
	maxUnchecked = 500
)

// writeHTML writes the page piece by piece, so that it takes no more memory with more rows.
func writeHTML(ctx context.Context, w *writer, src Source, run reconcile.Run, c *counts) error {
	h, err := heading(run, c)
	if err != nil {
		return err
	}
	if err := page.ExecuteTemplate(w, "head", h); err != nil {
		return err
	}
	for _, k := range h.Kinds {
		if err := writeKind(ctx, w, src, run, k); err != nil {
			return err
		}
	}
	if err := writeUnchecked(ctx, w, src, run, c.orders.Unchecked); err != nil {
		return err
	}
	return page.ExecuteTemplate(w, "tail", run.ID)
}

// head is what the top of the page says.
type head struct {
	Verdict, VerdictClass, Sign            string
	Sentences                              []string
	Environment                            string
	EnvironmentClass                       string
	EnvironmentMeans                       string
	Window, WindowMeans, When, Orders, Run string
	Money                                  []moneySummary
	Roll                                   rollWords
	Outside                                string
	Kinds                                  []kindHead
	Open, Resolved                         string
	NoneMeans                              string
	Style                                  template.CSS
}

type rollWords struct {
	Opening, New, Resolved, Closing string
	Money                           []rollMoneySum
}

type kindHead struct {
	Kind                  reconcile.Kind
	Severity              reconcile.Severity
	SeverityWord, Title   string
	Means, Next           string
	Open, Resolved, Count string
	rows                  int
}

func heading(run reconcile.Run, c *counts) (head, error) {
	h := head{Run: run.ID, Window: capital(run.Window.String()), WindowMeans: windowMeans(run.Window.Kind), When: when(run), Orders: orders(c.orders), Style: template.CSS(style),
		Open: thousands(c.total.open), Resolved: thousands(c.total.resolved),
		Roll: rollWords{thousands(run.Roll.Opening), thousands(run.Roll.New), thousands(run.Roll.Resolved), thousands(run.Roll.Closing), nil}}
	if err := h.verdict(run, c); err != nil {
		return h, err
	}
	h.EnvironmentClass = string(run.Environment)
	switch run.Environment {
	case portone.Sandbox:
		h.Environment, h.EnvironmentMeans = "SANDBOX: no real money", "PortOne's sandbox, where payments and refunds are play. No real money is on this page."
	case portone.Live:
		h.Environment, h.EnvironmentMeans = "LIVE: real money", "PortOne live: every amount on this page is real money."
	default:
		return h, fmt.Errorf("the run's environment is %q", run.Environment)
	}
	for _, m := range run.Sums {
		signed := func(minor int64) string { return signed(portone.Money{Minor: minor, Currency: m.Currency}) }
		amount := func(minor int64) string { return forPeople(portone.Money{Minor: minor, Currency: m.Currency}) }
		h.Money = append(h.Money, moneySummary{m.Currency, amount(m.Ledger), amount(m.Portone), signed(m.Difference()), signed(m.Explained), signed(m.Waiting())})
	}
	for _, m := range run.Roll.Money {
		signed := func(minor int64) string { return signed(portone.Money{Minor: minor, Currency: m.Currency}) }
		h.Roll.Money = append(h.Roll.Money, rollMoneySum{m.Currency, signed(m.Opening), signed(m.New), signed(m.Changed), signed(m.Resolved), signed(m.Closing)})
	}
	if n := run.Roll.Outside; n > 0 {
		h.Outside = plural(n, "of those open now is on an order", "of those open now are on orders") + " that this run did not look at."
	}
	for _, k := range reconcile.Kinds() {
		n := c.kinds[k]
		if n == (kindCount{}) {
			continue
		}
		e, err := k.Explain()
		if err != nil {
			return h, err
		}
		h.Kinds = append(h.Kinds, kindHead{Kind: k, Severity: e.Severity, SeverityWord: capital(string(e.Severity)), Title: e.Title, Means: e.Means, Next: e.Next,
			Open: thousands(n.open), Resolved: thousands(n.resolved), Count: countWords(n), rows: n.open + n.resolved})
	}
	return h, nil
}

// verdict says in words what the run came to, first in one word or two.
func (h *head) verdict(run reconcile.Run, c *counts) error {
	o := c.orders
	say := func(format string, args ...any) { h.Sentences = append(h.Sentences, fmt.Sprintf(format, args...)) }
	found := fmt.Sprintf("%s on %s.", plural(c.total.open-c.total.carried, "discrepancy", "discrepancies"), plural(o.Differing, "order", "orders"))
	agreed := fmt.Sprintf("On the other %s, ledger and PortOne agree.", plural(o.Clean, "order", "orders"))
	h.VerdictClass = string(run.Verdict)
	switch run.Verdict {
	case reconcile.Clean:
		h.Sign, h.Verdict = "✓", "Clean"
		if o.Total == 0 {
			say("No order falls in this window, so there was nothing to compare.")
		} else {
			say("Our ledger and PortOne agree on the refunds of %s.", all(o.Total))
		}
		h.NoneMeans = "Ledger and PortOne agree."
	case reconcile.Discrepancies:
		h.Sign, h.Verdict = "▲", "Discrepancies found"
		say("%s", capital(found))
		say("%s", agreed)
	case reconcile.Incomplete:
		h.Sign, h.Verdict = "■", "Incomplete"
		if run.Stopped != "" {
			say("The run ended early: %s.", run.Stopped)
		}
		if o.Unchecked > 0 {
			say("%s of %s could not be read, so nothing can be said of them.", thousands(o.Unchecked), plural(o.Total, "order", "orders"))
		}
		if n := c.total.open - c.total.carried; n > 0 {
			say("Among those that were read: %s", found)
		} else {
			say("Among those that were read, there is no discrepancy.")
		}
		if n := c.total.carried; n > 0 {
			say("%s from earlier runs could not be looked at again.", capital(plural(n, "discrepancy", "discrepancies")))
		}
		h.NoneMeans = "That is true only of the orders that were read."
	default:
		return fmt.Errorf("the run's verdict is %q", run.Verdict)
	}
	return nil
}

func writeKind(ctx context.Context, w *writer, src Source, run reconcile.Run, k kindHead) error {
	if err := page.ExecuteTemplate(w, "kind", k); err != nil {
		return err
	}
	n := 0
	if err := src.EachDiscrepancy(ctx, run.ID, k.Kind, func(f reconcile.Finding) error {
		if n++; n > maxRows {
			return nil
		}
		return page.ExecuteTemplate(w, "row", rowOf(f, run))
	}); err != nil {
		return err
	}
	return page.ExecuteTemplate(w, "kindend", rest(k.rows, maxRows, "discrepancies.csv"))
}

func writeUnchecked(ctx context.Context, w *writer, src Source, run reconcile.Run, unchecked int) error {
	if err := page.ExecuteTemplate(w, "unchecked", unchecked > 0); err != nil || unchecked == 0 {
		return err
	}
	n := 0
	if err := src.EachOrder(ctx, run.ID, func(l reconcile.OrderLine) error {
		if l.Verdict != reconcile.OrderUnchecked {
			return nil
		}
		if n++; n > maxUnchecked {
			return nil
		}
		return page.ExecuteTemplate(w, "uncheckedrow", l)
	}); err != nil {
		return err
	}
	return page.ExecuteTemplate(w, "uncheckedend", rest(unchecked, maxUnchecked, "orders.csv"))
}

// row is one discrepancy, both sides beside each other.
type row struct {
	Class, ID, OrderRef, Merchant string
	Ledger, LedgerStatus          string
	Portone, PortoneStatus        string
	Difference, Since, Age, Note  string
	Refs                          []ref
}

type ref struct{ Name, Value string }

func rowOf(f reconcile.Finding, run reconcile.Run) row {
	r := row{ID: f.ID, OrderRef: f.OrderRef, Merchant: f.MerchantOrderRef, Ledger: side(f.Ledger), LedgerStatus: f.LedgerStatus,
		Portone: side(f.Portone), PortoneStatus: f.PortoneStatus, Difference: "not known", Note: note(f),
		Since: f.FirstSeen.In(run.Window.Location()).Format(time.DateOnly), Age: age(f.AgeDays(run))}
	if f.Ledger != nil && f.Portone != nil && f.Ledger.Currency != f.Portone.Currency {
		r.Difference = "two currencies"
	}
	if f.Difference != nil {
		r.Difference = signed(*f.Difference) + " " + string(f.Difference.Currency)
	}
	for _, x := range []ref{{"PSP", f.PSPRefundID}, {"PortOne", f.RefundID}, {"row", f.InstructionID}} {
		if x.Value != "" {
			r.Refs = append(r.Refs, x)
		}
	}
	if f.State == reconcile.Resolved {
		r.Class, r.Age = "resolved", "resolved now"
	}
	if r.Note != "" {
		r.Class = strings.TrimSpace(r.Class + " noted")
	}
	return r
}
