package bulk

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// A BreakerRule says when sending pauses: after so many unknown outcomes in a row, or
// when so many percent of the last 100 were unknown.
type BreakerRule struct{ InARow, Percent int }

// ParseBreakerRule reads "10,50%".
func ParseBreakerRule(s string) (BreakerRule, error) {
	row, percent, ok := strings.Cut(s, ",")
	n, err := strconv.Atoi(row)
	p, err2 := strconv.Atoi(strings.TrimSuffix(percent, "%"))
	if !ok || err != nil || err2 != nil || !strings.HasSuffix(percent, "%") || n < 1 || p < 1 || p > 100 {
		return BreakerRule{}, fmt.Errorf("%q is not of the form 10,50%% (unknown outcomes in a row, and percent of the last 100)", s)
	}
	return BreakerRule{n, p}, nil
}

func (r BreakerRule) String() string { return fmt.Sprintf("%d,%d%%", r.InARow, r.Percent) }

// A Breaker pauses new sends while PortOne's answers prove nothing. It ends no run and
// no row, and lives as long as the process. While it is open, each outcome that
// settles lets one send try; the first that proves something closes it.
type Breaker struct {
	rule BreakerRule

	mu     sync.Mutex
	last   [100]bool // a ring: was the outcome unknown?
	n      int       // outcomes so far
	row    int       // unknown ones in a row
	open   bool
	tries  int // sends that may try while it is open: 0 or 1
	reason string
}

func NewBreaker(rule BreakerRule) *Breaker { return &Breaker{rule: rule} }

// Take asks to send now. Whoever is allowed must report by Sent or GiveBack.
func (b *Breaker) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open && b.tries == 0 {
		return false
	}
	b.tries = 0
	return true
}

// GiveBack says that nothing was sent after all.
func (b *Breaker) GiveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries = 1
}

// Sent reports what a send proved: unknown or not.
func (b *Breaker) Sent(unknown bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !unknown {
		if b.row = 0; b.open {
			b.open, b.n = false, 0
		}
	} else {
		b.row++
	}
	b.last[b.n%len(b.last)] = unknown
	b.n++
	if b.open || !unknown {
		return
	}
	share := 0
	for _, u := range b.last[:min(b.n, len(b.last))] {
		if u {
			share++
		}
	}
	switch {
	case b.row >= b.rule.InARow:
		b.open, b.reason = true, fmt.Sprintf("%d outcomes in a row are unknown", b.row)
	case b.n >= len(b.last) && share*100 >= b.rule.Percent*len(b.last):
		b.open, b.reason = true, fmt.Sprintf("%d of the last %d outcomes are unknown", share, len(b.last))
	}
	b.tries = 0
}

// Settled lets one send try: an earlier outcome settled, or none is left to wait for.
func (b *Breaker) Settled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries = 1
}

// Paused says why sending pauses; "" while it doesn't.
func (b *Breaker) Paused() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open || b.tries > 0 {
		return ""
	}
	return b.reason
}
