package portone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A ticket is a token that is good for one Send. Copies of a Prepared share it. The
// token is behind a func, into which no printing of a Prepared can look.
type ticket struct {
	token func() Secret
	spent atomic.Bool
}

// Prepare signs and spells out a POST. It sends nothing. The token is issued at now,
// and lives for TokenTTL.
func (c *Client) Prepare(r RefundRequest, now time.Time) (Prepared, error) {
	body, err := c.spell(r)
	if err != nil {
		return Prepared{}, fmt.Errorf("prepare a refund of order %.80q: %w", r.OrderRef, err)
	}
	token, expires, err := c.sign(now)
	if err != nil {
		return Prepared{}, fmt.Errorf("prepare a refund of order %.80q: %w", r.OrderRef, err)
	}
	t := &ticket{token: func() Secret { return token }}
	return Prepared{OrderRef: r.OrderRef, Currency: r.Amount.Currency, Body: body, ExpiresAt: expires, ticket: t}, nil
}

// spell writes the six fields, which are all required (guide).
func (c *Client) spell(r RefundRequest) ([]byte, error) {
	if err := checkRef(r.OrderRef); err != nil {
		return nil, err
	}
	_, known := r.Amount.Currency.Decimals()
	switch {
	case !known:
		return nil, fmt.Errorf("no currency %q", string(r.Amount.Currency))
	case r.Amount.Minor <= 0 || r.Amount.Minor > MaxMinor:
		return nil, fmt.Errorf("the amount %s %s is not between zero and 2^53 minor units", r.Amount, r.Amount.Currency)
	case r.Type != Partial && r.Type != Full:
		return nil, fmt.Errorf("refund type %.40q is neither %q nor %q", r.Type, Partial, Full)
	case r.Environment != c.cfg.Environment:
		return nil, fmt.Errorf("the refund is for environment %.40q, this client for %q", r.Environment, c.cfg.Environment)
	}
	for _, f := range [...]struct{ name, text string }{
		{"channel", r.Channel}, {"description", r.Description}, {"reason", r.Reason},
	} {
		if f.text == "" || !utf8.ValidString(f.text) {
			return nil, fmt.Errorf("the %s is empty or not UTF-8", f.name)
		}
	}
	return encode(struct {
		Amount      json.Number `json:"amount"`
		Channel     string      `json:"channel"`
		Description string      `json:"description"`
		Type        RefundType  `json:"refund_type"`
		Reason      string      `json:"refund_reason"`
		Environment Environment `json:"environment"`
	}{r.Amount.Number(), r.Channel, r.Description, r.Type, r.Reason, r.Environment})
}

// encode spells v without escaping <, > and &, so that what is stored reads as it was meant.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Ready returns when PortOne does not hold our calls with answers of 429, or with
// ctx's error. A POST is worth preparing only then.
func (c *Client) Ready(ctx context.Context) error { return c.pace.unheld(ctx, true) }

// Send waits for the pace and sends p exactly once. ctx cuts only the wait: what was
// begun is finished, within Timeout. While calls are held nothing is sent, rather than
// let what is meant to be sent lie about. If no more than Timeout is left of the token's life
// when the turn comes, nothing is sent, so that PortOne gets no request that it could
// take up after our patience has ended.
//
// A Prepared is good for one Send. A second one sends nothing and is Unknown, since the
// first may have been anything.
func (c *Client) Send(ctx context.Context, p Prepared) Answer {
	switch {
	case p.ticket == nil || checkRef(p.OrderRef) != nil:
		return notSent(errors.New("not prepared by Prepare"))
	case p.ticket.spent.Swap(true):
		return failed(0, errors.New("this request was sent before, and is not sent again"))
	}
	last := p.ExpiresAt.Add(-c.cfg.Timeout)
	wait, cancel := context.WithDeadlineCause(ctx, last, errStale)
	defer cancel()
	if err := c.pace.wait(wait, false); err != nil {
		return notSent(err)
	}
	if !time.Now().Before(last) { // the wait's clock stands still while a machine sleeps, a token's does not
		return notSent(errStale)
	}
	if p.Turned != nil {
		p.Turned()
	}
	r := c.exchange(context.WithoutCancel(ctx), call{
		method: http.MethodPost,
		path:   refundPath(p.OrderRef),
		body:   p.Body,
		token:  p.ticket.token(),
	})
	switch {
	case !r.written:
		return notSent(r.err)
	case r.err != nil:
		a := failed(r.status, r.err)
		a.Raw = r.body[:min(len(r.body), maxRaw)]
		return a
	}
	a := Classify(r.status, r.body, p.Currency)
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		a.RetryAfter = retryAfter(r.header, time.Now())
	}
	return a
}

var errStale = errors.New("the token was too old when the turn came; " +
	"the rate may be too low for so many calls at once, or PortOne made all calls wait")

// NotYet tells whether nothing was sent only because it was not the time for it: calls were
// held, the turn came too late for the token, or the sender's ctx ended. It says nothing
// against sending later.
func (a Answer) NotYet() bool {
	return a.Class == NotSent && (errors.Is(a.Err, errHeld) || errors.Is(a.Err, errStale) || errors.Is(a.Err, context.Canceled))
}

func notSent(err error) Answer {
	return Answer{Class: NotSent, Message: "nothing was sent: " + err.Error(), Err: err}
}

func failed(status int, err error) Answer {
	return Answer{Class: Unknown, HTTPStatus: status, Message: "no whole answer came: " + err.Error(), Err: err}
}
