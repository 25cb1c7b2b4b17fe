package portone

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config is what a Client needs. BaseURL, ClientKey and SecretKey are required; for
// the others the zero value stands for the default told beside it.
type Config struct {
	BaseURL     string // https, or http to this machine
	ClientKey   string
	SecretKey   Secret
	Environment Environment   // Sandbox
	Rate        float64       // 20; calls a second, of all calls of this Client together
	Burst       int           // 1; calls that may come on top of Rate in a second
	Concurrency int           // 16; calls at once for which connections are kept; not a limit
	Timeout     time.Duration // 30 s; of one call, from dialling to the last byte of its answer
	TokenTTL    time.Duration // 60 s; whole seconds, at least Timeout + 1 s
	Log         *slog.Logger  // none

	// Dial replaces the network, for a PortOne in this process. Nil is the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	rootCAs *x509.CertPool // nil: the system's
}

// A Client speaks with PortOne. It is safe for use by several goroutines.
type Client struct {
	cfg    Config        // without SecretKey
	secret func() Secret // into which no printing of a Client can look
	base   *url.URL
	http   *http.Transport
	pace   *pace
}

// The kinds of failure of a read. Test with errors.Is. An ended ctx is none of them.
var (
	ErrUnauthorized = errors.New("PortOne does not accept the key")           // key, secret, role or environment: stop
	ErrOrderUnknown = errors.New("PortOne does not know the order")           // an answer, not a failure
	ErrUnreadable   = errors.New("PortOne's answer can't be read")            // came, but is not whole or not valid
	ErrUnavailable  = errors.New("PortOne gave no answer, also when retried") // the network, 5xx or 429 to the end
)

// New checks cfg and sends nothing. Its errors say what to mend, and no secret.
func New(cfg Config) (*Client, error) {
	base, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("PortOne client: %w", err)
	}
	secret := cfg.SecretKey
	cfg.SecretKey = ""
	return &Client{cfg: cfg, secret: func() Secret { return secret }, base: base, http: newTransport(cfg), pace: newPace(cfg.Rate, cfg.Burst)}, nil
}

// Close closes the connections that no call is using. The Client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// keyForm keeps a key that was copied with its quotes or its newline from being sent, and
// one with a slash from changing the path. That PortOne's keys have this form is our
// reading of its samples.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.=+-]{0,199}$`)

// check fills in the defaults and returns the base URL.
func (c *Config) check() (*url.URL, error) {
	base, err := checkURL(c.BaseURL, c.Dial != nil)
	if err != nil {
		return nil, err
	}
	setDefault(&c.Environment, Sandbox)
	setDefault(&c.Rate, 20)
	setDefault(&c.Burst, 1)
	setDefault(&c.Concurrency, 16)
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.TokenTTL, 60*time.Second)
	setDefault(&c.Log, slog.New(slog.DiscardHandler))
	switch {
	case c.ClientKey == "":
		return nil, errors.New("no client key; PortOne's portal shows it under its API settings")
	case !keyForm.MatchString(c.ClientKey):
		return nil, errors.New("the client key holds something other than letters, digits and _ . = + -; was a quote or a newline copied along?")
	case c.SecretKey == "":
		return nil, errors.New("no secret key; PortOne's portal shows it under its API settings")
	case strings.TrimSpace(string(c.SecretKey)) != string(c.SecretKey):
		return nil, errors.New("the secret key begins or ends with a blank or a newline; remove it")
	case c.Environment != Sandbox && c.Environment != Live:
		return nil, fmt.Errorf("environment %.40q is neither %q nor %q", c.Environment, Sandbox, Live)
	case !(c.Rate >= 0.001 && c.Rate <= 1e5): // a NaN is neither
		return nil, fmt.Errorf("rate %v is not between 0.001 and 100000 calls a second", c.Rate)
	case c.Burst < 1 || c.Burst > 1e5:
		return nil, fmt.Errorf("burst %d is not between 1 and 100000 calls", c.Burst)
	case c.Concurrency < 1:
		return nil, fmt.Errorf("concurrency %d is not above zero", c.Concurrency)
	case c.Timeout < time.Millisecond:
		return nil, fmt.Errorf("time limit %v is below 1ms", c.Timeout)
	case c.TokenTTL%time.Second != 0:
		return nil, fmt.Errorf("token life %v is not whole seconds, which is what a token counts in", c.TokenTTL)
	case c.TokenTTL-time.Second < c.Timeout || c.TokenTTL > time.Hour:
		return nil, fmt.Errorf("token life %v must be at least the time limit of a call (%v) and 1s more, and at most 1h", c.TokenTTL, c.Timeout)
	}
	return base, nil
}

// checkURL refuses to carry the token in the clear beyond this machine: who reads it
// can make refunds while it lives. inProcess tells that no network is involved.
func checkURL(text string, inProcess bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("no base URL; PortOne's is https://api.portone.cloud")
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("the base URL is not of the form https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("the base URL must have no user, password, query or fragment")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the base URL begins with %.20q; it must be https", u.Scheme)
	case u.Scheme == "http" && !inProcess && !loopback(u.Hostname()):
		return nil, fmt.Errorf("the base URL has http to %.100q, which anybody on the way can read; use https", u.Hostname())
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
