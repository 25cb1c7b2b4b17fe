package portone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxDial = 5 * time.Second // connecting and the TLS handshake together

	// maxIdle closes an unused connection before PortOne does. Most servers wait from 5 s
	// to 75 s; a POST that crosses with such a closing has an unknown outcome.
	maxIdle = 4 * time.Second
)

// newTransport builds the one way out to PortOne: HTTP/1.1, without compression,
// and without a proxy, also when the environment names one: a proxy may send a
// request again by itself, and "no byte was sent" could not be said behind one.
// Redirects are nothing to a Transport: they are answers.
func newTransport(cfg Config) *http.Transport {
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	limit := min(maxDial, cfg.Timeout)
	plain := func(ctx context.Context, network, addr string) (*conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		s := &socket{Conn: c}
		return &conn{Conn: s, socket: s}, nil
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return noNil(plain(ctx, network, addr))
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			c, err := plain(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return noNil(c, c.startTLS(ctx, addr, cfg.rootCAs))
		},
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    cfg.Concurrency,
		IdleConnTimeout:        maxIdle,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// noNil keeps a nil *conn from becoming a net.Conn that is not nil.
func noNil(c *conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// A socket counts the bytes that it was able to hand to the network.
type socket struct {
	net.Conn
	written atomic.Int64
}

func (s *socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.written.Add(int64(n))
	return n, err
}

// A conn is what requests are written on: the socket, or TLS on it. It knows how
// many bytes on the socket were caused by requests, leaving out the handshake, and
// it can be sealed against any more.
type conn struct {
	net.Conn
	socket *socket

	mu      sync.Mutex // held while writing
	written int64
	sealed  bool
}

var errSealed = errors.New("the request was given up, or was about to be sent again")

func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed {
		return 0, errSealed
	}
	before := c.socket.written.Load()
	n, err := c.Conn.Write(p)
	c.written += c.socket.written.Load() - before
	return n, err
}

// seal closes the connection, waits for a Write under way, and lets none follow. It
// returns the bytes written by requests, which is final.
func (c *conn) seal() int64 {
	c.socket.Close() // errors: nothing more can be written either way
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.written
}

func (c *conn) mark() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// An errand follows one request through the transport. It sees to it that its bytes
// go to one connection at most, and knows whether any went.
//
// net/http (transport.go, shouldRetryRequest) sends a request a second time when a
// used connection fails and either no byte was written and there is no body or a
// GetBody, or the request counts as replayable: a GET without a body, or any with
// GetBody and an idempotency header. Our POSTs fulfil neither. The errand does not
// rely on that, and stops a GET's silent second try too, which would escape the pace.
type errand struct {
	conn  *conn        // nil: no connection was given to the request
	start int64        // conn's count when it was
	ready func() error // waits until the first byte may go; an error lets none go
}

func (e *errand) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		next := info.Conn.(*conn)
		if e.wrote() {
			next.seal() // its first Write fails
			return
		}
		e.conn, e.start = next, next.mark()
		if e.ready() != nil {
			next.seal()
		}
	}}
}

// wrote tells whether any byte of the request was, or may have been, written. It
// ends the connection, and the answer holds for good.
func (e *errand) wrote() bool { return e.conn != nil && e.conn.seal() != e.start }

// startTLS shakes hands with the host of addr. On failure the socket is closed.
func (c *conn) startTLS(ctx context.Context, addr string, roots *x509.CertPool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		c.Close()
		return err
	}
	t := tls.Client(c.socket, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: roots})
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return fmt.Errorf("TLS with %s: %w", host, err)
	}
	c.Conn = t
	return nil
}
