package portonetest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// A pipeListener accepts connections made in this process.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case l.conns <- &pipeConn{Conn: ours, wasReset: reset}:
		return &pipeConn{Conn: theirs, wasReset: reset}, nil
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: ctx.Err()}
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: errClosed}
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// A pipeConn is one end of a pipe that can break as a TCP connection does: after a
// reset the other end fails with ECONNRESET in place of the end of file.
type pipeConn struct {
	net.Conn
	wasReset *atomic.Bool // of both ends
}

func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.broken("read", err)
}

func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.broken("write", err)
}

func (c *pipeConn) broken(op string, err error) error {
	if err != nil && c.wasReset.Load() {
		return &net.OpError{Op: op, Net: "pipe", Err: syscall.ECONNRESET}
	}
	return err
}

// reset closes a connection so that its peer sees it broken, not ended.
func reset(c net.Conn) error {
	switch c := c.(type) {
	case *pipeConn:
		c.wasReset.Store(true)
	case *net.TCPConn:
		if err := c.SetLinger(0); err != nil { // then the close is sent as RST
			return err
		}
	}
	return c.Close()
}
