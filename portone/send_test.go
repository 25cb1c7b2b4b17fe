package portone

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestRequestOnTheWire reads the POST as the server gets it.
func TestRequestOnTheWire(t *testing.T) {
	p := newPeer(t, say(httpAnswer("200 OK", goodList)))
	c := newClient(t, testConfig(p.url()+"/"))
	now := time.Now()
	prep, err := c.Prepare(testRefund(), now)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Send(t.Context(), prep); a.Class != Listed || a.List.Remaining.String() != "888.88" {
		t.Fatalf("got %+v", a)
	}
	r, err := http.ReadRequest(bufioReader(p.raw[0]))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(r.Body)
	const want = `{"amount":111.12,"channel":"OMISE","description":"MARK a <b> & c","refund_type":"partial","refund_reason":"MARK damaged","environment":"sandbox"}`
	if string(body) != want || !bytes.Equal(body, prep.Body) {
		t.Errorf("the body is %s, want %s", body, want)
	}
	if !strings.HasPrefix(p.raw[0], "POST /api/refund/27TcJzyjL1y0eNVLEUa8pA8qAsJ HTTP/1.1\r\n") {
		t.Errorf("the request begins with %.80q", p.raw[0])
	}
	for _, h := range []string{"Idempotency-Key", "X-Idempotency-Key", "Cookie", "Expect", "Transfer-Encoding"} {
		if r.Header.Get(h) != "" {
			t.Errorf("the request has the header %s", h)
		}
	}
	if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("X-Portone-Client-Key") != testKey {
		t.Errorf("the headers are %v", r.Header)
	}
	var claims jwt.MapClaims
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	parsed, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("PORTONE"), jwt.WithSubject(testKey), jwt.WithIssuedAt(), jwt.WithExpirationRequired(), jwt.WithJSONNumber())
	if err != nil || !parsed.Valid {
		t.Fatalf("the token %v: %v", claims, err)
	}
	iat, exp := now.Unix(), now.Unix()+10
	if claims["iat"] != jsonInt(iat) || claims["exp"] != jsonInt(exp) || prep.ExpiresAt.Unix() != exp || len(claims) != 4 {
		t.Errorf("the claims are %v, want iat %d and exp %d", claims, iat, exp)
	}
	if prep.TokenSHA256() != sum([]byte(token)) || prep.BodySHA256() != sum(body) {
		t.Error("the hashes are not those of what was sent")
	}
}

// wayward is a dialer whose connections may fail to write.
type wayward func(c net.Conn, p []byte) (int, error)

type waywardConn struct {
	net.Conn
	write wayward
}

func (c waywardConn) Write(p []byte) (int, error) { return c.write(c.Conn, p) }

func (w wayward) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	return waywardConn{c, w}, err
}

func TestNotSentOnlyWhenNoByteWasWritten(t *testing.T) {
	closedPort := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		cfg   func(c *Config)
		class Class
		posts int // requests of which a byte came
	}{
		"nothing goes wrong": {func(*Config) {}, Listed, 1},
		"connection refused": {func(c *Config) { c.BaseURL = "http://" + closedPort }, NotSent, 0},
		"name unknown": {func(c *Config) {
			c.BaseURL = "https://portone.test"
			c.Dial = (&net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return nil, broken
			}}}).DialContext
		}, NotSent, 0},
		"dial takes too long": {func(c *Config) {
			c.Timeout = 50 * time.Millisecond
			c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, NotSent, 0},
		"TLS with one who speaks none": {func(c *Config) { c.BaseURL = "https" + strings.TrimPrefix(c.BaseURL, "http") }, NotSent, -1},
		"not a byte is written": {func(c *Config) {
			c.Dial = wayward(func(net.Conn, []byte) (int, error) { return 0, broken }).dial
		}, NotSent, 0},
		"one byte is written": {func(c *Config) {
			c.Dial = wayward(func(c net.Conn, p []byte) (int, error) {
				n, _ := c.Write(p[:1])
				return n, broken
			}).dial
		}, Unknown, 1},
		"all is written, and then an error": {func(c *Config) {
			c.Dial = wayward(func(c net.Conn, p []byte) (int, error) {
				n, _ := c.Write(p)
				return n, broken
			}).dial
		}, Unknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(c net.Conn, _ *http.Request, _ int) bool {
				time.Sleep(50 * time.Millisecond)
				io.WriteString(c, httpAnswer("200 OK", goodList))
				return true
			})
			cfg := testConfig(p.url())
			tt.cfg(&cfg)
			c := newClient(t, cfg)
			a := send(t, c)
			if a.Class != tt.class {
				t.Errorf("got %s (%v), want %s", a.Class, a.Err, tt.class)
			}
			if a.Class == NotSent && (a.Err == nil || a.Message == "") {
				t.Error("nothing tells why")
			}
			p.drain(c)
			if n := p.count("POST"); tt.posts >= 0 && len(p.raw) != tt.posts || n > 1 {
				t.Errorf("the server saw %q", p.raw)
			}
		})
	}
}

// TestTLS: the handshake's bytes are not the request's, whose bytes count also when
// they are encrypted.
func TestTLS(t *testing.T) {
	var posts, hijack atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		posts.Add(1)
		if r.ProtoMajor != 1 {
			t.Errorf("the request came by %s", r.Proto)
		}
		if hijack.Load() > 0 {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
			return
		}
		io.WriteString(w, goodList)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet
	s.StartTLS()
	defer s.Close()

	a := send(t, newClient(t, testConfig(s.URL)))
	var unknown *tls.CertificateVerificationError
	if a.Class != NotSent || !errors.As(a.Err, &unknown) || posts.Load() != 0 {
		t.Errorf("an unknown certificate gave %s (%v), %d requests", a.Class, a.Err, posts.Load())
	}
	cfg := testConfig(s.URL)
	cfg.rootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c := newClient(t, cfg)
	for range 2 { // the second on the same connection
		if a := send(t, c); a.Class != Listed {
			t.Errorf("got %s (%v)", a.Class, a.Err)
		}
	}
	hijack.Store(1)
	if a := send(t, c); a.Class != Unknown || posts.Load() != 3 {
		t.Errorf("a dropped connection gave %s, %d requests", a.Class, posts.Load())
	}
}

func TestSendFinishesWhatItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
		cancel()
		time.Sleep(50 * time.Millisecond)
		io.WriteString(c, httpAnswer("200 OK", goodList))
		return true
	})
	c := newClient(t, testConfig(p.url()))
	prep, err := c.Prepare(testRefund(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Send(ctx, prep); a.Class != Listed {
		t.Errorf("got %s (%v)", a.Class, a.Err)
	}
	if a := c.Send(t.Context(), prep); a.Class != Unknown || p.count("POST") != 1 {
		t.Errorf("the same request a second time: %s, %d POSTs came", a.Class, p.count("POST"))
	}
	if prep, err = c.Prepare(testRefund(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if a := c.Send(ctx, prep); a.Class != NotSent || !errors.Is(a.Err, context.Canceled) || p.count("POST") != 1 {
		t.Errorf("with an ended context: %s (%v), %d POSTs came", a.Class, a.Err, p.count("POST"))
	}
	if a := c.Send(t.Context(), Prepared{OrderRef: "order1"}); a.Class != NotSent {
		t.Errorf("what Prepare did not make: %s", a.Class)
	}
}

func TestSilentServer(t *testing.T) {
	p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
		io.Copy(io.Discard, c)
		return false
	})
	cfg := testConfig(p.url())
	cfg.Timeout = 100 * time.Millisecond
	a := send(t, newClient(t, cfg))
	if a.Class != Unknown || !errors.Is(a.Err, context.DeadlineExceeded) || p.count("POST") != 1 {
		t.Errorf("got %s (%v), %d POSTs", a.Class, a.Err, p.count("POST"))
	}
}

func TestPrepareRefuses(t *testing.T) {
	c := newClient(t, testConfig("http://127.0.0.1:1"))
	for name, spoil := range map[string]func(r *RefundRequest){
		"path":             func(r *RefundRequest) { r.OrderRef = "../x" },
		"dots":             func(r *RefundRequest) { r.OrderRef = ".." },
		"empty ref":        func(r *RefundRequest) { r.OrderRef = "" },
		"escaped":          func(r *RefundRequest) { r.OrderRef = "a%2F.." },
		"newline":          func(r *RefundRequest) { r.OrderRef = "a\n" },
		"long":             func(r *RefundRequest) { r.OrderRef = strings.Repeat("a", 65) },
		"zero":             func(r *RefundRequest) { r.Amount.Minor = 0 },
		"negative":         func(r *RefundRequest) { r.Amount.Minor = -1 },
		"too much":         func(r *RefundRequest) { r.Amount.Minor = MaxMinor + 1 },
		"no currency":      func(r *RefundRequest) { r.Amount.Currency = "" },
		"no channel":       func(r *RefundRequest) { r.Channel = "" },
		"no reason":        func(r *RefundRequest) { r.Reason = "" },
		"no description":   func(r *RefundRequest) { r.Description = "" },
		"not UTF-8":        func(r *RefundRequest) { r.Reason = "\xff" },
		"type":             func(r *RefundRequest) { r.Type = "most" },
		"live by accident": func(r *RefundRequest) { r.Environment = Live },
		"no environment":   func(r *RefundRequest) { r.Environment = "" },
	} {
		r := testRefund()
		spoil(&r)
		if p, err := c.Prepare(r, time.Now()); err == nil {
			t.Errorf("%s: prepared %s", name, p.Body)
		}
	}
}

func jsonInt(n int64) json.Number { return json.Number(itoa(n)) }
