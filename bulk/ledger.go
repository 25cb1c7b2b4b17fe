package bulk

import (
	"context"
	"errors"
	"time"
)

// Ledger is what issuing needs of the ledger database. Every method is one
// transaction; a nil error means that it is durable.
type Ledger interface {
	// OrderState reads all that decides the order's next step. Rows are those of the
	// batch that are planned or held, in the file's order; none with batchID "".
	OrderState(ctx context.Context, orderRef, batchID string) (OrderState, error)

	// PutOrder books an order that the ledger lacks. One that is there already with the same
	// amount and currency becomes confirmed, with what is told of refunds anew, if o is
	// confirmed; else it stays as it is.
	PutOrder(ctx context.Context, o Order) error

	// Begin is T1. It inserts a only if its instruction is still planned or held, the
	// order has no open attempt and its version is still version; else it changes
	// nothing and returns ErrMoved. After any other error the attempt may be there or
	// not: nothing may be sent.
	Begin(ctx context.Context, a Attempt, version int64) error

	// Settle is T2. ErrMoved means that somebody else was first, and nothing was changed.
	// ErrBoundElsewhere means that the refund belongs to another instruction.
	Settle(ctx context.Context, s Settlement) error

	// Hold makes the planned rows of the batch that stand behind a quarantined one of
	// their order held, and the held ones that no longer do planned. It tells how many are held.
	Hold(ctx context.Context, batchID string, at time.Time) (held int, err error)

	// Unsettled lists the orders that have an open attempt to be looked at by due, or a
	// booked refund whose last status was not final, longest waiting first.
	Unsettled(ctx context.Context, due time.Time) ([]string, error)

	// MissingAttempts gives those of the ids that the ledger has no attempt for.
	MissingAttempts(ctx context.Context, ids []string) ([]string, error)
}

// Intake is what taking a file in needs of the ledger database.
type Intake interface {
	// Accept books a batch and its instructions, once. Each instruction that an
	// earlier batch holds becomes a skipped row, or, when nothing was ever made for
	// it and all its attempts were refused or not sent, a new revision that this batch
	// owns. The same id with other content is a Conflict, and then nothing is booked.
	Accept(ctx context.Context, b Batch) ([]Conflict, error)

	// Held looks rows up without booking anything: for each row that an earlier batch
	// holds, where, in the words of the row's message; keyed by Row.N.
	Held(ctx context.Context, b Batch) (map[int]Result, []Conflict, error)

	// OrderRefs resolves the merchant's references through the ledger's orders. One that
	// several orders carry has several values; one that none carries is left out.
	OrderRefs(ctx context.Context, merchantOrderRefs []string) (map[string][]string, error)

	// OpenOrders lists the orders of a batch that have rows planned or held, or an
	// open attempt, in the order of their first row.
	OpenOrders(ctx context.Context, batchID string) ([]string, error)

	// Results tells of every row of a batch what became of it, in row order.
	Results(ctx context.Context, batchID string) ([]Result, error)
}

// A Conflict is a row whose instruction_id an earlier batch used for something else.
type Conflict struct {
	N       int    // of the row
	Column  string // the first that differs
	Message string // "already in batch 7f3a…, row 12, with amount 500"
}

// A Result is one row's line in the results file.
type Result struct {
	N             int
	Status        State
	RefundID      string
	PSPRefundID   string
	PortoneStatus string
	Attempts      int
	ReasonCode    string
	Message       string
	SentAt        time.Time // of the last attempt's T1; zero: none
	SettledAt     time.Time // when the status was last decided; zero: not yet
	// A refused or failed row whose instruction came again in a later batch, which owns it now.
	GivenAgain bool
	// For status unknown or quarantined: until when it may still settle by itself.
	Until time.Time
}

var (
	// ErrMoved: another process, or another step, changed the order first. Read it again.
	ErrMoved = errors.New("the order changed meanwhile")
	// ErrBoundElsewhere: a listed refund proves one instruction at most.
	ErrBoundElsewhere = errors.New("the listed refund belongs to another instruction")
)
