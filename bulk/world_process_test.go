package bulk

import (
	"errors"
	"time"

	"refunds/portone"
)

type threadKind int

const (
	issues threadKind = iota
	reads
	naively
)

// A simThread is one thing that a process does: it issues one order of a batch, or reads
// lists as refunds resolve and the nightly run do.
type simThread struct {
	proc, order, batch int
	kind               threadKind
	self               int
	wake               time.Duration
	epoch              int // raised when it is given up, so that answers know that nobody waits

	// Of one that issues.
	turn     *Turn
	done     Done
	kindDone DoKind
	late     bool // the clock is read after what was done
	phase    sendPhase
	body     portone.RefundRequest
	attempt  Attempt
	expires  time.Time
	waits    bool          // for an answer
	patience time.Duration // the client gives up then
	tries    int

	// Of one that reads.
	nights int
	queue  []int
	list   portone.RefundList
	readAt time.Time
	settle *Settlement
	rounds int
	looked bool
	naive  simNaive
}

type sendPhase int

const (
	restarts sendPhase = iota // a new visit
	steps
	writes   // the client has passed its checks, and writes now
	answers  // what was written is under way
	holds    // the run is over: Hold
	rests    // nothing to do
	looksUp  // which orders
	readsOne // one order's list
	tells    // what it says
	settles  // record that
)

func (w *simWorld) clockOf(t *simThread) time.Time { return w.clock.Add(w.now + w.procs[t.proc].off) }

// latency is how long until a thread's next step: mostly little, sometimes a pause.
func (w *simWorld) latency(t *simThread) time.Duration {
	d := time.Duration(1+w.dice[timing].n(60)) * time.Millisecond
	if w.dice[timing].n(16) == 0 {
		d = time.Duration(w.dice[timing].n(5000)) * time.Millisecond
	}
	rate := w.rate.pause
	if t.phase == writes { // between the client's checks and the first byte, where only the token helps
		rate *= 4
	}
	if x, ok := w.strikes(pause, rate); ok {
		if x.permille(300) {
			d += x.upTo(time.Minute)
		} else {
			d += x.upTo(10 * time.Minute)
		}
		w.says(t.self, "pauses for %s", d)
	}
	return d
}

// runs lets one thread do its next step, and decides when the one after is.
func (w *simWorld) runs(t *simThread) {
	if x, ok := w.strikes(crash, w.rate.crash); ok {
		w.crashes(t.proc, time.Second+x.upTo(5*time.Minute))
		return
	}
	t.wake = never
	switch t.kind {
	case issues:
		w.issueStep(t)
	case reads:
		w.readStep(t)
	case naively:
		w.naiveStep(t)
	}
	w.mix(uint64(t.self)<<56 | uint64(t.phase)<<48 | uint64(w.orders[t.order].version)<<32 | uint64(len(t.kindDone))<<16 | uint64(w.struck))
	if t.wake == never && !t.waits && t.phase != rests {
		t.wake = w.now + w.latency(t)
	}
}

// crashes drops all that a process has in memory. It starts again after a while.
func (w *simWorld) crashes(proc int, down time.Duration) {
	w.says(-1, "process %d crashes, down for %s", proc, down)
	w.mix(uint64(proc) + 77)
	for i := range w.threads {
		t := &w.threads[i]
		if t.proc != proc {
			continue
		}
		t.epoch++
		t.waits, t.queue, t.settle, t.turn = false, nil, nil, nil
		t.naive = simNaive{}
		w.restart(t, w.now+down)
	}
	w.procs[proc].idle = 0
}

// restart begins a new run of a thread.
func (w *simWorld) restart(t *simThread, at time.Duration) {
	t.phase, t.wake, t.tries = restarts, at+time.Duration(w.dice[timing].n(400))*time.Millisecond, 0
	if t.kind == issues {
		t.turn = NewTurn(w.orders[t.order].ref, w.rules, time.Time{})
	}
}

func (w *simWorld) issueStep(t *simThread) {
	var do Do
	switch t.phase {
	case holds:
		for b := range w.batches {
			w.holdRows(b)
		}
		w.runEnds(t.proc)
		return
	case restarts:
		t.phase = steps
		do = t.turn.Start()
	case writes:
		w.write(t)
		return
	case answers:
		t.phase, t.late = steps, true
		if t.waits {
			t.waits = false
			t.epoch++
			t.done.Answer = portone.Answer{Class: portone.Unknown, Message: "time-out"}
		}
		fallthrough
	default:
		if t.late {
			t.done.At, t.late = w.clockOf(t), false
		}
		do = t.turn.Next(t.done)
	}
	t.kindDone = do.Kind
	if do.Kind == DoEnd {
		w.says(t.self, "ends: %+v", do.End)
		w.ends(t, do.End)
		return
	}
	w.does(t, do)
}

// ends is what the Issuer makes of a visit's end.
func (w *simWorld) ends(t *simThread, e End) {
	at := func(until time.Time) time.Duration {
		return max(w.now, until.Sub(w.clock)-w.procs[t.proc].off)
	}
	t.phase = restarts
	if e.Failed == nil {
		t.tries = 0
	}
	switch {
	case e.Stop != nil || e.Failed != nil && errors.Is(e.Failed, portone.ErrUnauthorized):
		for i := range w.threads {
			if o := &w.threads[i]; o.proc == t.proc && o.kind == issues && o != t && o.phase == restarts && o.wake != never {
				w.rest(o) // those in the midst of something finish it
			}
		}
		w.rest(t)
	case e.Failed != nil:
		if t.tries++; t.tries >= maxTries {
			w.rest(t)
			return
		}
		t.wake = w.now + time.Second<<t.tries
	case e.Paused:
		t.wake = w.now + time.Duration(1+w.dice[timing].n(60))*time.Second
	case !e.Until.IsZero() && !(e.Unknown && w.noWait && !w.calm):
		t.wake = at(e.Until)
	default:
		w.rest(t)
	}
}

// rest is a thread that is done for this run. The last one of its process holds rows and ends it.
func (w *simWorld) rest(t *simThread) {
	t.phase, t.wake = rests, never
	p := &w.procs[t.proc]
	if p.idle++; p.idle == w.issuers() {
		t.phase, t.wake = holds, w.now+w.latency(t)
	}
}

func (w *simWorld) issuers() (n int) {
	for i := range w.threads {
		if t := &w.threads[i]; t.proc == 0 && t.kind == issues {
			n++
		}
	}
	return n
}

// runEnds lets a process issue its files again after a while, as long as there is something to do.
func (w *simWorld) runEnds(proc int) {
	p := &w.procs[proc]
	p.idle = 0
	p.runs++
	gap := time.Duration(1+w.dice[timing].n(15)) * time.Minute
	for i := range w.threads {
		if t := &w.threads[i]; t.proc == proc && t.kind == issues {
			t.phase, t.wake = rests, never
			if !w.done() {
				w.restart(t, w.now+gap)
			}
		}
	}
}

// wakeAll sends processes that found nothing more to do to work again.
func (w *simWorld) wakeAll() {
	for p := range w.procs {
		resting := 0
		for i := range w.threads {
			if t := &w.threads[i]; t.proc == p && t.kind == issues && t.phase == rests {
				resting++
			}
		}
		if resting == w.issuers() {
			w.procs[p].idle = 0
			w.runEnds(p)
		}
	}
}

// done tells whether no row is left that issuing could take further.
func (w *simWorld) done() bool {
	for i := range w.rows {
		switch r := &w.rows[i]; r.state {
		case Planned, Sending, Unknown:
			return false
		case Held:
			behind := false
			for j := range w.rows {
				behind = behind || w.rows[j].order == r.order && w.rows[j].state == Quarantined
			}
			if !behind {
				return false
			}
		}
	}
	return true
}
