package bulk

import (
	"fmt"
	"time"

	"refunds/portone"
)

// The gateway's contract: what the protocol takes for granted of PortOne. Within it nothing is
// ever made twice or told wrongly; a world leaves it only where its bounds say so.
//
//   - A token is refused from a second after its expiry on, by PortOne's clock.
//   - What a POST makes, it makes within MaxProcessing of its arrival, whatever is answered
//     meanwhile; and what was made stands in the list within ListLag, and in every list after.
//   - 200 with a list says that the refund was made, though that list may not show it yet.
//   - 429 says that PortOne is done with the request: if a refund was made after all, it was made
//     by then. It stands in the list within ListLag, also in worlds whose lag is beyond it.
//   - A listed refusal (4xx) says so too, and what was made behind one stands in the list at
//     once, so that the one read after it shows it. No rule could survive less: a refusal whose
//     refund comes to light later looks like any other.
//   - A refund that failed stays failed, one that succeeded stays so.
//   - Where a channel has not been seen to give the reason back, new refunds are successful at
//     once: there one of the portal's that comes to light in our 200, while ours lags, is taken
//     for ours. That is right by number and amount, and would not be if the two came to
//     different ends.

// simRefund is one that was made.
type simRefund struct {
	row     int // -1: somebody else's
	id, psp string
	idFrom  time.Duration // its ids are told from then on
	pspFrom time.Duration
	amount  int64
	reason  string
	date    time.Time
	made    time.Duration
	listed  time.Duration
	prompt  bool           // no list from then on is of before it was made
	status  portone.Status // at first
	later   portone.Status // from laterAt on; "": never
	laterAt time.Duration
}

func (r *simRefund) statusAt(now time.Duration) portone.Status {
	if r.later != "" && now >= r.laterAt {
		return r.later
	}
	return r.status
}

func (o *simOrder) left(now time.Duration) int64 {
	left := o.amount
	for i := range o.refunds {
		if r := &o.refunds[i]; !r.statusAt(now).Failed() {
			left -= r.amount
		}
	}
	return left
}

// list is what PortOne lists of an order now, from a copy that is behind by stale.
func (w *simWorld) list(o *simOrder, stale time.Duration) portone.RefundList {
	l := portone.RefundList{Remaining: vnd(o.amount)}
	asOf := w.now - stale
	for i := range o.refunds {
		if r := &o.refunds[i]; r.prompt { // a copy that shows it shows all from before it
			asOf = max(asOf, r.made)
		}
	}
	if len(o.refunds) > 0 {
		l.Refunds = make([]portone.Refund, 0, len(o.refunds))
	}
	for n := range o.refunds {
		i := n
		if w.newestFirst {
			i = len(o.refunds) - 1 - n
		}
		r := &o.refunds[i]
		if r.listed > asOf {
			continue
		}
		status := r.statusAt(asOf)
		if !status.Failed() {
			l.Remaining.Minor -= r.amount
		} else if w.failedVanish {
			continue
		}
		listed := portone.Refund{Amount: vnd(r.amount), Status: status, Reason: r.reason, Date: r.date}
		if asOf >= r.idFrom || r.row < 0 && r.made < 0 {
			listed.RefundID = r.id
		}
		if asOf >= r.pspFrom {
			listed.PSPRefundID = r.psp
		}
		l.Refunds = append(l.Refunds, listed)
	}
	return l
}

// read is a GET of the list: its answer, or the error that the client ends with.
func (w *simWorld) read(o *simOrder) (portone.RefundList, error) {
	if d, ok := w.strikes(get, w.rate.get); ok {
		switch d.n(8) {
		case 0:
			return portone.RefundList{}, portone.ErrUnreadable
		case 1:
			return portone.RefundList{}, portone.ErrUnauthorized
		default:
			return portone.RefundList{}, portone.ErrUnavailable
		}
	}
	var behind time.Duration
	if d, ok := w.strikes(stale, w.rate.stale); ok {
		behind = d.upTo(w.staleMost)
	}
	return w.list(o, behind), nil
}

// fate is what happens to a POST. All that is Unknown to the client is one here, whatever its
// bytes: 5xx, 408, an unlisted code, a page, another shape, a cut body, a reset, a drop.
type fate int

const (
	answered     fate = iota // rightly
	lostBefore               // not carried out, and nothing certain answered
	lostEarly                // something uncertain is answered, and then it is carried out
	lostAfter                // carried out, and the answer is lost
	silentBefore             // not carried out, and no answer until the client gives up
	silentAfter
	limitedBefore
	limitedAfter // carried out, then 429
	refusedBefore
	refusedAfter // carried out, then a listed 4xx
	wrongKeyBefore
	expiredBefore
	unsent // no connection
	fates
)

var fateNames = [fates]string{"answered", "lost, not carried out", "lost, then carried out", "carried out, lost", "silent, not carried out",
	"carried out, silent", "429", "carried out, 429", "refused", "carried out, refused", "wrong key", "401 expired", "not sent"}

// simPost is a request under way.
type simPost struct {
	thread, epoch int
	order, row    int
	attempt       string
	expires       time.Time
	kind          portone.RefundType
	amount        int64
	reason        string
	fate          fate
	dice          dice
}

func (w *simWorld) fateOf() (fate, dice) {
	if w.only > 0 {
		if d, ok := w.strikes(post, w.rate.post); ok {
			return w.only, d
		}
		return answered, 0
	}
	if d, ok := w.strikes(post, w.rate.post); ok {
		return fate(1 + d.n(int(fates)-1)), d
	}
	return answered, 0
}

// arrives is the moment in which PortOne takes a request in, and judges its token.
func (w *simWorld) arrives(p simPost) {
	o := &w.orders[p.order]
	if w.naive == "" {
		a := o.attempt(p.attempt)
		w.hold(a != nil, "a POST without a durable attempt")
	}
	if w.enforced && !w.clock.Add(w.now).Before(p.expires.Add(time.Second)) {
		w.answer(p, w.now, portone.Answer{Class: portone.Refused, HTTPStatus: 401, Code: "4010", Stop: true})
		return
	}
	soon := w.now + time.Duration(w.dice[timing].n(300))*time.Millisecond
	switch p.fate {
	case lostBefore:
		w.answer(p, soon, portone.Answer{Class: portone.Unknown, HTTPStatus: 500})
		return
	case silentBefore:
		return
	case limitedBefore:
		w.answer(p, soon, limitedAnswer(&p.dice))
		return
	case refusedBefore:
		w.answer(p, soon, refusedAnswer)
		return
	case wrongKeyBefore:
		w.answer(p, soon, portone.Answer{Class: portone.Refused, HTTPStatus: 400, Code: "4034", Stop: true})
		return
	case expiredBefore:
		w.answer(p, soon, portone.Answer{Class: portone.Refused, HTTPStatus: 401, Code: "4010", Stop: true})
		return
	case lostEarly:
		w.answer(p, soon, portone.Answer{Class: portone.Unknown, HTTPStatus: 502})
	}
	var takes time.Duration
	if d, ok := w.strikes(processing, w.rate.processing); ok && w.edge {
		takes = w.processingMost
	} else if ok {
		if takes = d.upTo(w.processingMost); d.permille(500) {
			takes = d.upTo(40 * time.Second) // about the client's patience
		}
	}
	w.later(w.now+takes, simEvent{kind: eventMake, post: p})
	if d, ok := w.strikes(portal, w.rate.portalBeside); ok && d.permille(300) {
		o.fails(w.now)
	} else if ok {
		w.later(w.now+d.upTo(2*time.Second), simEvent{kind: eventPortal, order: p.order, amount: p.amount, dice: d})
	}
}

var refusedAnswer = portone.Answer{Class: portone.Refused, HTTPStatus: 400, Code: "4070"}

func limitedAnswer(d *dice) portone.Answer {
	return portone.Answer{Class: portone.Limited, HTTPStatus: 429, RetryAfter: []time.Duration{0, 0, time.Second, time.Minute}[d.n(4)]}
}

// carriesOut is the moment in which PortOne makes the refund, or refuses it.
func (w *simWorld) carriesOut(p simPost) {
	o := &w.orders[p.order]
	left, amount := o.left(w.now), p.amount
	if p.kind == portone.Full {
		amount = left
	}
	live := false
	for i := range o.refunds {
		live = live || !o.refunds[i].statusAt(w.now).Failed()
	}
	refused := amount <= 0 || amount > left || live && o.multi != nil && !*o.multi
	if _, ok := w.strikes(refusal, w.rate.refusal); ok {
		refused = true
	}
	if !refused {
		r := w.make(o, simRefund{row: p.row, amount: amount, reason: p.reason}, p.fate)
		w.made(p, r)
	}
	switch {
	case p.fate == lostAfter:
		w.answer(p, w.now, portone.Answer{Class: portone.Unknown, HTTPStatus: 504})
	case p.fate == silentAfter || p.fate == lostEarly:
	case p.fate == limitedAfter:
		w.answer(p, w.now, limitedAnswer(&p.dice))
	case refused || p.fate == refusedAfter:
		w.answer(p, w.now, refusedAnswer)
	default:
		w.answer(p, w.now, portone.Answer{Class: portone.Listed, HTTPStatus: 200, List: w.list(o, 0)})
	}
}

// make books a refund at PortOne, as strange as the world has them.
func (w *simWorld) make(o *simOrder, r simRefund, f fate) *simRefund {
	n := len(o.refunds)
	r.made, r.listed, r.status = w.now, w.now, "SUCCESS"
	if !w.noDates {
		r.date = w.clock.Add(w.now).Truncate(time.Microsecond)
	}
	r.id, r.psp = refundIDs[n%len(refundIDs)], pspIDs[n%len(pspIDs)]
	if d, ok := w.strikes(emptyIDs, w.rate.emptyIDs); ok {
		if w.emptyAll || d.permille(700) {
			r.id = ""
		}
		if w.emptyAll || d.permille(700) {
			r.psp = ""
		}
		if d.permille(300) {
			r.pspFrom = w.now + d.upTo(10*time.Minute)
		}
		if d.permille(500) {
			r.idFrom = w.now + d.upTo(10*time.Minute)
		}
	}
	if d, ok := w.strikes(lag, w.rate.lag); ok && f != refusedAfter {
		most := w.lagMost
		if f == limitedAfter {
			most = min(most, simBounds.ListLag-w.staleMost)
			r.prompt = w.staleMost > simBounds.ListLag
		}
		if r.listed += d.upTo(most); w.edge {
			r.listed = w.now + most
		}
	}
	if f == refusedAfter {
		r.prompt = true
	}
	if w.silentChannel[o.channel] {
		r.reason = ""
	}
	if d, ok := w.strikes(inQueue, w.rate.inQueue); ok && w.queues[o.channel] {
		r.queue(w.now, d)
	}
	o.refunds = append(o.refunds, r)
	return &o.refunds[n]
}

// queue makes it one that becomes final later, or never.
func (r *simRefund) queue(now time.Duration, d dice) {
	r.status = "IN_QUEUE"
	if k := d.n(5); k > 0 {
		r.later, r.laterAt = "SUCCESS", now+d.upTo(30*time.Minute)
		if k > 2 {
			r.later = "FAILED"
		}
	}
}

// fails turns one of somebody else's refunds that wait to failed, which gives its amount back.
func (o *simOrder) fails(now time.Duration) {
	for i := range o.refunds {
		if r := &o.refunds[i]; r.row < 0 && r.statusAt(now) == "IN_QUEUE" {
			r.later, r.laterAt = "FAILED", now
			return
		}
	}
}

var refundIDs, pspIDs = func() (ids, psp [64]string) {
	for i := range ids {
		ids[i], psp[i] = fmt.Sprintf("R%d", i), fmt.Sprintf("P%d", i)
	}
	return
}()

// answer puts an answer on its way to its sender, who may be gone.
func (w *simWorld) answer(p simPost, at time.Duration, a portone.Answer) {
	t := &w.threads[p.thread]
	if t.epoch != p.epoch || !t.waits || at >= t.patience {
		return
	}
	t.waits, t.done.Answer = false, a
	t.wake = at + w.latency(t)
}

// portalRefund is somebody else's, of the same amount if there is as much left.
func (w *simWorld) portalRefund(order int, amount int64, d dice) {
	o := &w.orders[order]
	if amount > o.left(w.now) {
		return
	}
	reason := ""
	if d.permille(500) {
		reason = "portal"
	}
	w.make(o, simRefund{row: -1, amount: amount, reason: reason}, answered)
	w.says(-1, "portal refunds %d of order %d", amount, order)
}
