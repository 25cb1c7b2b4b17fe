package bulk

import (
	"time"

	"refunds/portone"
)

// State is the state of an instruction. See the drawing in doc.go.
type State string

const (
	Planned     State = "planned"
	Sending     State = "sending"
	Unknown     State = "unknown"
	Quarantined State = "quarantined" // a person decides
	Held        State = "held"        // behind a quarantined row of its order; issuing again takes it up
	Issued      State = "issued"      // final: PortOne lists it as successful
	Pending     State = "pending"     // made; PortOne's last word is outstanding
	Refused     State = "refused"     // final: nothing was made
	Failed      State = "failed"      // final: not made, or PortOne turned it to failed
	Cancelled   State = "cancelled"   // final: a person took it back
	// Skipped is not a state of an instruction but of a row: an earlier batch has it.
	Skipped State = "skipped"
)

// AttemptState is the state of one intended POST.
type AttemptState string

const (
	// Open: at most one attempt of an order is in one of these.
	AttemptSending     AttemptState = "sending"
	AttemptUnknown     AttemptState = "unknown"
	AttemptQuarantined AttemptState = "quarantined"
	// Closed.
	AttemptMade    AttemptState = "made"
	AttemptRefused AttemptState = "refused"
	AttemptNotSent AttemptState = "not_sent"
	AttemptAbsent  AttemptState = "absent" // unknown, and shown by the bounds not to have been made
)

func (s AttemptState) Open() bool {
	return s == AttemptSending || s == AttemptUnknown || s == AttemptQuarantined
}

// Bounds are the assumptions under which an absent refund counts as not made.
// Each attempt keeps those it was sent under.
type Bounds struct {
	ClockError    time.Duration `json:"clock_error"`    // between PortOne's clock and ours, either way
	MaxProcessing time.Duration `json:"max_processing"` // from PortOne's taking a request to the refund's being made
	ListLag       time.Duration `json:"list_lag"`       // from a refund's being made to its standing in the list
}

// An Attempt is one intended POST for an instruction. It is durable before any
// byte of it is sent.
type Attempt struct {
	ID           string // unique: the marker, "-", and N
	N            int    // 1 is the instruction's first
	Marker       string // of its instruction
	OrderRef     string
	Amount       portone.Money
	Channel      string
	Body         []byte // of the POST, as it goes out
	BodySHA256   string
	TokenSHA256  string
	TokenExpires time.Time
	Baseline     portone.RefundList // read after the order's last settled attempt
	Bounds       Bounds
	StartedAt    time.Time // of T1
	NextLook     time.Time // when the list is to be read for it next

	State      AttemptState
	Limited    bool      // PortOne answered 429
	AnsweredAt time.Time // zero while there is no answer
	HTTPStatus int
	Code       string
	Message    string
}

// An Order is what the ledger knows of one.
type Order struct {
	OrderRef           string
	MerchantOrderRef   string
	Amount             portone.Money
	Channel            string
	RefundAllowed      *bool // nil: nobody said
	MultiRefundAllowed *bool
	Confirmed          bool      // PortOne itself told the amount and currency; else an import did
	PaidAt             time.Time // zero: nobody said
}

// An OpenRow is an instruction that may still be sent, with how its closed attempts
// of this revision ended.
type OpenRow struct {
	Instruction
	State    State // planned or held
	Attempts int   // of all revisions; the next one's N is one more
	NotSent  int   // of this run in a row, where it is set by the shell
	Refused  int
	Limited  int // absent after a 429
	Absent   int // absent otherwise
}

// A BoundRefund is a listed refund that the ledger has booked for an instruction.
type BoundRefund struct {
	Marker      string
	State       State // of the instruction
	RefundID    string
	PSPRefundID string
	Identity    string
	Amount      portone.Money
	Status      portone.Status
}

// OrderState is all that decides the next step of one order, read in one
// transaction.
type OrderState struct {
	Order      *Order // nil: the ledger has no such order yet
	Version    int64  // raised by every T1 and T2; 0 without an order
	Echoes     bool   // the order's channel has been seen to give our reason back
	Rows       []OpenRow
	Open       *Attempt // with Row, the row it is for; nil: none
	OpenRow    *OpenRow // the instruction of Open
	Bound      []BoundRefund
	Imported   []BoundRefund    // booked, and of no instruction
	Markers    map[string]State // of every instruction of the order, whatever batch it is in
	Lost       bool             // the journal has an attempt of the order that the ledger has not, or may have; the shell sets it
	LostBefore time.Time        // with Lost: no refund of a lost attempt is dated after this; zero: any may be
}

// A Settlement is what T2 records: the outcome of an attempt, or of a row that
// needed none, in one transaction. It raises the order's version.
type Settlement struct {
	OrderRef string
	Marker   string // of the instruction
	At       time.Time

	// The attempt, taken from state From to To by compare-and-set; where the two are the
	// same, nothing is recorded but NextLook and the List. Without an AttemptID the
	// order must still have Version and no open attempt, but for an instruction whose refund is
	// booked and that is told anew.
	AttemptID string
	From, To  AttemptState
	Version   int64
	Limited   bool
	NextLook  time.Time // of an attempt that stays open
	Until     time.Time // of an unknown outcome: by then it is decided, as far as reading can; not recorded
	Answer    *Answered // of the POST; nil: none came, or it is recorded already

	// The instruction.
	State      State
	ReasonCode string
	Message    string

	Refund   *portone.Refund // to be booked for the instruction, or booked already and told anew; nil: none
	Identity string          // of Refund
	Echoed   bool            // the channel gave our marker back in the reason

	List *portone.RefundList // the evidence this was decided on; nil: the answer alone

	// A person's decision, of a row that still is in state Was; nil: PortOne's answers decided.
	Ruling *Ruling
	Was    State
}

// Answered is what came back for a POST, as evidence.
type Answered struct {
	At         time.Time
	HTTPStatus int
	Code       string
	Message    string
	Raw        []byte
}
