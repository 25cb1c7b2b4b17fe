package portone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxAnswer = 8 << 20  // bytes of an answer; an order's list would have some 30,000 refunds
	maxRaw    = 64 << 10 // bytes of it that are kept as evidence of a failure
)

var errTooLarge = fmt.Errorf("the answer has more than %d bytes", maxAnswer)

// refForm is the only form in which a reference gets into a path. PortOne's own look
// like 27TcJzyjL1y0eNVLEUa8pA8qAsJ, "sometimes with a suffix such as _1" (guide). Escaping
// is not enough: it leaves ".." as it is.
var refForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func checkRef(ref string) error {
	if !refForm.MatchString(ref) {
		return fmt.Errorf("%.80q is no order reference: 1 to 64 letters, digits, _ and -, the first a letter or digit", ref)
	}
	return nil
}

// A call is one request, to be sent once. In path, {key} stands for the client key,
// and a reference is checked and escaped.
type call struct {
	method string
	path   string
	body   []byte // nil: none
	token  Secret
}

// A reply is what came of a call.
type reply struct {
	status  int // 0: no status line came
	header  http.Header
	body    []byte // as much as was read
	err     error  // nil: a status came, and the body is whole
	written bool   // false: it is certain that no byte of the request was written
}

// sign makes a token that lives from now, in whole seconds rounded down, for TokenTTL:
// HS256 over iss PORTONE, sub the client key, iat and exp (guide).
func (c *Client) sign(now time.Time) (Secret, time.Time, error) {
	issued := time.Unix(now.Unix(), 0)
	expires := issued.Add(c.cfg.TokenTTL)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer:    "PORTONE",
		Subject:   c.cfg.ClientKey,
		IssuedAt:  jwt.NewNumericDate(issued),
		ExpiresAt: jwt.NewNumericDate(expires),
	}).SignedString([]byte(c.secret()))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	return Secret(token), expires, nil
}

// exchange sends one call, once, and reads its answer to the last byte. It does
// not wait for the pace. It takes no longer than Timeout.
func (c *Client) exchange(ctx context.Context, k call) reply {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	e := errand{ready: func() error { return c.pace.settle(ctx) }}
	req := c.request(httptrace.WithClientTrace(ctx, e.trace()), k)

	c.cfg.Log.DebugContext(ctx, "portone call", "method", k.method, "path", k.path)
	start := time.Now()
	var r reply
	res, err := c.http.RoundTrip(req)
	if err != nil {
		r = reply{err: err, written: e.wrote()}
	} else {
		r = reply{status: res.StatusCode, header: res.Header, written: true}
		r.body, r.err = readAll(res)
	}
	now := time.Now()
	c.cfg.Log.DebugContext(ctx, "portone answer", "method", k.method, "path", k.path, "status", r.status,
		"bytes", len(r.body), "took", now.Sub(start), "err", r.err)
	if r.status == http.StatusTooManyRequests {
		c.pace.limited(now, retryAfter(r.header, now))
	}
	return r
}

// request has no GetBody and no idempotency header, either of which would let
// net/http send it again.
func (c *Client) request(ctx context.Context, k call) *http.Request {
	u := *c.base
	u.Path += strings.ReplaceAll(k.path, "{key}", url.PathEscape(c.cfg.ClientKey))
	req := (&http.Request{
		Method: k.method,
		URL:    &u,
		Host:   u.Host,
		Header: http.Header{
			"Authorization":        {"Bearer " + string(k.token)},
			"X-Portone-Client-Key": {c.cfg.ClientKey},
			"Accept":               {"application/json"},
			"Accept-Encoding":      {"identity"}, // what arrives is what is bounded
			"User-Agent":           {"refunds"},
		},
	}).WithContext(ctx)
	if k.body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
		req.Body = io.NopCloser(bytes.NewReader(k.body))
		req.ContentLength = int64(len(k.body))
	}
	return req
}

// readAll reads an answer's body. A body that ends before its announced length is an
// error of net/http's; one without any length is only as whole as its JSON.
func readAll(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // the body is a bare connection
		return nil, errors.New("PortOne wanted to switch protocols")
	}
	b := bytes.NewBuffer(make([]byte, 0, max(512, min(res.ContentLength, maxRaw))+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return b.Bytes(), fmt.Errorf("the answer was cut: %w", err)
	case b.Len() > maxAnswer:
		return b.Bytes(), errTooLarge
	}
	return b.Bytes(), nil
}
