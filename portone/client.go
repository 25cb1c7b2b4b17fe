package portone

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Config is what a Client needs. BaseURL, ClientKey and SecretKey are required.
type Config struct {
	BaseURL     string
	ClientKey   string
	SecretKey   Secret
	Environment Environment
	Rate        float64 // calls a second, of all calls of this Client together
	Burst       int
	Timeout     time.Duration // of one call, from its first byte to the last byte of its answer
	TokenTTL    time.Duration
	Log         *slog.Logger

	// Dial replaces the network, for a PortOne in this process. Nil is the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A Client speaks with PortOne. It is safe for use by several goroutines.
type Client struct{ cfg Config }

// The kinds of failure of a GET. Test with errors.Is.
var (
	ErrUnauthorized = errors.New("PortOne does not accept the key")           // key, secret, role or environment: stop
	ErrOrderUnknown = errors.New("PortOne does not know the order")           // an answer, not a failure
	ErrUnreadable   = errors.New("PortOne's answer can't be read")            // came, but is not whole or not valid
	ErrUnavailable  = errors.New("PortOne gave no answer, also when retried") // the network, 5xx or 429 to the end
)

func New(cfg Config) (*Client, error) { panic("not built") }

// Refunds lists an order's refunds. currency is the order's own.
func (c *Client) Refunds(ctx context.Context, orderRef string, currency Currency) (RefundList, error) {
	panic("not built")
}

// Prepare signs and spells out a POST. It sends nothing.
func (c *Client) Prepare(r RefundRequest, now time.Time) (Prepared, error) { panic("not built") }

// Send waits for the pace and sends p exactly once.
func (c *Client) Send(ctx context.Context, p Prepared) Answer { panic("not built") }

// OrderByMerchantRef resolves the merchant's own reference to PortOne's order_ref.
func (c *Client) OrderByMerchantRef(ctx context.Context, merchantOrderRef string) (orderRef string, err error) {
	panic("not built")
}

// Order tells what PortOne knows of an order.
func (c *Client) Order(ctx context.Context, orderRef string) (Order, error) { panic("not built") }

// Payments reads one page of the orders paid from from to to; page counts from 1.
func (c *Client) Payments(ctx context.Context, from, to time.Time, page, size int) (orders []Order, pages int, err error) {
	panic("not built")
}
