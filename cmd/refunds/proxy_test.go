package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy passes connections on, and lets a test do as it likes with what the program sends.
type proxy struct {
	addr string // of 127.0.0.1
	to   func() (net.Conn, error)
	// up carries what the program sends; it ends the connection by returning. Nil copies.
	up func(from, to net.Conn)
}

// start listens until the test is over, and then waits for every connection.
func (p *proxy) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	var mu sync.Mutex
	var open []net.Conn
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := p.to()
			if err != nil {
				from.Close()
				continue
			}
			mu.Lock()
			open = append(open, from, to)
			mu.Unlock()
			all.Go(func() { _, _ = io.Copy(from, to); from.Close() })
			all.Go(func() { p.up(from, to); to.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// A held proxy holds the first refund POST back: caught is closed when it has come, and it
// is passed on when release is.
type held struct {
	proxy
	once            sync.Once
	caught, release chan struct{}
}

func newHeld(t *testing.T, to string) *held {
	h := &held{caught: make(chan struct{}), release: make(chan struct{})}
	h.to = func() (net.Conn, error) { return net.Dial("tcp", to) }
	h.up = func(from, to net.Conn) {
		b := make([]byte, 64<<10)
		for {
			n, err := from.Read(b)
			if bytes.HasPrefix(b[:n], []byte("POST /api/refund/")) {
				h.once.Do(func() {
					close(h.caught)
					<-h.release
				})
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
			if err != nil {
				return
			}
		}
	}
	h.start(t)
	return h
}

// A cutter stands before PostgreSQL and ends a connection at a COMMIT: before it is passed on, or
// after it was carried out and before its answer is passed back. Either way the program
// can't know which.
type cutter struct {
	proxy
	mu      sync.Mutex
	every   int // cuts at every so many-th COMMIT; 0: never
	commits int
	before  int // cuts so far
	after   int
}

func newCutter(t *testing.T, socket string) *cutter {
	c := &cutter{}
	c.to = func() (net.Conn, error) { return net.Dial("unix", socket) }
	c.up = c.pass
	c.start(t)
	return c
}

// pass carries the messages of PostgreSQL's protocol: the first has a length alone, the others
// a type before it.
func (c *cutter) pass(from, to net.Conn) {
	defer from.Close()
	for head := 4; ; head = 5 {
		b := make([]byte, head)
		if _, err := io.ReadFull(from, b); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(b[head-4:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if head == 5 && b[0] == 'Q' && bytes.Equal(body, []byte("COMMIT\x00")) {
			switch c.decide() {
			case "before":
				return
			case "after":
				// The answer's way is cut first. Then the server ends the session by itself:
				// it has carried the COMMIT out when it comes to the termination behind it.
				from.Close()
				_, _ = to.Write(append(append(b, body...), 'X', 0, 0, 0, 4))
				_, _ = io.Copy(io.Discard, to)
				return
			}
		}
		if _, err := to.Write(append(b, body...)); err != nil {
			return
		}
	}
}

func (c *cutter) decide() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	switch {
	case c.every == 0 || c.commits%c.every != 0:
		return ""
	case c.commits/c.every%2 == 0:
		c.before++
		return "before"
	default:
		c.after++
		return "after"
	}
}

func (c *cutter) cut(every int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.every = every
}

func (c *cutter) cuts() (before, after int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.before, c.after
}
