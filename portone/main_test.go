package portone

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey    = "clientKeyForTests"
	testSecret = "a-secret-that-nobody-may-see"
)

// A peer is a server of bare sockets. It reads whole requests, keeps their bytes, and lets
// answer write whatever it likes.
type peer struct {
	net.Listener
	answer func(c net.Conn, r *http.Request, n int) bool // n counts requests from 1; false hangs up

	mu    sync.Mutex
	raw   []string // each request as it came
	conns []net.Conn
	wait  sync.WaitGroup
}

func newPeer(t *testing.T, answer func(c net.Conn, r *http.Request, n int) bool) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: l, answer: answer}
	p.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			p.wait.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(p.stop)
	return p
}

// stop ends the listening, and then each connection.
func (p *peer) stop() {
	p.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

// drain lets everything arrive that c has sent, and then stops.
func (p *peer) drain(c *Client) {
	c.Close()
	time.Sleep(20 * time.Millisecond) // for what is still to be accepted
	p.Close()
	done := make(chan struct{})
	go func() { p.wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		p.stop()
		<-done
	}
}

func (p *peer) serve(c net.Conn) {
	defer c.Close()
	var raw bytes.Buffer
	b := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		r, err := http.ReadRequest(b)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		if raw.Len() == 0 {
			return
		}
		p.mu.Lock() // also what is only the beginning of a request counts
		p.raw = append(p.raw, raw.String())
		n := len(p.raw)
		p.mu.Unlock()
		raw.Reset()
		if err != nil || !p.answer(c, r, n) {
			return
		}
	}
}

// count is the number of requests of which at least one byte came.
func (p *peer) count(method string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.raw {
		if strings.HasPrefix(r, method+" ") {
			n++
		}
	}
	return n
}

func (p *peer) url() string { return "http://" + p.Addr().String() }

// say answers every request with the same bytes and keeps the connection.
func say(answer string) func(net.Conn, *http.Request, int) bool {
	return func(c net.Conn, _ *http.Request, _ int) bool {
		_, err := io.WriteString(c, answer)
		return err == nil
	}
}

func httpAnswer(status, body string, headers ...string) string {
	return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "\r\n" + body
}

func testConfig(url string) Config {
	return Config{BaseURL: url, ClientKey: testKey, SecretKey: testSecret, Rate: 10000, Burst: 100, Concurrency: 64,
		Timeout: 2 * time.Second, TokenTTL: 10 * time.Second}
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var thb111 = Money{Minor: 11112, Currency: "THB"}

func testRefund() RefundRequest {
	return RefundRequest{OrderRef: "27TcJzyjL1y0eNVLEUa8pA8qAsJ", Amount: thb111, Channel: "OMISE", Description: "MARK a <b> & c",
		Type: Partial, Reason: "MARK damaged", Environment: Sandbox}
}

func send(t *testing.T, c *Client) Answer {
	t.Helper()
	p, err := c.Prepare(testRefund(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c.Send(context.Background(), p)
}

const goodList = `{"amountToRefund": 888.88, "refundDetails": [{"refund_id":"r1","psp_refund_id":"p1","amount":111.12,` +
	`"currency":"thb","refund_status":"SUCCESS","refund_type":"partial","refund_reason":"MARK damaged",` +
	`"refund_date":"2022-06-30T06:20:41.052983Z"}]}`

var quiet = log.New(io.Discard, "", 0)

func bufioReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
