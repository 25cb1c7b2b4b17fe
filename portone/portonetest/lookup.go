package portonetest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"refunds/portone"
)

// succeeded is how PortOne ends an answer that has an envelope (webhook page).
type succeeded struct {
	StatusCode   string `json:"status_code"`
	StatusReason string `json:"status_reason"`
}

var success = succeeded{"2000", "SUCCESS"}

// status resolves a merchant's reference.
func (s *Server) status(c *call) ([]byte, *apiError) {
	a := s.state.merchantOrder(c.OrderRef)
	if a == nil {
		return nil, refuse("4096", "the order is not found")
	}
	type content struct {
		OrderRef         string `json:"order_ref"`
		MerchantOrderRef string `json:"merchant_order_ref"`
		ChannelOrderRef  string `json:"channel_order_ref"`
		Status           string `json:"status"`
	}
	return mustJSON(struct {
		Content content `json:"content"`
		succeeded
	}{content{a.OrderRef, a.MerchantOrderRef, "ch_" + a.OrderRef, "Success"}, success}), nil
}

type orderJSON struct {
	OrderRef             string           `json:"order_ref"`
	MerchantOrderRef     string           `json:"merchant_order_ref"`
	ChannelOrderRef      string           `json:"channel_order_ref"`
	Amount               json.Number      `json:"amount"`
	Currency             portone.Currency `json:"currency"`
	ChannelKey           string           `json:"channel_key"`
	Status               string           `json:"status"`
	IsRefundAllowed      bool             `json:"is_refund_allowed"`
	IsMultiRefundAllowed bool             `json:"is_multi_refund_allowed"`
	RefundCompleted      bool             `json:"refund_completed"`
	RefundStatus         string           `json:"refund_status"`
	CreatedAt            string           `json:"created_at,omitempty"`
	Environment          string           `json:"environment"`
}

// describe spells out an order. The names are the guide's, but for created_at: the
// payment webhook has it, and for the two calls here it is our reading.
func (s *Server) describe(a *account) orderJSON {
	script := s.script.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	left, _ := a.listed(s.cfg.Now())
	o := orderJSON{
		OrderRef: a.OrderRef, MerchantOrderRef: a.MerchantOrderRef, ChannelOrderRef: "ch_" + a.OrderRef,
		Amount: number(a.Amount), Currency: a.Amount.Currency, ChannelKey: a.Channel, Status: "Success",
		IsRefundAllowed:      !a.NoRefund && !channels[a.Channel].noRefund && !script.channel(QuirkNoRefund, a.Channel),
		IsMultiRefundAllowed: !a.NoSecond && !script.channel(QuirkNoSecond, a.Channel),
		RefundCompleted:      left.Minor == 0,
		Environment:          string(s.cfg.Environment),
	}
	if len(a.list) > 0 {
		o.RefundStatus = a.list[len(a.list)-1].Status
	}
	if !a.PaidAt.IsZero() {
		o.CreatedAt = date(a.PaidAt.UTC())
	}
	return o
}

// details tells what PortOne knows of an order.
func (s *Server) details(c *call) ([]byte, *apiError) {
	if c.key != s.cfg.ClientKey {
		return nil, unauthorized("the key in the path is not known")
	}
	if c.OrderRef == "" {
		return nil, refuse("4001", "order_ref is missing")
	}
	a := s.state.order(c.OrderRef)
	if a == nil {
		return nil, refuse("4096", "the order is not found")
	}
	return mustJSON(struct {
		Content orderJSON `json:"content"`
		succeeded
	}{s.describe(a), success}), nil
}

// payments pages through the orders paid from from on and before to (which end
// counts is our reading), oldest first.
func (s *Server) payments(c *call) ([]byte, *apiError) {
	var q struct {
		Page        int       `json:"page"`
		Size        int       `json:"size"`
		From        time.Time `json:"from"`
		To          time.Time `json:"to"`
		Environment string    `json:"environment"`
	}
	switch err := json.Unmarshal(c.body, &q); {
	case c.key != s.cfg.ClientKey:
		return nil, unauthorized("the key in the path is not known")
	case err != nil:
		return nil, refuse("4001", "the body is not a JSON object of the documented fields")
	case q.Page < 1 || q.Size < 1 || q.From.IsZero() || q.To.IsZero():
		return nil, refuse("4001", "page and size must be at least 1, from and to are required")
	case q.Environment != string(s.cfg.Environment):
		return nil, refuse("4034", "the environment is not the key's")
	}
	found := s.state.paid(q.From, q.To)
	type page struct {
		Content          []orderJSON `json:"content"`
		TotalElements    int         `json:"total_elements"`
		TotalPages       int         `json:"total_pages"`
		Page             int         `json:"page"`
		Size             int         `json:"size"`
		NumberOfElements int         `json:"number_of_elements"`
	}
	p := page{Content: []orderJSON{}, TotalElements: len(found), Page: q.Page, Size: q.Size}
	p.TotalPages = len(found) / q.Size
	if len(found)%q.Size > 0 {
		p.TotalPages++
	}
	if q.Page <= p.TotalPages {
		first := (q.Page - 1) * q.Size
		for _, a := range found[first:min(len(found), first+min(q.Size, len(found)))] {
			p.Content = append(p.Content, s.describe(a))
		}
	}
	p.NumberOfElements = len(p.Content)
	return mustJSON(struct {
		Body       page   `json:"body"`
		StatusCode string `json:"status_code"`
	}{p, success.StatusCode}), nil
}

func (s *state) paid(from, to time.Time) []*account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*account
	for _, a := range s.byRef {
		if !a.PaidAt.Before(from) && a.PaidAt.Before(to) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b *account) int {
		if n := a.PaidAt.Compare(b.PaidAt); n != 0 {
			return n
		}
		return strings.Compare(a.OrderRef, b.OrderRef)
	})
	return found
}
