package bulk

import (
	"errors"
	"fmt"
	"time"

	"refunds/portone"
)

// A Turn is one order's way through the protocol, as a machine: told what came of the last
// thing it asked for, it says the next. It reads no clock, calls nobody and knows no
// random, so whoever drives it decides where it crashes, waits or is overtaken: the
// Issuer with a real ledger and PortOne, a simulation with neither.
//
//	state ─▶ fetch ─▶ put ─▶ state          the ledger lacks the order
//	state ─▶ look ─▶ settle ─▶ state        an outcome is open
//	state ─▶ gate ─▶ [ask ─▶ put] ─▶ baseline ─▶ settle ─▶ state                          nothing is to be sent
//	                           └─▶ prepare ─▶ begin ─▶ journal ─▶ send ─▶ [confirm] ─▶ settle ─▶ [recall] ─▶ state
//
// A process that dies between two of them leaves what the ledger has; any Turn goes on
// from there.
type Turn struct {
	order string
	rules Rules
	lost  time.Time // until then refunds of attempts that the ledger lost may come to light; zero: none were

	did     DoKind // what was asked for last
	st      OrderState
	attempt Attempt
	answer  portone.Answer
	settle  Settlement
	stop    error     // ends the run once the settlement is recorded
	asked   bool      // PortOne has told of the order in this send
	behind  time.Time // since when the row's list is behind; zero: it is not
	notSent int       // attempts in a row of which no byte could be sent
	moved   int       // times in a row that somebody else was first
}

// NewTurn begins an order's turns. lost is zero, or when refunds of the order's attempts that
// the ledger has lost are listed, if they were made.
func NewTurn(orderRef string, r Rules, lost time.Time) *Turn {
	return &Turn{order: orderRef, rules: r, lost: lost}
}

// DoKind is what a Turn can ask for.
type DoKind string

const (
	DoState    DoKind = "state"    // read the order's state from the ledger
	DoFetch    DoKind = "fetch"    // ask PortOne for the order
	DoPut      DoKind = "put"      // book Order
	DoAsk      DoKind = "ask"      // ask PortOne for an order that only an import told of, or that took no refunds once
	DoGate     DoKind = "gate"     // wait until sending makes sense, or say that it pauses
	DoBaseline DoKind = "baseline" // read the order's list at PortOne, in Currency
	DoPrepare  DoKind = "prepare"  // sign and spell out Request
	DoBegin    DoKind = "begin"    // T1: make Attempt durable, if the order still has Version
	DoJournal  DoKind = "journal"  // write Attempt's line into the journal
	DoSend     DoKind = "send"     // send what was prepared, once
	DoConfirm  DoKind = "confirm"  // read it after a refusal
	DoLook     DoKind = "look"     // read it for an open attempt
	DoSettle   DoKind = "settle"   // T2: record Settlement
	DoRecall   DoKind = "recall"   // see whether the ledger still has Attempt
	DoEnd      DoKind = "end"      // the visit is over: see End
)

// Do is what a Turn asks for. The fields that its kind names are set.
type Do struct {
	Kind       DoKind
	Currency   portone.Currency
	Order      Order
	Request    portone.RefundRequest
	Attempt    Attempt
	Version    int64
	Settlement Settlement
	End        End
}

// Done is what came of it.
type Done struct {
	At       time.Time // when it began: a list tells nothing newer
	Err      error
	State    OrderState
	Order    portone.Order
	Paused   bool // of DoGate: not now
	Missing  bool // of DoRecall: the ledger has no such attempt
	Prepared portone.Prepared
	List     portone.RefundList
	Answer   portone.Answer
}

// End is how a visit ends: the order is done with for this run, or one field is set.
type End struct {
	Until   time.Time // visit again then
	Unknown bool      // with Until: for an outcome that is not known yet
	Paused  bool      // visit again when sending goes on
	Failed  error     // the ledger or PortOne could not be read: visit again, a few times
	Stop    error     // ends the run
}

// Start begins a visit.
func (t *Turn) Start() Do {
	t.asked = false
	return t.ask(Do{Kind: DoState})
}

// maxMoved is how often in a row somebody else may be first before the visit ends as failed: it
// is then rather a state of the ledger that no step of ours can leave.
const maxMoved = 20

// Next takes what came of the last thing asked for, and asks for the next.
func (t *Turn) Next(d Done) Do {
	switch {
	case errors.Is(d.Err, ErrMoved) && t.did == DoSettle && t.settle.Answer != nil:
		// Somebody else was first with what we sent; or the ledger has forgotten that we did.
		return t.ask(Do{Kind: DoRecall, Attempt: t.attempt})
	case d.Missing || d.Err != nil && t.did == DoRecall:
		return t.ask(Do{Kind: DoEnd, End: End{Stop: errors.Join(fmt.Errorf(
			"%w: the ledger no longer shows attempt %s of order %s, which was sent: it went back in time, or can't be read; issue the file again when it is sound",
			ErrStop, t.attempt.ID, t.order), d.Err)}})
	case errors.Is(d.Err, ErrMoved) && t.moved < maxMoved:
		t.moved++
		return t.Start()
	case d.Err != nil && errors.Is(d.Err, portone.ErrOrderUnknown) && (t.did == DoFetch || t.did == DoAsk || t.did == DoBaseline):
		return t.end(d.At, Refused, "order_unknown", "PortOne does not know this order; check order_ref and the environment")
	case d.Err != nil && errors.Is(d.Err, portone.ErrUnreadable) && t.did == DoBaseline:
		return t.end(d.At, Failed, "list_unreadable", d.Err.Error()+"; nothing was sent")
	case d.Err != nil && t.did == DoPrepare:
		return t.end(d.At, Refused, "not_sendable", d.Err.Error())
	case d.Err != nil && t.did == DoJournal:
		return t.unjournaled(d)
	case d.Err != nil && t.did == DoConfirm:
		return t.unconfirmed(d)
	case errors.Is(d.Err, ErrBoundElsewhere) && t.did == DoSettle:
		return t.record(t.settle.boundElsewhere())
	case d.Err != nil:
		return t.ask(Do{Kind: DoEnd, End: End{Failed: fmt.Errorf("%s of order %s: %w", t.did, t.order, d.Err)}})
	}
	switch t.did {
	case DoState:
		t.st = d.State
		return t.decide(d.At)
	case DoFetch:
		return t.ask(Do{Kind: DoPut, Order: t.told(d.Order)})
	case DoPut:
		if t.asked {
			return t.baseline()
		}
		return t.Start()
	case DoGate:
		if d.Paused {
			return t.ask(Do{Kind: DoEnd, End: End{Paused: true}})
		}
		if o := t.st.Order; !o.Confirmed || o.RefundAllowed != nil && !*o.RefundAllowed {
			return t.ask(Do{Kind: DoAsk})
		}
		return t.baseline()
	case DoAsk:
		fresh, had := t.told(d.Order), t.st.Order.Amount
		if fresh.Amount != had {
			return t.end(d.At, Refused, "order_differs", fmt.Sprintf("the ledger has the order with %s %s, PortOne with %s %s; nothing was sent. Correct the import",
				had, had.Currency, fresh.Amount, fresh.Amount.Currency))
		}
		t.st.Order, t.asked = &fresh, true
		return t.ask(Do{Kind: DoPut, Order: fresh})
	case DoBaseline:
		return t.plan(d)
	case DoPrepare:
		return t.begin(d)
	case DoBegin:
		t.moved = 0
		return t.ask(Do{Kind: DoJournal, Attempt: t.attempt})
	case DoJournal:
		return t.ask(Do{Kind: DoSend})
	case DoSend:
		return t.classify(d)
	case DoConfirm:
		s, stop := Confirm(t.attempt, t.st.Rows[0], t.answer, d.List, d.At)
		if stop {
			t.stop = fmt.Errorf("%w: PortOne answered %s", ErrStop, words(t.answer))
		}
		return t.record(s)
	case DoLook:
		return t.record(Resolve(t.st, d.List, t.rules, d.At))
	case DoSettle, DoRecall:
		t.moved = 0
		if t.stop != nil {
			return t.ask(Do{Kind: DoEnd, End: End{Stop: t.stop}})
		}
		return t.Start()
	default:
		panic(fmt.Sprintf("bulk: %q was done", t.did))
	}
}

func (t *Turn) ask(do Do) Do {
	t.did = do.Kind
	return do
}

func (t *Turn) record(s Settlement) Do {
	t.settle = s
	return t.ask(Do{Kind: DoSettle, Settlement: s})
}

// told is an order as PortOne itself tells it.
func (t *Turn) told(o portone.Order) Order {
	order := Order{
		OrderRef: t.order, MerchantOrderRef: o.MerchantOrderRef, Amount: o.Amount, Channel: o.Channel,
		RefundAllowed: o.RefundAllowed, MultiRefundAllowed: o.MultiRefundAllowed, Confirmed: true, PaidAt: o.PaidAt,
	}
	if had := t.st.Order; had != nil && had.Channel != "" {
		order.Channel = had.Channel
	}
	return order
}

func (t *Turn) baseline() Do {
	return t.ask(Do{Kind: DoBaseline, Currency: t.st.Order.Amount.Currency})
}

// decide is Next, the rule, on a state just read.
func (t *Turn) decide(now time.Time) Do {
	switch step, at := Next(t.st, now); step {
	case StepDone, StepHeld:
		return t.ask(Do{Kind: DoEnd})
	case StepWait:
		return t.ask(Do{Kind: DoEnd, End: End{Until: at, Unknown: true}})
	case StepFetch:
		return t.ask(Do{Kind: DoFetch})
	case StepLook:
		return t.ask(Do{Kind: DoLook, Currency: t.st.Open.Amount.Currency})
	case StepSend:
		if now.Before(t.lost) {
			return t.ask(Do{Kind: DoEnd, End: End{Until: t.lost, Unknown: true}})
		}
		return t.ask(Do{Kind: DoGate})
	default:
		panic(fmt.Sprintf("bulk: step %q", step))
	}
}

// plan is PlanRow on a baseline just read.
func (t *Turn) plan(d Done) Do {
	if t.st.Lost = !t.lost.IsZero(); t.st.Lost {
		t.st.LostBefore = t.lost.Add(lostSlack)
	}
	p := PlanRow(t.st, d.List, t.rules, t.behind, d.At)
	switch {
	case p.ReadAgain:
		if t.behind.IsZero() {
			t.behind = d.At
		}
		return t.ask(Do{Kind: DoEnd, End: End{Until: d.At.Add(soon(t.rules.Bounds))}})
	case p.Settle != nil:
		t.behind = time.Time{}
		return t.record(*p.Settle)
	}
	t.behind = time.Time{}
	t.attempt = Attempt{Baseline: p.Baseline, Channel: p.Request.Channel}
	return t.ask(Do{Kind: DoPrepare, Request: *p.Request})
}

// begin spells out the attempt that T1 makes durable.
func (t *Turn) begin(d Done) Do {
	row, n := t.st.Rows[0], t.st.Rows[0].Attempts+1
	t.attempt = Attempt{
		ID: fmt.Sprintf("%s-%d", row.Marker, n), N: n, Marker: row.Marker, OrderRef: t.order, Amount: row.Amount,
		Channel: t.attempt.Channel, Body: d.Prepared.Body, BodySHA256: d.Prepared.BodySHA256(), TokenSHA256: d.Prepared.TokenSHA256(),
		TokenExpires: d.Prepared.ExpiresAt, Baseline: t.attempt.Baseline, Bounds: t.rules.Bounds,
		StartedAt: d.At, NextLook: d.At.Add(t.rules.Timeout + time.Second), State: AttemptSending,
	}
	return t.ask(Do{Kind: DoBegin, Attempt: t.attempt, Version: t.st.Version})
}

// classify is Classify on the answer to the POST.
func (t *Turn) classify(d Done) Do {
	t.answer = d.Answer
	row := t.st.Rows[0]
	row.NotSent = t.notSent
	if d.Answer.Class != portone.NotSent {
		t.notSent = 0
	} else if !d.Answer.NotYet() {
		t.notSent++
	}
	s, confirm := Classify(t.attempt, row, d.Answer, t.st.Echoes, d.At)
	if confirm {
		return t.ask(Do{Kind: DoConfirm, Currency: t.attempt.Amount.Currency})
	}
	return t.record(s)
}

// unconfirmed records a refusal that could not be confirmed as what it is: unknown.
func (t *Turn) unconfirmed(d Done) Do {
	s, _ := Classify(t.attempt, t.st.Rows[0], t.answer, t.st.Echoes, d.At)
	s.unknown(t.attempt, d.At, "refused_unconfirmed", "PortOne refused ("+words(t.answer)+"), and the list could not be read to confirm it")
	if errors.Is(d.Err, portone.ErrUnauthorized) {
		t.stop = d.Err
	}
	return t.record(s)
}

// unjournaled gives an attempt back whose line could not be written, and ends the run:
// without a journal a ledger that goes back in time would not be noticed.
func (t *Turn) unjournaled(d Done) Do {
	t.stop = fmt.Errorf("%w: %w", ErrStop, d.Err)
	s := t.attempt.settlement(d.At)
	s.To, s.State = AttemptNotSent, Planned
	return t.record(s)
}

// end settles the order's first row without an attempt. After an attempt whose outcome was never
// known that is for a person: what is wrong now proves nothing about it.
func (t *Turn) end(now time.Time, state State, code, message string) Do {
	if row := t.st.Rows[0]; row.Absent+row.Limited > 0 {
		state, code, message = Quarantined, "refused_after_unknown", "after an attempt whose outcome was never known: "+message
	}
	return t.record(Settlement{OrderRef: t.order, Marker: t.st.Rows[0].Marker, At: now, Version: t.st.Version,
		State: state, ReasonCode: code, Message: message})
}
