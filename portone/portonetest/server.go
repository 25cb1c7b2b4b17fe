package portonetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"refunds/portone"
)

// Config is what a Server is made of. Its zero value is a PortOne without faults.
type Config struct {
	ClientKey   string              // "" is DefaultClientKey
	SecretKey   portone.Secret      // "" is DefaultSecretKey
	Environment portone.Environment // the one its key belongs to; "" is sandbox

	Seed   uint64 // of every share in Script
	Script Script // faults and quirks

	Delay   time.Duration // from a request's arrival to its being carried out; also when its sender is gone by then
	MaxHang time.Duration // the longest that a timeout fault holds a connection; 0 is 2 s

	// Now is PortOne's clock: it decides on a token's expiry and dates refunds. Nil is
	// time.Now. Waiting is always done by the time package.
	Now func() time.Time

	IgnoreExpiry bool // take expired tokens
	DropBodies   bool // don't keep the bodies of requests in the truth
	Log          *slog.Logger
}

// The key and secret of a Server whose Config has none.
const (
	DefaultClientKey                = "simulated-key"
	DefaultSecretKey portone.Secret = "simulated-secret"
)

// InProcessURL is the base URL of a Server that listens nowhere. Only its Dial leads there.
const InProcessURL = "http://portone.invalid"

// A Server is a PortOne. Everything it knows is in memory and ends with it. It is
// safe for use by several goroutines.
type Server struct {
	cfg    Config
	log    *slog.Logger
	script atomic.Pointer[Script]
	state  *state
	truth  *truth

	http    *http.Server
	pipes   *pipeListener
	serving sync.WaitGroup // Serve loops
	calls   sync.WaitGroup // connections and the requests on them
	closing chan struct{}

	mu     sync.Mutex
	url    string
	piping bool
	closed bool
}

// New makes a Server that has no orders and listens nowhere yet. Inside a
// testing/synctest bubble it must be made there too. Close it.
func New(cfg Config) *Server {
	if cfg.ClientKey == "" {
		cfg.ClientKey = DefaultClientKey
	}
	if cfg.SecretKey == "" {
		cfg.SecretKey = DefaultSecretKey
	}
	if cfg.Environment == "" {
		cfg.Environment = portone.Sandbox
	}
	if cfg.MaxHang == 0 {
		cfg.MaxHang = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg:     cfg,
		log:     cfg.Log,
		state:   newState(),
		truth:   newTruth(),
		pipes:   newPipeListener(),
		closing: make(chan struct{}),
		url:     InProcessURL,
	}
	s.SetScript(cfg.Script)
	s.http = &http.Server{
		Handler:   http.HandlerFunc(s.serve),
		ConnState: s.connState,
		ErrorLog:  slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), // mostly of the very faults that are made here
	}
	return s
}

// Start listens on addr, which must be of this machine, since nothing guards the
// control paths; "" is a free port of 127.0.0.1.
func (s *Server) Start(addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("simulator: listen on %q: %w; give it as 127.0.0.1:PORT", addr, err)
	}
	if !tcp.IP.IsLoopback() {
		return fmt.Errorf("simulator: %q is reachable from other machines, and nothing guards its control paths; give it as 127.0.0.1:PORT", addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	l, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return fmt.Errorf("simulator: %w; is another program on that port?", err)
	}
	s.url = "http://" + l.Addr().String()
	s.serveOn(l)
	return nil
}

// URL is the base URL: of the last Start, or InProcessURL.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// ClientKey and SecretKey are what the Server accepts.
func (s *Server) ClientKey() string         { return s.cfg.ClientKey }
func (s *Server) SecretKey() portone.Secret { return s.cfg.SecretKey }

// Dial connects in this process, whatever the address, for http.Transport's
// DialContext. Both ends block only on channels, so that time passes in a
// testing/synctest bubble.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errClosed}
	}
	if !s.piping {
		s.piping = true
		s.serveOn(s.pipes)
	}
	s.mu.Unlock()
	return s.pipes.dial(ctx)
}

// Close ends every connection and waits for all that the Server started. A request
// that still waits to be carried out is not carried out. What the Server knows
// can still be read.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	err := errors.Join(s.pipes.Close(), s.http.Close())
	s.serving.Wait()
	s.calls.Wait()
	return err
}

var errClosed = errors.New("simulator: closed")

func (s *Server) serveOn(l net.Listener) {
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("simulator stopped listening", "addr", l.Addr().String(), "err", err)
		}
	})
}

// connState counts connections. A hijacked one is counted on by the request that
// took it over, which serve counts by itself.
func (s *Server) connState(_ net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		s.calls.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.calls.Done()
	}
}

// wait lets d pass. It is false when the Server was closed or gone meanwhile.
// A nil gone never ends it.
func (s *Server) wait(d time.Duration, gone <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-gone:
		return false
	case <-s.closing:
		return false
	}
}
