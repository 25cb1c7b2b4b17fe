package portone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sethvargo/go-retry"
)

// A read is tried this often, with waits of about 0.1, 0.2, 0.4 and 0.8 s in between, or
// of what Retry-After tells where that is longer. A host that refuses connections is
// given up after some 1.5 s.
const (
	tries     = 5
	firstWait = 100 * time.Millisecond
	jitter    = 25 // percent, either way
)

// Refunds lists an order's refunds. currency is the order's own.
func (c *Client) Refunds(ctx context.Context, orderRef string, currency Currency) (RefundList, error) {
	var l RefundList
	err := checkRef(orderRef)
	if err == nil {
		err = c.read(ctx, http.MethodGet, refundPath(orderRef), nil, func(body []byte) (err error) {
			l, err = parseList(body, currency)
			return err
		})
	}
	if err != nil {
		return RefundList{}, fmt.Errorf("list the refunds of order %.80q: %w", orderRef, err)
	}
	return l, nil
}

// OrderByMerchantRef resolves the merchant's own reference to PortOne's order_ref.
func (c *Client) OrderByMerchantRef(ctx context.Context, merchantOrderRef string) (orderRef string, err error) {
	if err = checkRef(merchantOrderRef); err == nil {
		err = c.read(ctx, http.MethodGet, "/api/transaction/"+url.PathEscape(merchantOrderRef)+"/status", nil, func(body []byte) error {
			orderRef, err = parseOrderRef(body, merchantOrderRef)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("find the order of merchant reference %.80q: %w", merchantOrderRef, err)
	}
	return orderRef, nil
}

func parseOrderRef(body []byte, merchantOrderRef string) (string, error) {
	content, err := member(body, "content")
	if err != nil {
		return "", err
	}
	f := [...]field{{name: "order_ref"}, {name: "merchant_order_ref"}}
	if err := pick(content, f[:]); err != nil {
		return "", err
	}
	ref, err := f[0].text()
	if err != nil {
		return "", err
	}
	if told, err := f[1].text(); err != nil || told != "" && told != merchantOrderRef {
		return "", fmt.Errorf("the answer is about merchant reference %s", clip(f[1].val))
	}
	return ref, checkRef(ref)
}

// Order tells what PortOne knows of an order.
func (c *Client) Order(ctx context.Context, orderRef string) (Order, error) {
	var o Order
	err := checkRef(orderRef)
	if err == nil {
		var ask []byte
		if ask, err = encode(map[string]string{"order_ref": orderRef}); err == nil {
			err = c.read(ctx, http.MethodPost, "/api/{key}/transaction-details", ask, func(body []byte) error {
				content, err := member(body, "content")
				if err != nil {
					return err
				}
				if o, err = parseOrder(content); err == nil && o.OrderRef != orderRef {
					err = fmt.Errorf("the answer is about order %.80q", o.OrderRef)
				}
				return err
			})
		}
	}
	if err != nil {
		return Order{}, fmt.Errorf("look up order %.80q: %w", orderRef, err)
	}
	return o, nil
}

// Payments reads one page of the orders paid from from to to; page counts from 1.
// pages is how many there are. One order that can't be read fails the page.
func (c *Client) Payments(ctx context.Context, from, to time.Time, page, size int) (orders []Order, pages int, err error) {
	if page < 1 || size < 1 {
		return nil, 0, fmt.Errorf("list payments: page %d of size %d: both count from 1", page, size)
	}
	ask, err := encode(struct {
		Page        int         `json:"page"`
		Size        int         `json:"size"`
		From        string      `json:"from"`
		To          string      `json:"to"`
		Environment Environment `json:"environment"`
	}{page, size, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), c.cfg.Environment})
	if err == nil {
		err = c.read(ctx, http.MethodPost, "/api/merchant/{key}/fetch-all-payments", ask, func(body []byte) (err error) {
			orders, pages, err = parsePayments(body)
			return err
		})
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list payments, page %d: %w", page, err)
	}
	return orders, pages, nil
}

func parsePayments(body []byte) (orders []Order, pages int, err error) {
	content, err := member(body, "body")
	if err != nil {
		return nil, 0, err
	}
	f := [...]field{{name: "content"}, {name: "total_pages"}}
	if err := pick(content, f[:]); err != nil {
		return nil, 0, err
	}
	if pages, err = strconv.Atoi(string(f[1].val)); err != nil || pages < 0 {
		return nil, 0, fmt.Errorf("total_pages is not a count: %s", clip(f[1].val))
	}
	err = f[0].each(func(_ int, element []byte) error {
		o, err := parseOrder(element)
		orders = append(orders, o)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return orders, pages, nil
}

func refundPath(orderRef string) string { return "/api/refund/" + url.PathEscape(orderRef) }

// member is the object in which an answer is wrapped.
func member(body []byte, name string) ([]byte, error) {
	f := [...]field{{name: name}}
	if err := pickWhole(body, f[:]); err != nil {
		return nil, err
	}
	if f[0].val == nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	return f[0].val, nil
}

// read makes a call that changes nothing, again where that may help, each time at the
// pace and with a fresh token. parse gets the body of a 200; what it can't read is
// ErrUnreadable.
func (c *Client) read(ctx context.Context, method, path string, ask []byte, parse func(body []byte) error) error {
	var told time.Duration
	n, denied := 0, 0
	grow := retry.WithMaxRetries(tries-1, retry.WithJitterPercent(jitter, retry.NewExponential(firstWait)))
	err := retry.Do(ctx, retry.BackoffFunc(func() (time.Duration, bool) {
		d, stop := grow.Next()
		return max(d, told), stop
	}), func(ctx context.Context) error {
		if err := c.pace.wait(ctx, true); err != nil {
			return err
		}
		token, _, err := c.sign(time.Now())
		if err != nil {
			return err
		}
		n++
		r := c.exchange(ctx, call{method: method, path: path, body: ask, token: token})
		if r.status == http.StatusUnauthorized {
			denied++
		}
		told = retryAfter(r.header, time.Now())
		err, again := judge(r, denied)
		if err == nil {
			if err = parse(r.body); err == nil {
				return nil
			}
			err, again = fmt.Errorf("%w: %w", ErrUnreadable, err), errors.Is(err, errNotJSON)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case again:
			return retry.RetryableError(err)
		}
		return err
	})
	if errors.Is(err, ErrUnavailable) && n > 1 {
		return fmt.Errorf("%w (%d tries)", err, n)
	}
	return err
}

// judge tells what the reply to a read is worth: nil for a 200 that came whole,
// else one of the kinds of failure, and whether another try may mend it. A 401 is tried
// once more, since the token may have aged on the way; denied counts them.
func judge(r reply, denied int) (err error, again bool) {
	switch {
	case r.status == 0:
		return fmt.Errorf("%w: %w", ErrUnavailable, r.err), true
	case r.err != nil:
		return fmt.Errorf("%w: HTTP %d, %w", ErrUnreadable, r.status, r.err), !errors.Is(r.err, errTooLarge)
	case r.status == http.StatusOK:
		return nil, false
	}
	said := parseComplaint(r.body)
	what := fmt.Sprintf("HTTP %d", r.status)
	if said.code != "" {
		what = fmt.Sprintf("HTTP %d, code %.20s %.80s %.200s", r.status, said.code, said.reason, said.message)
	}
	switch m := said.meaning(r.status); {
	case m == wrongKey || r.status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s; check the client key, the secret, the environment and this machine's clock", ErrUnauthorized, what),
			r.status == http.StatusUnauthorized && denied < 2
	case m == unknownOrder:
		return fmt.Errorf("%w: %s", ErrOrderUnknown, what), false
	case r.status >= 500 || r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout || passing(said.code):
		return fmt.Errorf("%w: %s", ErrUnavailable, what), true
	}
	return fmt.Errorf("%w: %s", ErrUnreadable, what), false
}

// passing are the codes of trouble on PortOne's own side (guide), whatever the HTTP status.
func passing(code string) bool {
	switch code {
	case "4029", "4080", "5000", "5024", "5025":
		return true
	}
	return false
}
