package bulk

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"refunds/portone"
)

// Classify decides what the answer to an attempt's POST proves. With confirm the
// answer is a refusal, which nothing is concluded from before one more read of the list:
// call Confirm. Row is the attempt's, as it was before the attempt.
func Classify(a Attempt, row OpenRow, ans portone.Answer, echoes bool, now time.Time) (s Settlement, confirm bool) {
	s = a.settlement(now)
	s.Answer = &Answered{At: now, HTTPStatus: ans.HTTPStatus, Code: ans.Code, Message: words(ans), Raw: ans.Raw}
	a.AnsweredAt = now
	switch ans.Class {
	case portone.NotSent:
		s.To, s.State = AttemptNotSent, Planned
		if !ans.NotYet() && row.NotSent+1 >= maxNotSent {
			s.State, s.ReasonCode = Failed, "not_sent"
			s.Message = fmt.Sprintf("no byte could be sent in %d attempts: %s", maxNotSent, words(ans))
		}
		return s, false
	case portone.Refused:
		return s, true
	case portone.Limited:
		a.Limited = true
		s.Limited = true
		s.unknown(a, now, "limited", "PortOne answered 429, too many requests")
		if asked := now.Add(ans.RetryAfter); s.NextLook.Before(asked) {
			s.NextLook = asked // absent by then, it is sent again at once
		}
		return s, false
	case portone.Listed:
		if found := withMarker(ans.List, row.Marker); len(found) > 0 {
			s.found(a, row.Instruction, ans.List, found)
			return s, false
		}
		if i, ok := singleOut(a, ans.List); ok && !echoes {
			s.found(a, row.Instruction, ans.List, []int{i})
			return s, false
		}
		s.List = &ans.List
		s.unknown(a, now, "not_in_answer", "PortOne answered 200, but the refund is not in its answer")
		return s, false
	case portone.Unknown:
		s.unknown(a, now, "no_answer", words(ans))
		return s, false
	default:
		panic(fmt.Sprintf("bulk: answer of class %q", ans.Class))
	}
}

// Confirm completes Classify for a refusal, by a list read after it, which must show just what
// the baseline showed: what is left may be the same also where one refund failed and another
// was made. A refusal after an
// attempt whose outcome was never known proves nothing about that one, so it goes
// to a person. Stop says that the run must end: no other row can do better.
func Confirm(a Attempt, row OpenRow, ans portone.Answer, list portone.RefundList, now time.Time) (s Settlement, stop bool) {
	s = a.settlement(now)
	s.Answer = &Answered{At: now, HTTPStatus: ans.HTTPStatus, Code: ans.Code, Message: words(ans), Raw: ans.Raw}
	s.List = &list
	if found := withMarker(list, row.Marker); len(found) > 0 {
		s.found(a, row.Instruction, list, found)
		return s, false
	}
	if !unchanged(a.Baseline, list) {
		s.unknown(a, now, "refused_but_changed", "PortOne refused ("+words(ans)+"), but the order's list or what is left of it changed")
		return s, false
	}
	s.To, s.ReasonCode, s.Message = AttemptRefused, reasonCode(ans), words(ans)
	switch {
	case row.Absent+row.Limited > 0:
		s.To, s.State, s.NextLook = AttemptQuarantined, Quarantined, quarantineLook(a, now)
		s.ReasonCode, s.Message = "refused_after_unknown", "PortOne refused ("+words(ans)+") after an attempt whose outcome was never known; that proves nothing about the first"
	case ans.Stop && ans.HTTPStatus == 401 && row.Refused+1 < maxExpired:
		s.State = Planned // the list was readable with a fresh token, so it was this one's age
	case ans.Stop:
		s.State, stop = Planned, true
	default:
		s.State = Refused
	}
	return s, stop
}

// Resolve decides an open attempt by a list whose reading began at readAt. Before
// AbsentAt it only finds; from then on it knows, or quarantines.
func Resolve(st OrderState, list portone.RefundList, r Rules, readAt time.Time) Settlement {
	a, row := *st.Open, *st.OpenRow
	s := a.settlement(readAt)
	s.List = &list
	if found := withMarker(list, row.Marker); len(found) > 0 {
		s.found(a, row.Instruction, list, found)
		return s
	}
	switch {
	case a.State == AttemptQuarantined:
		s.To, s.State, s.NextLook = AttemptQuarantined, Quarantined, quarantineLook(a, readAt)
	case readAt.Before(a.AbsentAt()):
		s.To, s.State, s.NextLook, s.Until = a.State, stateOf(a.State), looks(a, readAt), a.AbsentAt()
	case !unchanged(a.Baseline, list):
		s.quarantine(a, readAt, "list_changed", "the outcome is unknown and the order's list has changed since"+candidates(a, list))
	case a.Limited && row.Limited+1 >= maxLimited && row.Absent > 0:
		s.quarantine(a, readAt, "limited", "PortOne answered 429 to every further attempt, and the outcome of the first was never known")
	case a.Limited && row.Limited+1 >= maxLimited:
		s.To, s.State = AttemptAbsent, Failed
		s.Limited, s.ReasonCode = true, "limited"
		s.Message = fmt.Sprintf("PortOne answered 429 to %d attempts, and none was made; refunds resolve with --not-made --reissue lets it be sent again", maxLimited)
	case a.Limited:
		s.To, s.State, s.Limited = AttemptAbsent, Planned, true
	case r.OnAbsent == Retry && row.Absent == 0,
		r.OnAbsent == RetryIfCapped && row.Absent == 0 && 2*row.Amount.Minor > a.Baseline.Remaining.Minor:
		s.To, s.State = AttemptAbsent, Planned
	case r.OnAbsent == Quarantine || r.OnAbsent == Retry || r.OnAbsent == RetryIfCapped:
		s.quarantine(a, readAt, "absent", "the outcome is unknown and no refund with this row's marker has come to light; see whether PortOne made it before doing anything else")
	default:
		panic(fmt.Sprintf("bulk: policy %q", r.OnAbsent))
	}
	return s
}

// Refresh decides what a list tells anew about an order's instructions: a pending refund that
// became final, or, of an order without an open attempt, a marker on a row that was thought
// to be settled without a refund. Nil: nothing.
func Refresh(st OrderState, list portone.RefundList, now time.Time) *Settlement {
	base := Settlement{OrderRef: st.Order.OrderRef, At: now, Version: st.Version, List: &list}
	at := places(st.Bound, list)
	for n, b := range st.Bound {
		i := at[n]
		if b.State != Pending || i < 0 || !list.Refunds[i].Status.Settled() {
			continue
		}
		s := base
		s.Marker = b.Marker
		s.tell(list.Refunds[i])
		s.Refund, s.Identity = &list.Refunds[i], b.Identity
		return &s
	}
	if st.Open != nil {
		return nil
	}
	for _, marker := range slices.Sorted(maps.Keys(st.Markers)) {
		state := st.Markers[marker]
		if state != Refused && state != Failed && state != Cancelled || len(withMarker(list, marker)) == 0 {
			continue
		}
		if slices.ContainsFunc(st.Bound, func(b BoundRefund) bool { return b.Marker == marker }) {
			continue // PortOne turned it to failed, and the ledger has it as that
		}
		s := base
		s.Marker, s.State, s.ReasonCode = marker, Quarantined, "marker_after_"+string(state)
		s.Message = "PortOne now lists a refund with this row's marker, though the row was " + string(state)
		return &s
	}
	return nil
}

// settlement is the part of a T2 that all outcomes of an attempt share.
func (a Attempt) settlement(now time.Time) Settlement {
	return Settlement{OrderRef: a.OrderRef, Marker: a.Marker, At: now, AttemptID: a.ID, From: a.State, Limited: a.Limited}
}

func (s *Settlement) unknown(a Attempt, now time.Time, code, message string) {
	s.To, s.State, s.NextLook, s.Until = AttemptUnknown, Unknown, looks(a, now), a.AbsentAt()
	s.ReasonCode, s.Message = code, message
}

func (s *Settlement) quarantine(a Attempt, now time.Time, code, message string) {
	s.To, s.State, s.NextLook = AttemptQuarantined, Quarantined, quarantineLook(a, now)
	s.ReasonCode, s.Message = code, message
}

// found settles by the refunds of the list that carry the row's marker.
func (s *Settlement) found(a Attempt, row Instruction, list portone.RefundList, found []int) {
	if len(found) > 1 {
		s.quarantine(a, s.At, "refunded_twice", fmt.Sprintf("PortOne lists %d refunds with this row's marker", len(found)))
	} else if s.To = AttemptMade; !s.book(row, list, found[0]) {
		s.To, s.NextLook = AttemptQuarantined, quarantineLook(a, s.At)
	}
	s.List = &list
}

// book makes s tell that list's refund i is the instruction's; false where its amount
// is not, which is for a person to see.
func (s *Settlement) book(row Instruction, list portone.RefundList, i int) bool {
	r := list.Refunds[i]
	if r.Amount != row.Amount {
		s.State, s.ReasonCode = Quarantined, "amount_differs"
		s.Message = fmt.Sprintf("PortOne lists a refund with this row's marker of %s %s, the row says %s %s", r.Amount, r.Amount.Currency, row.Amount, row.Amount.Currency)
		return false
	}
	s.Refund, s.Identity = &r, Identity(list, i, row.Marker)
	s.Echoed = len(withMarker(portone.RefundList{Refunds: []portone.Refund{r}}, row.Marker)) > 0
	s.tell(r)
	return true
}

// tell takes the instruction's state from the listed refund's own status.
func (s *Settlement) tell(r portone.Refund) {
	switch {
	case r.Status.Succeeded():
		s.State = Issued
	case r.Status.Failed():
		s.State, s.ReasonCode, s.Message = Failed, "portone_failed", "PortOne made the refund and then turned it to "+string(r.Status)
	default:
		s.State = Pending
		s.Message = fmt.Sprintf("made; PortOne's status is %q, its last word is outstanding", string(r.Status))
	}
}

// boundElsewhere is what becomes of a settlement whose refund the ledger has for another
// instruction: a person must see which of the two it proves.
func (s Settlement) boundElsewhere() Settlement {
	s.State, s.ReasonCode = Quarantined, "bound_elsewhere"
	s.Message = "PortOne lists refund " + s.Identity + " for this row, but the ledger has it for another one"
	s.Refund, s.Identity, s.Echoed = nil, "", false
	if s.AttemptID != "" {
		s.To, s.NextLook = AttemptQuarantined, s.At.Add(time.Hour)
	}
	return s
}

func stateOf(a AttemptState) State {
	if a == AttemptSending {
		return Sending
	}
	return Unknown
}

// words are what came back for a POST, for a person.
func words(ans portone.Answer) string {
	switch {
	case ans.Message != "" && ans.Code != "":
		return fmt.Sprintf("%s (%s %s)", ans.Message, ans.Code, ans.Reason)
	case ans.Message != "":
		return ans.Message
	case ans.Code != "":
		return ans.Code + " " + ans.Reason
	case ans.Err != nil:
		return ans.Err.Error()
	default:
		return fmt.Sprintf("HTTP %d", ans.HTTPStatus)
	}
}

// reasonCode is a refusal's code in the results file.
func reasonCode(ans portone.Answer) string {
	if ans.Code == "" {
		return fmt.Sprintf("http_%d", ans.HTTPStatus)
	}
	return "portone_" + ans.Code
}
