package bulk

import (
	"fmt"
	"strings"
	"time"

	"refunds/portone"
)

// Policy says what becomes of an unknown outcome that the bounds show to be absent.
type Policy string

const (
	// Quarantine leaves it to a person.
	Quarantine Policy = "quarantine"
	// RetryIfCapped sends once more where PortOne's own cap forbids a double: twice the
	// amount is more than was left.
	RetryIfCapped Policy = "retry-if-capped"
	// Retry sends once more. It is as safe as the Bounds are true.
	Retry Policy = "retry"
)

// Rules are the settings that the pure rules decide by.
type Rules struct {
	Environment portone.Environment
	OnAbsent    Policy
	Bounds      Bounds
	Timeout     time.Duration // of one call
}

const (
	maxLimited = 5 // attempts of an instruction that ended absent after a 429
	maxNotSent = 5 // attempts of an instruction that ended not sent
	maxExpired = 2 // attempts of an instruction that were refused for their token's age
)

// Step is what an order needs next.
type Step string

const (
	StepFetch Step = "fetch" // ask PortOne for the order, and book it
	StepSend  Step = "send"  // read a baseline, and Plan the first row on it
	StepLook  Step = "look"  // read the list, and Resolve the open attempt by it
	StepWait  Step = "wait"  // nothing before the time given
	StepHeld  Step = "held"  // its rows stand behind a quarantined one
	StepDone  Step = "done"  // no row is left to send, and nothing is open
)

// Next decides an order's next step at now. The time is set with StepWait alone.
func Next(s OrderState, now time.Time) (Step, time.Time) {
	if s.Open != nil {
		switch {
		case !now.Before(s.Open.NextLook):
			return StepLook, time.Time{}
		case s.Open.State == AttemptQuarantined && len(s.Rows) == 0:
			return StepDone, time.Time{}
		case s.Open.State == AttemptQuarantined:
			return StepHeld, time.Time{}
		default:
			return StepWait, s.Open.NextLook
		}
	}
	switch {
	case len(s.Rows) == 0:
		return StepDone, time.Time{}
	case s.quarantined():
		return StepHeld, time.Time{}
	case s.Order == nil:
		return StepFetch, time.Time{}
	default:
		return StepSend, time.Time{}
	}
}

func (s OrderState) quarantined() bool {
	for _, state := range s.Markers {
		if state == Quarantined {
			return true
		}
	}
	return false
}

// Absent is when a list read from then on shows an attempt's refund, if it was
// made at all: the token has expired (whole seconds, so one more), by PortOne's
// clock; what it let in before is processed; and what was made is listed. A 429, answered
// at limitedAt (zero: none was), asks for the list lag alone, and since it may have been
// answered to another machine than the one that reads, for the difference of their clocks:
// each may be off by ClockError.
func (b Bounds) Absent(tokenExpires, limitedAt time.Time) time.Time {
	if !limitedAt.IsZero() {
		return limitedAt.Add(2*b.ClockError + b.ListLag)
	}
	return tokenExpires.Add(time.Second + b.ClockError + b.MaxProcessing + b.ListLag)
}

// AbsentAt is Absent of a's own bounds.
func (a Attempt) AbsentAt() time.Time {
	if a.Limited {
		return a.Bounds.Absent(a.TokenExpires, a.AnsweredAt)
	}
	return a.Bounds.Absent(a.TokenExpires, time.Time{})
}

// looks spaces the reads of the list for an unknown outcome: soon, then each time
// as long again as since the start, and once when absence can be told.
func looks(a Attempt, now time.Time) time.Time {
	at := now.Add(max(soon(a.Bounds), now.Sub(a.StartedAt)))
	if absent := a.AbsentAt(); now.Before(absent) && absent.Before(at) {
		return absent
	}
	return at
}

// soon is when a list that may lag is worth another read.
func soon(b Bounds) time.Duration {
	return min(max(b.ListLag/8, 50*time.Millisecond), time.Second)
}

// quarantineLook spaces the reads for a quarantined row, whose marker may still
// turn up: after an hour, then daily.
func quarantineLook(a Attempt, now time.Time) time.Time {
	if a.State != AttemptQuarantined {
		return now.Add(time.Hour)
	}
	return now.Add(24 * time.Hour)
}

// A Plan is what to do with an order's first row: exactly one of the first three is set.
type Plan struct {
	Request   *portone.RefundRequest // send this
	Settle    *Settlement            // record this; nothing is sent
	ReadAgain bool                   // the list is behind; read it again, a little later
	Baseline  portone.RefundList     // what it was decided on
}

// PlanRow decides on the order's first row by a list that was read at now, after s. Since
// is when a baseline of this row was first found to be behind; zero: not yet.
func PlanRow(s OrderState, list portone.RefundList, r Rules, since, now time.Time) Plan {
	row, order := s.Rows[0], *s.Order
	unsure := row.Absent+row.Limited > 0 // of an earlier attempt, by more than the bounds
	end := func(state State, code, format string, args ...any) Plan {
		if unsure && (state == Refused || state == Failed) { // proves nothing about the first
			state, code, format = Quarantined, "refused_after_unknown", "after an attempt whose outcome was never known: "+format
		}
		return Plan{Settle: &Settlement{
			OrderRef: order.OrderRef, Marker: row.Marker, At: now, Version: s.Version,
			State: state, ReasonCode: code, Message: fmt.Sprintf(format, args...), List: &list,
		}}
	}
	if order.Amount.Currency != row.Amount.Currency {
		return end(Refused, "currency_differs", "the order was paid in %s, the row says %s", order.Amount.Currency, row.Amount.Currency)
	}
	switch found := withMarker(list, row.Marker); {
	case len(found) > 1:
		return end(Quarantined, "refunded_twice", "PortOne lists %d refunds with this row's marker", len(found))
	case len(found) == 1:
		p := end(Issued, "adopted", "PortOne listed this refund already; nothing was sent")
		p.Settle.book(row.Instruction, list, found[0])
		return p
	}
	if row.MerchantOrderRef != "" && order.MerchantOrderRef != "" && row.MerchantOrderRef != order.MerchantOrderRef {
		return end(Refused, "merchant_order_ref_differs", "the row names order %s and merchant's order %s, but %[1]s is %[3]s; say which is meant",
			row.OrderRef, row.MerchantOrderRef, order.MerchantOrderRef)
	}
	if s.Lost && nobodys(s, list, row.Amount, s.LostBefore) {
		return end(Quarantined, "ledger_lost", "an attempt for this order was, or may have been, lost from the ledger, and PortOne lists a refund of this amount that nobody has booked: it may be this row's")
	}
	if unsure && nobodys(s, list, row.Amount, time.Time{}) {
		return end(Quarantined, "list_changed", "the outcome of an earlier attempt was never known, and PortOne lists a refund of this amount that nobody has booked")
	}
	if missing := notListed(s.Bound, list); missing != nil {
		if since.IsZero() || now.Sub(since) < r.Bounds.ListLag {
			return Plan{ReadAgain: true}
		}
		return end(Failed, "list_behind", "PortOne's list does not show refund %s of this order, which the ledger has; nothing was sent", missing.Identity)
	}
	channel := row.Channel
	if channel == "" {
		channel = order.Channel
	}
	full := row.Type == portone.Full ||
		order.MultiRefundAllowed != nil && !*order.MultiRefundAllowed && row.Amount == list.Remaining
	switch {
	case channel == "":
		return end(Refused, "no_channel", "neither the row nor the order names a payment channel; add a channel column")
	case order.RefundAllowed != nil && !*order.RefundAllowed:
		return end(Refused, "refund_not_allowed", "PortOne says that this order takes no refund")
	case list.Remaining.Minor < row.Amount.Minor:
		return end(Refused, "not_enough_left", "%s %s is left to refund, the row asks for %s", list.Remaining, list.Remaining.Currency, row.Amount)
	case row.Type == portone.Full && row.Amount != list.Remaining:
		return end(Refused, "not_the_remainder", "a full refund pays back all that is left, %s %s; the row says %s", list.Remaining, list.Remaining.Currency, row.Amount)
	}
	if row.Absent > 0 && (r.OnAbsent == Quarantine || r.OnAbsent == RetryIfCapped && 2*row.Amount.Minor <= list.Remaining.Minor) {
		return end(Quarantined, "absent", "the outcome of an earlier attempt was never known, and the policy does not allow another one as the order stands now")
	}
	req := portone.RefundRequest{
		OrderRef: order.OrderRef, Amount: row.Amount, Channel: channel, Type: portone.Partial,
		Reason: row.Marker + " " + row.Reason, Description: row.Marker, Environment: r.Environment,
	}
	if full {
		req.Type = portone.Full
	}
	if row.Description != "" {
		req.Description += " " + row.Description
	}
	return Plan{Request: &req, Baseline: list}
}

// notListed is a refund that the ledger has booked for an instruction of the order, and
// that the list does not show; nil: it shows them all.
func notListed(bound []BoundRefund, list portone.RefundList) *BoundRefund {
	for n, at := range places(bound, list) {
		if at < 0 && !bound[n].Status.Failed() {
			return &bound[n]
		}
	}
	return nil
}

// carriesAny: a refund with another row's marker is that row's, which adopts it when its turn comes.
func carriesAny(r portone.Refund, markers map[string]State) bool {
	for marker := range markers {
		if strings.Contains(r.Reason, marker) {
			return true
		}
	}
	return false
}
