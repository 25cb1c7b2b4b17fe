package bulk

import (
	"time"

	"refunds/portone"
)

var (
	channelNames = [2]string{"MOMOPAY", "GCASH"}
	orderRefs    = [3]string{"ORDER1", "ORDER2", "ORDER3"}
	rowMarkers   = [4]string{"AAAAAAAAAAAAAAAAAAR1", "AAAAAAAAAAAAAAAAAAR2", "AAAAAAAAAAAAAAAAAAR3", "AAAAAAAAAAAAAAAAAAR4"}
	policies     = [3]Policy{Quarantine, RetryIfCapped, Retry}
)

// newWorld throws a world: its policy and whether it keeps the bounds follow from the seed alone,
// so that any range of seeds has some of each.
func newWorld(seed uint64, naive string, l *leftOut) *simWorld {
	w := &simWorld{seed: seed, policy: policies[seed%3], beyond: seed/3%2 == 1 && naive == "", naive: naive, leftOut: l, hash: 0xcbf29ce484222325}
	for m := range w.dice {
		w.dice[m] = dice(seed*uint64(mischiefs) + uint64(m))
		w.dice[m].throw()
	}
	w.rules = Rules{Environment: portone.Sandbox, OnAbsent: w.policy, Bounds: simBounds, Timeout: simTimeout}
	w.clock = t0.Add(time.Duration(w.dice[shape].n(int(time.Hour))))
	w.calmFrom = time.Duration(2+w.dice[shape].n(60)) * time.Minute
	w.likes()
	w.peoples()
	return w
}

// may throws for something that a world has or has not from its beginning.
func (w *simWorld) may(m mischief, share int) bool {
	return w.dice[m].permille(share) && w.leftOut.kinds>>m&1 == 0
}

// likes throws how bad which things are.
func (w *simWorld) likes() {
	d := &w.dice[shape]
	pick := func(shares ...int) int { return shares[d.n(len(shares))] }
	w.rate = rates{
		crash: pick(0, 0, 3, 15, 40), pause: pick(0, 0, 10, 50, 200), commit: pick(0, 0, 20, 100), journal: pick(0, 0, 0, 20), gate: pick(0, 0, 100),
		post: pick(100, 400, 700, 950), get: pick(0, 0, 30, 150), refusal: pick(0, 0, 100), processing: pick(0, 300, 900), lag: pick(0, 300, 900),
		stale: pick(0, 0, 500), portalBeside: pick(0, 0, 100, 500), emptyIDs: pick(0, 300, 1000), inQueue: pick(0, 0, 400),
	}
	if d.n(2) == 0 {
		w.only = fate(1 + d.n(int(fates)-1))
	}
	w.lagMost, w.processingMost, w.enforced = simBounds.ListLag, simBounds.MaxProcessing, true
	if w.rate.stale > 0 {
		w.staleMost = simBounds.ListLag / 2
		w.lagMost -= w.staleMost
	}
	if w.beyond {
		switch d.n(3) {
		case 0:
			w.lagMost *= 4
		case 1:
			w.processingMost *= 8
		default:
			w.enforced = false
		}
	}
	w.newestFirst, w.failedVanish, w.noDates, w.emptyAll, w.noWait = d.n(2) == 0, d.n(4) == 0, d.n(8) == 0, d.n(2) == 0, d.n(4) == 0
	w.silentChannel[0], w.silentChannel[1] = w.may(noEchoes, 150), w.may(noEchoes, 500)
	if w.edge = d.n(10) == 0; w.edge {
		w.rate.lag, w.rate.processing = 1000, 1000
	}
	if w.silentChannel[0] || w.silentChannel[1] {
		w.noDates = d.n(3) == 0 // there it is the dates that tell refunds apart
	}
	for c := range w.echoed {
		w.echoed[c] = !w.silentChannel[c] && d.n(3) > 0
		w.queues[c] = w.echoed[c]
	}
}

// peoples throws orders, rows and processes.
func (w *simWorld) peoples() {
	d := &w.dice[shape]
	nOrders, nRows, nProcs := 1, 1, 1
	for nOrders < len(orderRefs) && w.may(moreOrders, 250) {
		nOrders++
	}
	for nRows < len(rowMarkers) && w.may(moreRows, 500) {
		nRows++
	}
	if w.may(secondProcess, 700) && w.naive == "" {
		nProcs += 1 + d.n(6)/5
	}
	w.batches = 1
	if w.may(secondBatch, 200) {
		w.batches = 2
	}
	no, yes := false, true
	for i := range nOrders {
		o := simOrder{ref: orderRefs[i], channel: d.n(2), amount: int64([]int{1000, 1000, 300, 250, 150}[d.n(5)])}
		o.multi = []*bool{nil, nil, nil, nil, &yes, &no}[d.n(6)]
		if d.n(3) > 0 {
			w.put(&o, Order{OrderRef: o.ref, Amount: vnd(o.amount), Channel: channelNames[o.channel], MultiRefundAllowed: o.multi})
		}
		if w.may(portal, 250) {
			old := simRefund{row: -1, id: "OLD", amount: 100, status: "SUCCESS", made: -time.Hour, listed: -time.Hour, date: w.clock.Add(-time.Hour)}
			if w.dice[portal].n(3) > 0 {
				old.queue(0, w.dice[portal])
			}
			o.refunds = append(o.refunds, old)
		}
		w.orders = append(w.orders, o)
	}
	for i := range nRows {
		amount := int64(100)
		if d.n(4) == 0 {
			amount = []int64{150, 250, 1000}[d.n(3)]
		}
		r := simRow{order: d.n(nOrders), batch: d.n(w.batches), state: Planned, revision: 1}
		r.Instruction = Instruction{Key: rowMarkers[i], Marker: rowMarkers[i], OrderRef: orderRefs[r.order], Amount: vnd(amount), Reason: "late", Type: portone.Partial}
		if amount == w.orders[r.order].amount && d.n(2) == 0 {
			r.Type = portone.Full
		}
		w.rows = append(w.rows, r)
	}
	w.begunBefore()
	w.procs = make([]simProc, nProcs)
	for p := range w.procs {
		if w.may(clockError, 700) {
			w.procs[p].off = w.dice[clockError].upTo(2*simBounds.ClockError) - simBounds.ClockError
		}
		w.process(p)
	}
	for w.may(portal, 350) {
		r := &w.rows[d.n(nRows)]
		w.later(w.dice[portal].upTo(w.calmFrom), simEvent{kind: eventPortal, order: r.order, amount: r.Amount.Minor, dice: w.dice[portal]})
	}
	for w.may(regive, 200) {
		w.later(w.dice[regive].upTo(w.calmFrom), simEvent{kind: eventGiveAgain, row: d.n(nRows), order: d.n(w.batches)})
	}
}

// begunBefore may give a row a refund that an earlier ledger, lost long ago, had made for it. Only
// the marker tells.
func (w *simWorld) begunBefore() {
	if w.naive != "" || !w.may(earlierLedger, 80) {
		return
	}
	r := &w.rows[0]
	o := &w.orders[r.order]
	if w.silentChannel[o.channel] || r.Amount.Minor > o.left(0) {
		return
	}
	o.refunds = append(o.refunds, simRefund{row: 0, id: "LOST", amount: r.Amount.Minor, status: "SUCCESS", reason: r.Marker + " late",
		made: -time.Hour, listed: -time.Hour, date: w.clock.Add(-time.Hour)})
}

// process adds a process's threads.
func (w *simWorld) process(p int) {
	add := func(t simThread, at time.Duration) {
		t.proc, t.self = p, len(w.threads)
		w.restart(&t, at)
		w.threads = append(w.threads, t)
	}
	starts := time.Duration(w.dice[timing].n(3000)) * time.Millisecond
	if w.dice[timing].n(3) == 0 {
		starts = time.Duration(w.dice[timing].n(int(20 * time.Minute)))
	}
	for i := range w.orders {
		if w.naive != "" {
			add(simThread{order: i, kind: naively}, starts)
			continue
		}
		for b := range w.batches {
			add(simThread{order: i, batch: b, kind: issues}, starts)
		}
	}
	if w.naive != "" {
		return
	}
	if !w.may(resolver, 800) {
		starts = w.calmFrom
	}
	add(simThread{kind: reads}, starts)
}
