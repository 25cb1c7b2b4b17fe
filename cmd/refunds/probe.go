package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

type probeCmd struct {
	Order  string `required:"" placeholder:"ORDER_REF" help:"A sandbox order that may be refunded."`
	Amount string `required:"" placeholder:"N" help:"How much of it, in major units; twice as much must be left."`
}

func (c *probeCmd) Help() string {
	return `It finds out what PortOne does not document, by one small refund of the sandbox order that you name, through the same ledger and protocol as any other, and one POST with a token that has just expired, which PortOne must refuse:

  is an expired token refused on the refund route?   what stops a sender that was paused for minutes
  is the reason echoed by the order's channel?       whether lost answers can be looked up by their marker
  what lag does the list have, and what clock?       whether the bounds are wide enough

If the expired token is not refused, that is a second refund; it is booked, and told loudly. The findings are kept in the ledger and in probe.json of the home folder. They count for 30 days, for this client key. The policies retry and retry-if-capped rest on them: without them live refuses these, and the sandbox warns. A ledger belongs to one environment, so that of live has no probe of its own: set REFUNDS_PROBE there to the probe.json that the sandbox's left.

Exit 0: PortOne does what is assumed. 1: it does not, or could not be seen to. 2: trouble, or live. 3: stopped; what is under way is settled by refunds resolve.`
}

func (c *probeCmd) Run(ctx context.Context, a *app) (err error) {
	cfg, err := a.check(true)
	if err != nil {
		return err
	}
	if cfg.rules.Environment != portone.Sandbox {
		return errors.New("a probe makes refunds to see what happens, so it is refused in live; probe the sandbox with the same client key")
	}
	a.OnAbsent = string(bulk.Quarantine) // a probe sends nothing twice
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	order, err := r.portone.Order(ctx, c.Order)
	if err != nil {
		return err
	}
	amount, err := portone.ParseMoney(c.Amount, order.Amount.Currency)
	if err != nil {
		return fmt.Errorf("--amount: %w", err)
	}
	before, err := r.portone.Refunds(ctx, c.Order, amount.Currency)
	if err != nil {
		return err
	}
	if before.Remaining.Minor < 2*amount.Minor {
		return fmt.Errorf("%s %s is left of the order; a probe needs twice the amount, in case that the expired token is taken", before.Remaining, amount.Currency)
	}
	batch, raw := probeBatch(c.Order, amount, time.Now())
	for i := range batch.Rows {
		batch.Rows[i].Identify(r.rules.Environment, r.clientKey)
	}
	if err := storeUpload(r.Home, raw, batch.ID); err != nil {
		return err
	}
	if conflicts, err := r.db.Accept(ctx, batch); err != nil || len(conflicts) > 0 {
		return errors.Join(err, errors.New("the probe's rows could not be taken in"))
	}
	p := &prober{Client: r.portone, expired: batch.Rows[0].Marker, made: batch.Rows[1].Marker, ago: r.rules.Bounds.ClockError + time.Second, before: before, order: c.Order}
	fmt.Fprintf(a.out, "probing order %s (%s, %s): a POST with an expired token, then a refund of %s %s\n", c.Order, order.Channel, r.rules.Environment, amount, amount.Currency)
	r.issuer.PortOne = p
	if err := r.issuer.Issue(ctx, batch.ID, []string{c.Order}); err != nil {
		return fmt.Errorf("the probe could not be ended: %w; refunds resolve settles what is under way", err)
	}
	whole := context.WithoutCancel(ctx)
	results, err := r.db.Results(whole, batch.ID)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return exit{exitIncomplete, "stopped by you; refunds resolve settles what is under way. Nothing was found out"}
	}
	return c.report(ctx, a, r, p, order, results)
}

// probeBatch is the probe's own file: a row for the expired token, then one to be made.
func probeBatch(order string, amount portone.Money, now time.Time) (bulk.Batch, []byte) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := []string{"instruction_id", "order_ref", "amount", "currency", "reason"}
	_ = w.Write(header) // into memory
	batch := bulk.Batch{FileName: "refunds probe", ReceivedAt: now}
	for n, what := range []string{"expired", "made"} {
		i := bulk.Instruction{ID: fmt.Sprintf("PROBE-%s-%s", now.UTC().Format("20060102T150405.000"), what), OrderRef: order, Amount: amount,
			Reason: "refunds probe", Type: portone.Partial}
		cells := []string{i.ID, order, amount.String(), string(amount.Currency), i.Reason}
		_ = w.Write(cells)
		batch.Rows = append(batch.Rows, bulk.Row{Instruction: i, N: n + 1, Line: n + 2, Cells: cells})
	}
	w.Flush()
	sum := sha256.Sum256(b.Bytes())
	batch.ID = hex.EncodeToString(sum[:])
	return batch, b.Bytes()
}

// report turns what was seen into findings, keeps them and tells them.
func (c *probeCmd) report(ctx context.Context, a *app, r *room, p *prober, order portone.Order, results []bulk.Result) error {
	f := bulk.Findings{
		At: time.Now().UTC(), Environment: r.rules.Environment, ClientKeySHA: bulk.KeySHA(r.clientKey), OrderRef: c.Order, Channel: order.Channel,
		ExpiredRefused: bulk.DontKnow, ExpiredBy: p.ago, Echoed: bulk.DontKnow, Lag: -1,
	}
	p.awaitListed(ctx, r.rules.Bounds)
	p.seen(&f, made(results[1].Status))
	switch ans := p.answers[p.expired]; {
	case made(results[0].Status):
		f.ExpiredRefused, f.ExpiredAnswer = bulk.No, "the refund was made"
	case ans == nil:
		f.ExpiredAnswer = "nothing was sent: " + results[0].Message
	case ans.Class == portone.Refused && results[0].Status == bulk.Refused:
		f.ExpiredRefused, f.ExpiredAnswer = bulk.Yes, fmt.Sprintf("HTTP %d %s %s", ans.HTTPStatus, ans.Code, ans.Message)
	default:
		f.ExpiredAnswer = fmt.Sprintf("%s: HTTP %d %s %s; the row is %s", ans.Class, ans.HTTPStatus, ans.Code, ans.Message, results[0].Status)
	}
	if err := errors.Join(r.db.PutFindings(context.WithoutCancel(ctx), f), writeFindings(r.config, f)); err != nil {
		return err
	}
	tellFindings(a.out, f)
	for n, what := range []string{"expired", "made"} {
		if !made(results[n].Status) && results[n].Status != bulk.Refused {
			fmt.Fprintf(a.out, "the row PROBE-…-%s is %s: %s; refunds resolve --list shows what can be done\n", what, results[n].Status, results[n].Message)
		}
	}
	if f.ExpiredRefused == bulk.No {
		fmt.Fprintf(a.errs, "PORTONE TOOK AN EXPIRED TOKEN. That was a real refund of %s %s; it is booked. A sender that is paused may act late, and nothing stops it: "+
			"keep REFUNDS_ON_ABSENT=quarantine, and tell PortOne\n", c.Amount, order.Amount.Currency)
	}
	why := f.Bear(r.rules.Bounds, bulk.KeySHA(r.clientKey), time.Now())
	if why != nil {
		return exit{exitFindings, why.Error()}
	}
	return nil
}

func made(s bulk.State) bool { return s == bulk.Issued || s == bulk.Pending }

func tellFindings(w io.Writer, f bulk.Findings) {
	fmt.Fprintf(w, "an expired token is refused:  %s (%s; it had expired %s before)\n", f.ExpiredRefused, printable(f.ExpiredAnswer), f.ExpiredBy)
	fmt.Fprintf(w, "the reason is echoed (%s):  %s\n", printable(f.Channel), f.Echoed)
	switch {
	case f.Lag < 0:
		fmt.Fprintln(w, "the list's lag:  unknown; the refund was not seen in the list")
	default:
		fmt.Fprintf(w, "the list's lag:  %s at most; in the POST's own answer: %t\n", f.Lag.Round(time.Millisecond), f.InAnswer)
	}
	if f.Dated {
		fmt.Fprintf(w, "PortOne's clock less ours:  between %s and %s, by the refund's date\n", f.ClockLow.Round(time.Millisecond), f.ClockHigh.Round(time.Millisecond))
	} else {
		fmt.Fprintln(w, "PortOne's clock less ours:  unknown; the refund has no date")
	}
}

// prober is PortOne with a stopwatch, and with an expired token for one of the two rows.
type prober struct {
	*portone.Client
	expired, made string // markers
	ago           time.Duration
	before        portone.RefundList
	order         string

	mu       sync.Mutex
	bodies   map[string]string // markers by what is sent
	answers  map[string]*portone.Answer
	sent     time.Time // the other row's
	answered time.Time
	shown    time.Time // when the reading of the first list began that shows it
	refund   *portone.Refund
}

func (p *prober) Prepare(r portone.RefundRequest, now time.Time) (portone.Prepared, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bodies == nil {
		p.bodies, p.answers = map[string]string{}, map[string]*portone.Answer{}
	}
	marker := p.made
	prepare := p.Client.Prepare
	if strings.HasPrefix(r.Reason, p.expired) {
		if p.answers[p.expired] != nil {
			return portone.Prepared{}, errors.New("a probe sends an expired token once, and it was refused")
		}
		marker = p.expired
		prepare = func(r portone.RefundRequest, now time.Time) (portone.Prepared, error) {
			return p.PrepareExpired(r, now, p.ago)
		}
	}
	prepared, err := prepare(r, now)
	p.bodies[prepared.BodySHA256()] = marker
	return prepared, err
}

func (p *prober) Send(ctx context.Context, prepared portone.Prepared) portone.Answer {
	var began time.Time
	turned := prepared.Turned
	prepared.Turned = func() {
		began = time.Now()
		if turned != nil {
			turned()
		}
	}
	ans := p.Client.Send(ctx, prepared)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	marker := p.bodies[prepared.BodySHA256()]
	if ans.Class != portone.NotSent {
		p.answers[marker] = &ans
	}
	if marker == p.made {
		p.sent, p.answered = began, now
	}
	return ans
}

func (p *prober) Refunds(ctx context.Context, orderRef string, c portone.Currency) (portone.RefundList, error) {
	began := time.Now()
	list, err := p.Client.Refunds(ctx, orderRef, c)
	if err == nil {
		p.look(list, began)
	}
	return list, err
}

// look notes when the refund is first listed: by its marker, or as one more than there were.
func (p *prober) look(list portone.RefundList, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered.IsZero() || p.refund != nil {
		return
	}
	if found := p.find(list); found != nil {
		p.refund, p.shown = found, began
	}
}

func (p *prober) find(list portone.RefundList) *portone.Refund {
	had := map[string]int{}
	name := func(r portone.Refund) string {
		return strings.Join([]string{r.PSPRefundID, r.RefundID, r.Amount.String(), r.Reason, r.Date.String()}, "\x1f")
	}
	for _, r := range p.before.Refunds {
		had[name(r)]++
	}
	var found *portone.Refund
	for i, r := range list.Refunds {
		switch had[name(r)]--; {
		case strings.Contains(r.Reason, p.made):
			return &list.Refunds[i]
		case had[name(r)] < 0 && !strings.Contains(r.Reason, p.expired) && p.answers[p.expired] != nil && p.answers[p.expired].Class == portone.Refused:
			found = &list.Refunds[i] // new, and the only one of ours that can be
		}
	}
	return found
}

// awaitListed reads the list until the refund is in it, or must have been for long.
func (p *prober) awaitListed(ctx context.Context, b bulk.Bounds) {
	for until := time.Now().Add(b.MaxProcessing + b.ListLag); ; {
		p.mu.Lock()
		done := p.refund != nil || p.answered.IsZero()
		p.mu.Unlock()
		if done || ctx.Err() != nil || time.Now().After(until) {
			return
		}
		if _, err := p.Refunds(ctx, p.order, p.before.Remaining.Currency); err == nil && p.refund != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// seen fills in what the other row's refund showed.
func (p *prober) seen(f *bulk.Findings, wasMade bool) {
	if p.refund == nil || !wasMade {
		return
	}
	f.Lag = max(0, p.shown.Sub(p.answered))
	if ans := p.answers[p.made]; ans != nil && ans.Class == portone.Listed {
		f.InAnswer = p.find(ans.List) != nil
	}
	f.Echoed = bulk.No
	if strings.Contains(p.refund.Reason, p.made) {
		f.Echoed = bulk.Yes
	}
	if d := p.refund.Date; !d.IsZero() && !p.sent.IsZero() {
		f.Dated, f.ClockLow, f.ClockHigh = true, d.Sub(p.answered), d.Sub(p.sent)
	}
}
