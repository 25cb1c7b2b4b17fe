package portonetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"refunds/portone"
)

// A refundRequest is the body of the POST. All fields are required (guide); we read
// that as present and not empty.
type refundRequest struct {
	Amount      any    `json:"amount"` // a json.Number, if it is one
	Channel     string `json:"channel"`
	Description string `json:"description"`
	RefundType  string `json:"refund_type"`
	Reason      string `json:"refund_reason"`
	Environment string `json:"environment"`
}

func readRefundRequest(body []byte) (refundRequest, json.Number, *apiError) {
	var q refundRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&q); err != nil || d.More() {
		return q, "", refuse("4001", "the body is not a JSON object of the documented fields")
	}
	n, ok := q.Amount.(json.Number)
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"amount", !ok},
		{"channel", q.Channel == ""},
		{"description", q.Description == ""},
		{"refund_type", q.RefundType == ""},
		{"refund_reason", q.Reason == ""},
		{"environment", q.Environment == ""},
	} {
		if f.missing {
			return q, "", refuse("4001", f.name+" is missing or of another type")
		}
	}
	if q.RefundType != string(portone.Partial) && q.RefundType != string(portone.Full) {
		return q, "", refuse("4001", "refund_type is neither full nor partial")
	}
	return q, n, nil
}

// refund makes a refund, if PortOne would, and answers with the order's list.
func (s *Server) refund(c *call) ([]byte, *apiError) {
	q, number, refusal := readRefundRequest(c.body)
	if refusal != nil {
		return nil, refusal
	}
	if q.Environment != string(s.cfg.Environment) {
		return nil, refuse("4034", "the environment is not the key's")
	}
	a := s.state.order(c.OrderRef)
	if a == nil {
		return nil, refuse("4096", "the order is not found")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	amount, refusal := a.judge(q, number, s.script.Load())
	if refusal != nil {
		return nil, refusal
	}
	s.make(a, Refund{Amount: amount, Type: q.RefundType, Reason: q.Reason, Description: q.Description, By: ByAPI}, c.Request)
	return s.list(a, c), nil
}

// judge decides whether PortOne makes the refund, and of how much. A full one takes
// what is left (our reading), whatever its amount says (guide).
func (a *account) judge(q refundRequest, number json.Number, script *Script) (portone.Money, *apiError) {
	none := portone.Money{}
	live := 0
	for _, l := range a.list {
		if !portone.Status(l.Status).Failed() {
			live++
		}
	}
	switch {
	case channels[a.Channel].noRefund || script.channel(QuirkNoRefund, a.Channel):
		return none, refuse("5022", "the channel can't be refunded through PortOne")
	case q.Channel != a.Channel:
		return none, refuse("5023", "the channel is not the order's")
	case a.NoRefund:
		return none, refuse("4070", "the order can't be refunded")
	case live > 0 && (a.NoSecond || script.channel(QuirkNoSecond, a.Channel)):
		return none, refuse("4070", "the order can't be refunded a second time")
	}
	left := portone.Money{Minor: a.left(), Currency: a.Amount.Currency}
	amount := left
	if q.RefundType == string(portone.Partial) {
		m, err := portone.ParseNumber(number, a.Amount.Currency)
		if err != nil {
			return none, refuse("4041", fmt.Sprintf("the amount is none of %s", a.Amount.Currency))
		}
		amount = m
	}
	switch {
	case amount.Minor <= 0 && q.RefundType == string(portone.Full):
		return none, refuse(CodeTooMuch, "nothing is left to refund")
	case amount.Minor <= 0:
		return none, refuse("4041", "the amount is not above zero")
	case amount.Minor > left.Minor:
		return none, refuse(CodeTooMuch, "the amount can't be refunded")
	case amount.Minor < left.Minor && (a.NoPartial || script.channel(QuirkNoPartial, a.Channel)):
		return none, refuse("4081", "the channel takes no partial refunds")
	}
	return amount, nil
}

// make books f, with the quirks that strike it, in a's list and in the truth. The
// caller holds a's lock and has seen that f may be made.
func (s *Server) make(a *account, f Refund, q *Request) Refund {
	a.made++
	script, now := s.script.Load(), s.cfg.Now()
	strikes := func(k QuirkKind) *Quirk { return script.quirk(s.cfg.Seed, k, a.OrderRef, "", a.made) }
	f.OrderRef, f.MadeAt, f.VisibleAt, f.Status = a.OrderRef, now, now, statusSuccess
	f.RefundID = token(s.cfg.Seed, "refund", a.OrderRef, a.made, 27)
	f.PSPRefundID = "psp_" + token(s.cfg.Seed, "psp", a.OrderRef, a.made, 16)
	if strikes(QuirkEmptyIDs) != nil {
		f.RefundID = ""
	}
	if strikes(QuirkEmptyPSPIDs) != nil {
		f.PSPRefundID = ""
	}
	if strikes(QuirkInQueue) != nil {
		f.Status = statusQueued
	}
	if lag := strikes(QuirkLag); lag != nil {
		f.VisibleAt = now.Add(lag.Lag)
	}
	f = s.truth.made(f, q)
	l := Listed{
		Seq: f.Seq, RefundID: f.RefundID, PSPRefundID: f.PSPRefundID, Amount: f.Amount, Status: f.Status,
		Type: f.Type, Reason: f.Reason, Date: now, VisibleAt: f.VisibleAt, counted: f.Amount.Minor,
		lowerCurrency:   strikes(QuirkLowerCurrency) != nil,
		offsetDate:      strikes(QuirkOffsetDates) != nil,
		unexpectedField: strikes(QuirkExtraFields) != nil,
	}
	if script.channel(QuirkNoEcho, a.Channel) {
		l.Reason = ""
	}
	a.list = append(a.list, l)
	return f
}

// PortalRefund makes a refund as a person does in the portal: behind the ledger's
// back, without a marker unless reason has one. Quirks strike it as any other.
func (s *Server) PortalRefund(orderRef string, amount portone.Money, reason string) (Refund, error) {
	a := s.state.order(orderRef)
	if a == nil {
		return Refund{}, unknownOrder(orderRef)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case amount.Currency != a.Amount.Currency:
		return Refund{}, fmt.Errorf("simulator: order %q is in %s, not %s", orderRef, a.Amount.Currency, amount.Currency)
	case amount.Minor <= 0:
		return Refund{}, fmt.Errorf("simulator: order %q: a refund of %s is not above zero", orderRef, amount)
	case amount.Minor > a.left():
		return Refund{}, fmt.Errorf("simulator: order %q has %s left, not %s", orderRef,
			portone.Money{Minor: a.left(), Currency: a.Amount.Currency}, amount)
	}
	kind := string(portone.Partial)
	if amount == a.Amount {
		kind = string(portone.Full)
	}
	return s.make(a, Refund{Amount: amount, Type: kind, Reason: reason, By: ByPortal}, nil), nil
}

// refunds answers the list of an order.
func (s *Server) refunds(c *call) ([]byte, *apiError) {
	a := s.state.order(c.OrderRef)
	if a == nil {
		return nil, refuse("4096", "the order is not found")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return s.list(a, c), nil
}

// list spells out what a lists now. The caller holds a's lock.
func (s *Server) list(a *account, c *call) []byte {
	left, list := a.listed(s.cfg.Now())
	if s.draws(QuirkShuffle, c) {
		shuffle(s.cfg.Seed, c.OrderRef, string(c.Route), c.Nth, list)
	}
	return spellList(left, list, s.cfg.ClientKey)
}

var indianTime = time.FixedZone("", 5*3600+1800) // the guide's samples have +05:30
