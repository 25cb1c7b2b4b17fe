package portone

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// An Environment is PortOne's name for where money is real and where it is not.
// One host serves both: it is a field of the POST's body (guide).
type Environment string

const (
	Sandbox Environment = "sandbox"
	Live    Environment = "live"
)

// RefundType says whether the amount counts (partial) or is ignored in favour of
// all that is left (full, guide).
type RefundType string

const (
	Partial RefundType = "partial"
	Full    RefundType = "full"
)

// A RefundRequest is what one POST asks for. All fields are required (guide).
type RefundRequest struct {
	OrderRef    string
	Amount      Money
	Channel     string
	Description string
	Type        RefundType
	Reason      string
	Environment Environment
}

// A Refund is one element of PortOne's list, as PortOne tells it. Either id may be
// empty, also on a successful refund (seen in the spec's samples).
type Refund struct {
	RefundID    string
	PSPRefundID string
	Amount      Money
	Status      Status
	Type        string
	Reason      string
	Date        time.Time // zero when absent or in no known form
}

// A RefundList is a whole, valid answer to a GET or POST of an order's refunds:
// every refund of the order, in no promised order, whoever made it.
type RefundList struct {
	Remaining Money // still refundable; in the order's currency, which the list does not name
	Refunds   []Refund
	Raw       []byte // the answer's bytes, as evidence
}

// Status is PortOne's word for the state of a refund, as it came.
type Status string

// Settled tells whether the word is known to be final. SUCCESS is the only value
// in the guide's samples; FAILED is our reading. An unknown word is not final.
func (s Status) Settled() bool { return s.Succeeded() || s.Failed() }

func (s Status) Succeeded() bool { return strings.EqualFold(string(s), "SUCCESS") }
func (s Status) Failed() bool    { return strings.EqualFold(string(s), "FAILED") }

// An Order is what transaction-details tells of one.
type Order struct {
	OrderRef           string
	MerchantOrderRef   string
	Amount             Money
	Channel            string
	Status             string
	RefundAllowed      *bool // nil where PortOne did not say
	MultiRefundAllowed *bool
	PaidAt             time.Time // zero where PortOne did not say
}

// A Prepared refund is one POST, signed and spelled out, of which no byte has been
// sent. Its token is a deadline that the server enforces.
type Prepared struct {
	OrderRef  string
	Currency  Currency // of the order; the answer's remaining amount is read in it
	Body      []byte
	ExpiresAt time.Time // of the token, in whole seconds
	Turned    func()    // called when the pace is passed, just before the first byte; nil: nobody listens
	ticket    *ticket
}

func (p Prepared) BodySHA256() string { return sum(p.Body) }

// TokenSHA256 is "" where Prepare did not make p.
func (p Prepared) TokenSHA256() string {
	if p.ticket == nil {
		return ""
	}
	return sum([]byte(p.ticket.token()))
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Class is what the answer to a POST proves, and nothing more.
type Class string

const (
	// NotSent: DNS, dial or TLS failed, the pace was not waited out, or the token
	// was too old: no byte of the request was written.
	NotSent Class = "not_sent"
	// Listed: a whole, valid 200. Whether our refund is in it is for the caller to see.
	Listed Class = "listed"
	// Refused: 400 to 422 (not 408) with a PortOne body and a listed code. One GET that
	// shows nothing new is still needed to believe it.
	Refused Class = "refused"
	// Limited: 429. Documented nowhere, so it may hide a refund that was made.
	Limited Class = "limited"
	// Unknown: everything else.
	Unknown Class = "unknown"
)

// An Answer is what became of one POST.
type Answer struct {
	Class      Class
	HTTPStatus int           // 0 when no status line came
	Code       string        // PortOne's status_code, "" when the body had none
	Reason     string        // status_reason, or status_message
	Message    string        // PortOne's message, or our own words for a failure
	Stop       bool          // the key, secret, role or environment is wrong: no other POST can do better
	RetryAfter time.Duration // of a 429 or 503; 0 when not said
	List       RefundList    // of class Listed
	Raw        []byte        // what was read of the body, at most 64 KiB of it
	Err        error         // what the transport said, if it failed
}
