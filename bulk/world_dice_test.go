package bulk

import "time"

// dice are a splitmix64: the same seed gives the same throws on every machine.
type dice uint64

func (d *dice) throw() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) n(n int) int             { return int(d.throw() >> 11 % uint64(n)) }
func (d *dice) permille(share int) bool { return d.n(1000) < share }

// upTo favours the ends, where rules break: nothing at all, and just as much as may be.
func (d *dice) upTo(most time.Duration) time.Duration {
	switch d.n(6) {
	case 0:
		return 0
	case 1, 2:
		return most
	case 3:
		return time.Duration(d.throw() % uint64(most/8+1))
	default:
		return time.Duration(d.throw() % uint64(most+1))
	}
}

// A mischief is a kind of thing that goes wrong, or is richer than it need be, in a world. Each
// throws dice of its own, so that leaving one kind out does not change the others.
type mischief int

const (
	secondProcess mischief = iota
	moreOrders
	moreRows
	secondBatch
	resolver
	regive // a person gives a refused or failed row again, as a new revision
	clockError
	crash
	pause
	commit  // a transaction's outcome is unknown to whoever made it
	journal // no line can be written
	gate    // the breaker pauses
	post    // a POST meets a fault
	get     // a list can't be read
	refusal // refused for real
	processing
	lag      // made now, listed later
	stale    // a list is read from a copy that is behind
	portal   // somebody else refunds
	noEchoes // a channel gives no reason back
	emptyIDs
	inQueue       // a refund becomes final later
	earlierLedger // an earlier ledger had made a refund, and is gone
	shape         // of rows and orders
	timing        // how long steps take; never left out
	mischiefs
)

var mischiefNames = [mischiefs]string{"second process", "more orders", "more rows", "second batch", "resolver", "regive", "clock error",
	"crash", "pause", "commit", "journal", "gate", "post fault", "get fault", "refusal", "processing", "lag", "stale list", "portal",
	"no echo", "empty ids", "in queue", "lost ledger", "shape", "timing"}

// leftOut is what a run leaves out of what its seed says: whole kinds, and single strikes by
// their number. It is how a failing seed is shrunk.
type leftOut struct {
	kinds   uint32
	strikes [16]uint64 // a bit for each of the first 1024
}

func (l *leftOut) has(m mischief, n int) bool {
	return l.kinds>>m&1 == 1 || n < len(l.strikes)*64 && l.strikes[n/64]>>(n%64)&1 == 1
}

func (l *leftOut) drop(n int) { l.strikes[n/64] |= 1 << (n % 64) }
