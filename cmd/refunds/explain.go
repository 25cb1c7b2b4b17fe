package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
)

type explainCmd struct {
	ID string `arg:"" help:"An order_ref; or a merchant_order_ref, instruction_id, marker, refund_id, psp_refund_id or discrepancy_id of its story."`
}

func (c *explainCmd) Help() string {
	return `It tells the whole story of one order on one screen, in the order of time: the file and line that asked for a refund, each attempt, what PortOne answered and what that was taken for, who decided what, which refunds PortOne lists and the ledger has booked, and each discrepancy. It reads the ledger alone: it needs no keys, asks PortOne nothing and changes nothing.

Exit 0 when nothing of the order is left to look at, 1 when something is, 3 when something is not settled yet, 2 when the ledger knows nothing of that name.`
}

func (c *explainCmd) Run(ctx context.Context, a *app) (err error) {
	cfg, err := a.check(false)
	if err != nil {
		return err
	}
	db, err := a.openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	refs, err := db.FindOrders(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return fmt.Errorf("the ledger knows no order, instruction, refund or discrepancy %q; refunds status lists its batches", c.ID)
	}
	var states []bulk.State
	open := 0
	for _, ref := range refs {
		s, err := db.Story(ctx, ref)
		if err != nil {
			return err
		}
		tell(a.out, s, cfg.zone)
		for _, r := range s.Rows {
			states = append(states, r.State)
		}
		for _, d := range s.Discrepancies {
			if d.State == reconcile.Open {
				open++
			}
		}
	}
	if err := code(states); err != nil || open == 0 {
		return err
	}
	return exit{code: exitFindings}
}

// A chapter is one line of a story.
type chapter struct {
	at   time.Time
	what string
	text string
}

// tell writes a story: the order, its rows as they stand, and then all that happened.
func tell(w io.Writer, s ledger.Story, zone *time.Location) {
	fmt.Fprintf(w, "order %s", s.OrderRef)
	if o := s.Order; o == nil {
		fmt.Fprint(w, "  (the ledger does not have the order itself)")
	} else {
		fmt.Fprintf(w, "  %s %s", grouped(o.Amount.String()), o.Amount.Currency)
		for _, part := range [][2]string{{"  channel ", o.Channel}, {"  merchant_order_ref ", o.MerchantOrderRef}} {
			if part[1] != "" {
				fmt.Fprint(w, part[0], printable(part[1]))
			}
		}
		if !o.PaidAt.IsZero() {
			fmt.Fprint(w, "  paid ", o.PaidAt.In(zone).Format(time.DateTime))
		}
	}
	fmt.Fprintf(w, "  (times in %s)\n", zone)
	told := map[string]bool{}
	for _, r := range s.Rows {
		if told[r.Marker] {
			continue
		}
		told[r.Marker] = true
		fmt.Fprintf(w, "  %s  %s %s  %s", printable(r.Handle()), r.Amount, r.Amount.Currency, r.State)
		if r.Code != "" {
			fmt.Fprintf(w, " (%s)", r.Code)
		}
		if r.Message != "" {
			fmt.Fprintf(w, ": %s", printable(r.Message))
		}
		fmt.Fprintln(w)
	}
	day := ""
	for _, c := range chapters(s, zone) {
		at := c.at.In(zone)
		if d := at.Format(time.DateOnly); d != day {
			day = d
			fmt.Fprintln(w, day)
		}
		fmt.Fprintf(w, "  %s  %-12s %s\n", at.Format(time.TimeOnly), c.what, c.text)
	}
}

// chapters puts everything of the story in the order of time. What happened at the same moment
// stands in the order of cause and effect.
func chapters(s ledger.Story, zone *time.Location) []chapter {
	names := map[string]string{}
	var all []chapter
	add := func(at time.Time, what, format string, args ...any) {
		all = append(all, chapter{at, what, fmt.Sprintf(format, args...)})
	}
	for _, r := range s.Rows {
		names[r.Marker] = printable(r.Handle())
		skipped := ""
		if r.Skipped {
			skipped = "; skipped, since an earlier row has it"
		}
		add(r.ReceivedAt, "file", "%s line %d (batch %s, row %d): refund %s %s as %s, %q%s", printable(r.FileName), r.Line, bulk.ShortID(r.BatchID), r.N,
			r.Amount, r.Amount.Currency, printable(r.Handle()), r.Reason, skipped)
	}
	attempts := map[string]bulk.Attempt{}
	for _, a := range s.Attempts {
		attempts[a.ID] = a
	}
	all = append(all, eventChapters(s, names, attempts, zone)...)
	for _, r := range s.Seen {
		add(r.FirstSeen, "listed", "PortOne lists %s: %s %s %s, %q, dated %s; seen last %s", bookName(r.PSPRefundID, r.RefundID, r.Identity),
			r.Amount, r.Amount.Currency, printable(string(r.Status)), r.Reason, when(r.Date, zone), when(r.LastSeen, zone))
	}
	for _, r := range s.Refunds {
		whose := "for no instruction"
		if name := names[r.Marker]; name != "" {
			whose = "for " + name
		}
		add(r.ToldAt, "booked", "%s: %s %s %s %s (by %s), refunded %s", bookName(r.PSPRefundID, r.RefundID, "a refund without an id"), r.Amount, r.Amount.Currency,
			r.Status, whose, r.Source, when(r.RefundedAt, zone))
	}
	for _, d := range s.Discrepancies {
		add(d.FirstSeen, "discrepancy", "%s %s: ledger %s, PortOne %s%s %s", d.ID, d.Kind, side(d.Ledger, d.LedgerStatus), side(d.Portone, d.PortoneStatus),
			difference(d.Difference), printable(d.Note))
		if !d.ResolvedAt.IsZero() {
			add(d.ResolvedAt, "resolved", "%s %s", d.ID, d.Kind)
		}
	}
	slices.SortStableFunc(all, func(x, y chapter) int { return x.at.Compare(y.at) })
	return all
}

// happened is what an event of the ledger's history says that a story tells.
type happened struct {
	From, To, State string
	Was             string
	Code            string `json:"reason_code"`
	Message         string
	Answer          *struct {
		HTTPStatus    int `json:"http_status"`
		Code, Message string
	}
	Refund *struct {
		Identity string
	}
	List   json.RawMessage
	Ruling *bulk.Ruling
}

// eventChapters tells the history. Reads that decided nothing are one line, however many.
func eventChapters(s ledger.Story, names map[string]string, attempts map[string]bulk.Attempt, zone *time.Location) []chapter {
	var all []chapter
	again := 0
	for _, e := range s.Events {
		var h happened
		if json.Unmarshal(e.Data, &h) != nil {
			h = happened{Message: printable(string(e.Data))}
		}
		name := names[e.Marker]
		attempt := name
		if a, ok := attempts[e.AttemptID]; ok {
			attempt = fmt.Sprintf("%s attempt %d", name, a.N)
		}
		c := chapter{at: e.At}
		looked := e.Kind == "settled" && h.From != "" && h.From == h.To
		switch {
		case looked && again > 0 && len(all) > 0 && all[len(all)-1].what == "looked":
			again++
			all[len(all)-1].text = fmt.Sprintf("%s: PortOne's list read %d times until %s; still %s", attempt, again, when(e.At, zone), h.State)
			continue
		case looked:
			again = 1
			c.what, c.text = "looked", fmt.Sprintf("%s: PortOne's list read; still %s", attempt, h.State)
		case e.Kind == "attempt_began":
			a := attempts[e.AttemptID]
			c.what, c.text = "attempt", fmt.Sprintf("%s: %s %s to be sent, %s left; its token lives until %s, its refund must be listed by %s", attempt, a.Amount, a.Amount.Currency,
				a.Baseline.Remaining, when(a.TokenExpires, zone), when(a.AbsentAt(), zone))
		case e.Kind == "settled" || e.Kind == "decided":
			c.what, c.text = h.chapter(attempt)
		default:
			c.what, c.text = printable(e.Kind), strings.TrimSpace(name+" "+printable(string(e.Data)))
		}
		all = append(all, c)
	}
	return all
}

// chapter tells what was concluded, and from what.
func (h happened) chapter(attempt string) (what, text string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", attempt)
	what = "settled"
	switch a := h.Answer; {
	case h.Ruling != nil:
		what = "decided"
		fmt.Fprintf(&b, "%s (%s at %s) says %s: %q; it was %s", printable(h.Ruling.By), printable(h.Ruling.User), printable(h.Ruling.Host),
			strings.TrimSpace(strings.ReplaceAll(string(h.Ruling.Verdict), "_", " ")+" "+printable(h.Ruling.Refund)), h.Ruling.Note, h.Was)
	case a != nil && a.HTTPStatus != 0:
		what = "answer"
		fmt.Fprintf(&b, "HTTP %d %s %s", a.HTTPStatus, printable(a.Code), printable(a.Message))
	case a != nil:
		what = "answer"
		fmt.Fprintf(&b, "none; %s", printable(a.Message))
	case len(h.List) > 0 && string(h.List) != "null":
		b.WriteString("by PortOne's list")
	}
	if h.To != "" {
		fmt.Fprintf(&b, " -> attempt %s", h.To)
	}
	fmt.Fprintf(&b, " -> %s", h.State)
	if h.Code != "" {
		fmt.Fprintf(&b, " (%s)", printable(h.Code))
	}
	if h.Refund != nil {
		fmt.Fprintf(&b, " by %s", printable(h.Refund.Identity))
	}
	return what, strings.Join(strings.Fields(b.String()), " ")
}

func when(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.In(zone).Format(time.DateTime)
}

// bookName is the surest id that a refund has.
func bookName(psp, id, other string) string {
	switch {
	case psp != "":
		return "psp:" + printable(psp)
	case id != "":
		return "ref:" + printable(id)
	}
	return printable(other)
}

// side is what one side of a discrepancy has.
func side(m *portone.Money, status string) string {
	if m == nil {
		return "nothing"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", m, m.Currency, printable(status)))
}

func difference(m *portone.Money) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf(", difference %s %s", m, m.Currency)
}
