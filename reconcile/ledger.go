package reconcile

import (
	"context"
	"time"

	"refunds/portone"
)

// Ledger is what a run needs of the ledger database. Every method is one transaction.
type Ledger interface {
	// BeginRun books r, and the orders of its window as unchecked, so that one that is never
	// reached is known to be. It gives how many they are, and in r.Roll what is open.
	BeginRun(ctx context.Context, r Run) (orders int, opening Roll, err error)

	// Page gives the books of the run's next orders after an order_ref, sorted by it, at most
	// limit. An order that the ledger no longer has, or never had, comes with no currency.
	Page(ctx context.Context, runID, after string, limit int) ([]Books, error)

	// Books reads one order again.
	Books(ctx context.Context, orderRef string) (Books, error)

	// Record books what became of some of the run's orders. A discrepancy of an order that
	// was read and did not show it again is resolved; those of an unchecked one stay. It
	// gives by how much that rolls the open discrepancies forward. To be called once for
	// each order of a run.
	Record(ctx context.Context, r Run, checked []Checked) (Roll, error)

	// FinishRun books the run's end, with the open discrepancies of the orders that it
	// could not read, and gives it back with Roll.Outside filled in.
	FinishRun(ctx context.Context, r Run) (Run, error)
}

// Nights is what the nightly run needs of the ledger database: a night is a business date,
// and its unique row makes it run once, whatever restarts or second processes there are.
type Nights interface {
	// ClaimNight takes a night for owner, if nobody has it, or if its holder has given no sign
	// for staleAfter and not finished: then it died. False: leave it alone. Should a holder
	// not be dead but slow, two runs read the same lists, which harms nothing.
	ClaimNight(ctx context.Context, date Date, owner string, now time.Time, staleAfter time.Duration) (bool, error)

	// BeatNight is a sign of life; false: somebody else has the night now, or it is finished.
	BeatNight(ctx context.Context, date Date, owner string, now time.Time) (bool, error)

	// FinishNight ends a night for good with its run, or, with runID "", gives it back
	// for anybody to claim at once. It does nothing for one that owner no longer has.
	FinishNight(ctx context.Context, date Date, owner, runID string, now time.Time) error

	// MissedNights gives the business dates up to last that have not been finished, oldest
	// first, beginning with the first that was ever claimed; before any was, last alone.
	MissedNights(ctx context.Context, last Date) ([]Date, error)
}

// A Lister reads an order's refunds at PortOne: portone.Client, which keeps the pace.
type Lister interface {
	Refunds(ctx context.Context, orderRef string, currency portone.Currency) (portone.RefundList, error)
}

// A Settler books what a list, whose reading began at readAt, tells of an order's
// unknown and pending refunds. It posts nothing.
type Settler interface {
	Apply(ctx context.Context, orderRef string, list portone.RefundList, readAt time.Time) error
}

// Checked is what a run found of one order.
type Checked struct {
	Line  OrderLine
	Found []Discrepancy // none where unchecked
	Seen  []Seen        // the refunds listed now, each as it is to be remembered
	At    time.Time     // when the list was read
	Sums  []Sum         // of this order
}
