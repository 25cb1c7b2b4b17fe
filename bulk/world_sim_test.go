package bulk

import (
	"fmt"
	"time"

	"refunds/portone"
)

// A simWorld is everything that issuing meets, played from one seed in one goroutine: a ledger,
// a PortOne, people, and processes that run Turns and crash or pause between any two steps. The
// time is simulated too; now is how long the world has been there, by PortOne's clock.
type simWorld struct {
	seed     uint64
	policy   Policy
	beyond   bool   // the gateway leaves the bounds
	naive    string // which naive issuer is at work in place of ours; "": none
	leftOut  *leftOut
	dice     [mischiefs]dice
	struck   int // strikes so far
	tracing  bool
	trace    []string
	hash     uint64
	clock    time.Time // PortOne's, at the beginning
	now      time.Duration
	steps    int
	calmFrom time.Duration // nothing goes wrong from then on
	calm     bool
	rules    Rules

	// What this world is like.
	rate                                rates
	only                                fate // the one fault that POSTs meet; 0: any
	lagMost, staleMost, processingMost  time.Duration
	enforced, newestFirst, failedVanish bool
	noDates, emptyAll, noWait           bool
	edge                                bool // PortOne uses up all the time that it has: for the token, for processing, for the list
	silentChannel, queues               [2]bool
	batches                             int

	orders  []simOrder
	rows    []simRow
	procs   []simProc
	threads []simThread
	events  []simEvent
	echoed  [2]bool

	verdict finding
}

// rates are shares of 1000.
type rates struct {
	crash, pause, commit, journal, gate, post, get, refusal, processing, lag, stale, portalBeside, emptyIDs, inQueue int
}

// simBounds are the program's own defaults.
var simBounds = Bounds{ClockError: 5 * time.Second, MaxProcessing: 5 * time.Minute, ListLag: 10 * time.Minute}

const (
	simTimeout  = 30 * time.Second
	simTokenTTL = 60 * time.Second
	never       = time.Duration(1<<63 - 1)
	maxSteps    = 20000
)

// A finding is what is wrong with a run: nothing, if all is "".
type finding struct {
	double string // two refunds live for one instruction
	wrong  string // a row's final word is not the truth
	broken string // an invariant does not hold, or a row has no final word

	rows, quarantined, held int
}

func (v finding) bad() string {
	switch {
	case v.broken != "":
		return "broken: " + v.broken
	case v.double != "":
		return "double: " + v.double
	case v.wrong != "":
		return "wrong: " + v.wrong
	}
	return ""
}

type simProc struct {
	off  time.Duration // its clock less PortOne's
	idle int           // of its threads that issue: those that are done for this run
	runs int
}

type eventKind int

const (
	eventArrive eventKind = iota
	eventMake
	eventPortal
	eventCommit
	eventGiveAgain
)

// simEvent is what happens by itself at a time.
type simEvent struct {
	at     time.Duration
	kind   eventKind
	post   simPost
	order  int
	row    int
	amount int64
	dice   dice
	commit func() error
}

func (w *simWorld) later(at time.Duration, e simEvent) {
	e.at = at
	w.events = append(w.events, e)
}

// run plays the world to its end.
func (w *simWorld) run() finding {
	for w.verdict.broken == "" && w.verdict.double == "" && w.step() {
	}
	w.judge()
	return w.verdict
}

// step lets the next thing happen, whatever is due first; false: the world has ended.
func (w *simWorld) step() bool {
	at, event, thread := never, -1, -1
	for i := range w.events {
		if w.events[i].at < at {
			at, event = w.events[i].at, i
		}
	}
	for i := range w.threads {
		if w.threads[i].wake < at {
			at, event, thread = w.threads[i].wake, -1, i
		}
	}
	if at == never {
		return false
	}
	if w.steps++; w.steps > maxSteps {
		w.hold(false, "the world does not come to rest")
		return false
	}
	w.now = max(w.now, at)
	w.calm = w.calm || w.now >= w.calmFrom
	if thread >= 0 {
		w.runs(&w.threads[thread])
	} else {
		e := w.events[event]
		w.events[event] = w.events[len(w.events)-1]
		w.events = w.events[:len(w.events)-1]
		w.happens(e)
	}
	w.invariants()
	return true
}

func (w *simWorld) happens(e simEvent) {
	w.mix(uint64(e.kind)<<32 | uint64(e.order))
	switch e.kind {
	case eventArrive:
		w.says(-1, "a POST for %s arrives: %s", e.post.attempt, fateNames[e.post.fate])
		w.arrives(e.post)
	case eventMake:
		w.carriesOut(e.post)
	case eventPortal:
		w.portalRefund(e.order, e.amount, e.dice)
	case eventCommit:
		err := e.commit()
		w.says(-1, "a commit that was given up is done: %v", err)
	case eventGiveAgain:
		if w.giveAgain(e.row, e.order) {
			w.says(-1, "row %d is given again", e.row)
			w.wakeAll()
		}
	}
}

// strikes tells whether something of a kind goes wrong now, with dice for how.
func (w *simWorld) strikes(m mischief, share int) (dice, bool) {
	d := &w.dice[m]
	throw := d.throw()
	if w.calm || int(throw>>11%1000) >= share {
		return 0, false
	}
	n := w.struck
	w.struck++
	if w.leftOut.has(m, n) {
		return 0, false
	}
	if w.tracing {
		w.says(-1, "[%d: %s]", n, mischiefNames[m])
	}
	return dice(throw * 0x9fb21c651e98df25), true
}

// mix adds to the hash of all that happened (FNV-1a over words).
func (w *simWorld) mix(v uint64) {
	w.hash = (w.hash ^ v ^ uint64(w.now)*0x9e3779b97f4a7c15) * 0x100000001b3
}

func (w *simWorld) says(thread int, format string, args ...any) {
	if !w.tracing {
		return
	}
	who := "       "
	if thread >= 0 {
		t := &w.threads[thread]
		who = fmt.Sprintf("p%d %s%d ", t.proc, [...]string{"order", "reads", "naive"}[t.kind], t.order)
	}
	w.trace = append(w.trace, fmt.Sprintf("%12s  %s%s", w.now.Round(time.Millisecond), who, fmt.Sprintf(format, args...)))
}

// hold is an assertion.
func (w *simWorld) hold(ok bool, what string) {
	if !ok && w.verdict.broken == "" {
		w.verdict.broken = what
		w.says(-1, "BROKEN: %s", what)
	}
}

// invariants hold after every step; those of one transaction are held where it is made.
func (w *simWorld) invariants() {
	for i := range w.orders {
		o := &w.orders[i]
		open := 0
		for j := range o.attempts {
			if o.attempts[j].State.Open() {
				open++
			}
		}
		w.hold(open <= 1, "two open attempts of one order")
		for j := range o.booked {
			for k := range o.booked[:j] {
				a, b := &o.booked[j], &o.booked[k]
				w.hold(a.row != b.row && a.identity != b.identity && (a.psp == "" || a.psp != b.psp), "one listed refund is bound twice")
			}
		}
	}
	for i := range w.rows {
		r := &w.rows[i]
		if w.naive == "" && (r.state == Issued || r.state == Pending) {
			w.hold(w.orders[r.order].bookedFor(i) != nil, "a row is issued without PortOne's evidence")
		}
	}
}

// changes holds what a T2 may do to a row, and compares its word with the truth.
func (w *simWorld) changes(row int, s Settlement) {
	from := w.rows[row].state
	switch from {
	case Issued, Cancelled:
		w.hold(s.State == from, "a final state was left")
	case Refused, Failed:
		w.hold(s.State == from || s.State == Quarantined && s.List != nil, "a refused or failed row was changed without evidence")
	}
	if w.beyond {
		return
	}
	switch live := w.live(row); {
	case s.State == Pending && live == 0 && w.madeFor(row) > 0: // a list that was behind: it has failed meanwhile
	case (s.State == Issued || s.State == Pending) && live != 1:
		w.finds("a row became %s with %d live refunds", s.State, live)
	case (s.State == Refused || s.State == Failed) && live != 0 && !w.lostLedger(row): // told right by the next list
		w.finds("a row became %s (%s) with %d live refunds", s.State, s.ReasonCode, live)
	}
}

func (w *simWorld) finds(format string, args ...any) {
	if w.verdict.wrong == "" {
		w.verdict.wrong = fmt.Sprintf(format, args...)
		w.says(-1, "WRONG: %s", w.verdict.wrong)
	}
}

// live is how many refunds of a row's are there and have not failed.
func (w *simWorld) live(row int) (n int) {
	o := &w.orders[w.rows[row].order]
	for i := range o.refunds {
		if r := &o.refunds[i]; r.row == row && !r.statusAt(w.now).Failed() {
			n++
		}
	}
	return n
}

// lostLedger tells whether a row's only refund is one of before this world.
func (w *simWorld) lostLedger(row int) bool {
	for _, r := range w.orders[w.rows[row].order].refunds {
		if r.row == row && r.made < 0 {
			return w.live(row) == 1
		}
	}
	return false
}

func (w *simWorld) madeFor(row int) (n int) {
	for _, r := range w.orders[w.rows[row].order].refunds {
		if r.row == row {
			n++
		}
	}
	return n
}

// made compares a refund that PortOne just made with what the ledger thinks.
func (w *simWorld) made(p simPost, r *simRefund) {
	w.says(-1, "PortOne makes refund %s of %d for %s, %s, listed %s later", r.id, r.amount, p.attempt, r.status, r.listed-r.made)
	if n := w.live(p.row); n > 1 {
		w.verdict.double = fmt.Sprintf("%d live refunds of one row", n)
		w.says(-1, "DOUBLE: row %d has %d live refunds", p.row, n)
	}
	if w.naive == "" && !w.beyond {
		if a := w.orders[p.order].attempt(p.attempt); a != nil && !a.State.Open() {
			w.finds("a refund was made for an attempt that the ledger has as %s", a.State)
		}
	}
}

// judge gives the verdict on the end.
func (w *simWorld) judge() {
	w.verdict.rows = len(w.rows)
	for i := range w.rows {
		r, live := &w.rows[i], w.live(i)
		switch r.state {
		case Issued, Pending:
			if r.state == Pending && live == 0 && w.failedVanish {
				break // it failed and is not listed any more: nothing tells, but reconciliation names it
			}
			if live != 1 {
				w.finds("a row ends %s with %d live refunds", r.state, live)
			}
		case Refused, Failed, Held:
			// What an earlier ledger made is told only of a row that is begun with, and, where it
			// ended before, once nothing of its order is open.
			told := r.state != Held && w.orders[r.order].open() == nil
			if live != 0 && (told || !w.lostLedger(i)) {
				w.finds("a row ends %s (%s) with %d live refunds", r.state, r.code, live)
			}
			if r.state == Held {
				w.verdict.held++
			}
		case Quarantined:
			w.verdict.quarantined++
		default:
			if w.verdict.double == "" {
				w.hold(w.naive != "", fmt.Sprintf("a row ends %s", r.state))
			}
		}
	}
}

func vndList(l portone.RefundList) string {
	s := fmt.Sprintf("%d left", l.Remaining.Minor)
	for _, r := range l.Refunds {
		s += fmt.Sprintf(", %s/%s %d %s %.6q", r.RefundID, r.PSPRefundID, r.Amount.Minor, r.Status, r.Reason)
	}
	return s
}
