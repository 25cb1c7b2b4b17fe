package bulk

import (
	"strings"
	"testing"
	"time"

	"refunds/portone"
)

var (
	t0     = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	bounds = Bounds{ClockError: 5 * time.Second, MaxProcessing: 5 * time.Minute, ListLag: 10 * time.Minute}
	rules  = Rules{Environment: portone.Sandbox, OnAbsent: Quarantine, Bounds: bounds, Timeout: 30 * time.Second}
)

const (
	ours   = "AAAAAAAAAAAAAAAAAAAA"
	theirs = "BBBBBBBBBBBBBBBBBBBB"
)

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }

// listed is a refund list of an order of 1000 VND: what is left follows from the refunds.
func listed(refunds ...portone.Refund) portone.RefundList {
	l := portone.RefundList{Remaining: vnd(1000), Refunds: refunds}
	for _, r := range refunds {
		if !r.Status.Failed() {
			l.Remaining = l.Remaining.Sub(r.Amount)
		}
	}
	return l
}

func refund(id, reason string, amount int64, status portone.Status) portone.Refund {
	return portone.Refund{RefundID: id, Reason: reason, Amount: vnd(amount), Status: status}
}

func row(amount int64) OpenRow {
	return OpenRow{Instruction: Instruction{Marker: ours, OrderRef: "ORDER", Amount: vnd(amount), Reason: "late", Type: portone.Partial}, State: Planned}
}

func order(rows ...OpenRow) OrderState {
	st := OrderState{Order: &Order{OrderRef: "ORDER", Amount: vnd(1000), Channel: "MOMOPAY"}, Version: 7, Rows: rows, Markers: map[string]State{}}
	for _, r := range rows {
		st.Markers[r.Marker] = r.State
	}
	return st
}

// attempt is one of 300 VND, sent at t0 on an empty list.
func attempt(state AttemptState) Attempt {
	return Attempt{
		ID: ours + "-1", N: 1, Marker: ours, OrderRef: "ORDER", Amount: vnd(300), TokenExpires: t0.Add(time.Minute),
		Baseline: listed(), Bounds: bounds, StartedAt: t0, NextLook: t0.Add(31 * time.Second), State: state,
	}
}

func TestNext(t *testing.T) {
	open := func(s AttemptState, look time.Duration) func(*OrderState) {
		return func(st *OrderState) { a := attempt(s); a.NextLook = t0.Add(look); st.Open = &a }
	}
	for _, tt := range []struct {
		name string
		st   OrderState
		with func(*OrderState)
		want Step
	}{
		{"a row and nothing open", order(row(300)), nil, StepSend},
		{"no rows", order(), nil, StepDone},
		{"an order the ledger lacks", order(row(300)), func(st *OrderState) { st.Order = nil }, StepFetch},
		{"sending, not due", order(row(300)), open(AttemptSending, time.Second), StepWait},
		{"sending, due", order(row(300)), open(AttemptSending, 0), StepLook},
		{"unknown, not due, no rows", order(), open(AttemptUnknown, time.Second), StepWait},
		{"unknown, due", order(), open(AttemptUnknown, -time.Second), StepLook},
		{"quarantined, not due", order(row(300)), open(AttemptQuarantined, time.Hour), StepHeld},
		{"quarantined, not due, no rows", order(), open(AttemptQuarantined, time.Hour), StepDone},
		{"quarantined, due", order(row(300)), open(AttemptQuarantined, 0), StepLook},
		{"another row is quarantined without an attempt", order(row(300)), func(st *OrderState) { st.Markers[theirs] = Quarantined }, StepHeld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.with != nil {
				tt.with(&tt.st)
			}
			if got, until := Next(tt.st, t0); got != tt.want || (got == StepWait) != until.After(t0) {
				t.Errorf("Next = %s until %v, want %s", got, until, tt.want)
			}
		})
	}
}

func TestPlanRow(t *testing.T) {
	no := false
	r := rules
	again := row(300)
	again.Absent = 1
	limited := row(300)
	limited.Limited = 1
	bound := BoundRefund{Marker: theirs, State: Issued, RefundID: "R1", Identity: "ref:R1", Amount: vnd(100), Status: "SUCCESS"}
	for _, tt := range []struct {
		name  string
		row   OpenRow
		with  func(*OrderState)
		list  portone.RefundList
		since time.Time
		want  string // "send partial", "send full", "again", or state and reason code
	}{
		{"enough left", row(300), nil, listed(), time.Time{}, "send partial"},
		{"all that is left stays partial", row(1000), nil, listed(), time.Time{}, "send partial"},
		{"full is said and is the remainder", row(900), full, listed(refund("P", "portal", 100, "SUCCESS")), time.Time{}, "send full"},
		{"full is said and is not the remainder", row(500), full, listed(refund("P", "portal", 100, "SUCCESS")), time.Time{}, "refused not_the_remainder"},
		{"no second refund allowed, all that is left", row(1000), func(st *OrderState) { st.Order.MultiRefundAllowed = &no }, listed(), time.Time{}, "send full"},
		{"no second refund allowed, a part", row(300), func(st *OrderState) { st.Order.MultiRefundAllowed = &no }, listed(), time.Time{}, "send partial"},
		{"not enough left", row(950), nil, listed(refund("P", "portal", 100, "SUCCESS")), time.Time{}, "refused not_enough_left"},
		{"a failed refund leaves its amount", row(950), nil, listed(refund("P", "portal", 100, "FAILED")), time.Time{}, "send partial"},
		{"another currency", row(300), func(st *OrderState) { st.Order.Amount.Currency = "THB" }, listed(), time.Time{}, "refused currency_differs"},
		{"refunds not allowed", row(300), func(st *OrderState) { st.Order.RefundAllowed = &no }, listed(), time.Time{}, "refused refund_not_allowed"},
		{"no channel anywhere", row(300), func(st *OrderState) { st.Order.Channel = "" }, listed(), time.Time{}, "refused no_channel"},
		{"our marker is there: adopted", row(300), nil, listed(refund("R", ours+" late", 300, "SUCCESS")), time.Time{}, "issued adopted"},
		{"our marker in the midst of a reason", row(300), nil, listed(refund("R", "RF/"+ours+" late", 300, "success")), time.Time{}, "issued adopted"},
		{"our marker, pending", row(300), nil, listed(refund("", ours+" late", 300, "IN_QUEUE")), time.Time{}, "pending adopted"},
		{"our marker, an unheard-of status", row(300), nil, listed(refund("", ours+" late", 300, "ON_ITS_WAY")), time.Time{}, "pending adopted"},
		{"our marker, another amount", row(300), nil, listed(refund("R", ours+" late", 200, "SUCCESS")), time.Time{}, "quarantined amount_differs"},
		{"our marker twice", row(300), nil, listed(refund("R", ours, 300, "SUCCESS"), refund("S", ours, 300, "SUCCESS")), time.Time{}, "quarantined refunded_twice"},
		{"a booked refund is not listed yet", row(300), func(st *OrderState) { st.Bound = []BoundRefund{bound} }, listed(), time.Time{}, "again"},
		{"… and not within the lag", row(300), func(st *OrderState) { st.Bound = []BoundRefund{bound} }, listed(), t0.Add(-time.Minute), "again"},
		{"… nor after it", row(300), func(st *OrderState) { st.Bound = []BoundRefund{bound} }, listed(), t0.Add(-10 * time.Minute), "failed list_behind"},
		{"a booked refund is listed", row(300), func(st *OrderState) { st.Bound = []BoundRefund{bound} }, listed(refund("R1", theirs+" x", 100, "SUCCESS")), time.Time{}, "send partial"},
		{"a booked refund without ids is listed by its marker", row(300), func(st *OrderState) { b := bound; b.RefundID = ""; st.Bound = []BoundRefund{b} }, listed(refund("", theirs+" x", 100, "SUCCESS")), time.Time{}, "send partial"},
		{"lost history, a refund nobody booked", row(300), func(st *OrderState) { st.Lost = true }, listed(refund("P", "", 300, "SUCCESS")), time.Time{}, "quarantined ledger_lost"},
		{"lost history, another amount", row(300), func(st *OrderState) { st.Lost = true }, listed(refund("P", "", 100, "SUCCESS")), time.Time{}, "send partial"},
		{"after an absent attempt, a refund nobody booked", again, nil, listed(refund("P", "", 300, "SUCCESS")), time.Time{}, "quarantined list_changed"},
		{"after a 429 that was absent, a refund nobody booked", limited, nil, listed(refund("P", "", 300, "SUCCESS")), time.Time{}, "quarantined list_changed"},
		{"after a 429 that was absent, nothing new", limited, nil, listed(), time.Time{}, "send partial"},
		{"after an absent attempt, not enough left", again, nil, listed(refund("P", "", 800, "SUCCESS")), time.Time{}, "quarantined refused_after_unknown"},
		{"after an absent attempt, nothing new", again, nil, listed(), time.Time{}, "send partial"},
		{"after an absent attempt, the cap is gone", again, func(*OrderState) { r.OnAbsent = RetryIfCapped }, listed(), time.Time{}, "quarantined absent"},
		{"after an absent attempt, still capped", again, func(*OrderState) { r.OnAbsent = RetryIfCapped }, listed(refund("P", "", 500, "SUCCESS")), time.Time{}, "send partial"},
		{"no lost history, the portal refunded as much", row(300), nil, listed(refund("P", "", 300, "SUCCESS")), time.Time{}, "send partial"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := order(tt.row)
			r = rules
			r.OnAbsent = Retry
			if tt.with != nil {
				tt.with(&st)
			}
			p := PlanRow(st, tt.list, r, tt.since, t0)
			var got string
			switch {
			case p.Request != nil:
				got = "send " + string(p.Request.Type)
				if p.Request.Amount != tt.row.Amount || !strings.HasPrefix(p.Request.Reason, ours+" ") || !strings.HasPrefix(p.Request.Description, ours) {
					t.Errorf("request %+v", p.Request)
				}
			case p.ReadAgain:
				got = "again"
			default:
				got = strings.TrimSpace(string(p.Settle.State) + " " + p.Settle.ReasonCode)
				if p.Settle.Version != st.Version || p.Settle.AttemptID != "" {
					t.Errorf("settlement %+v is not guarded by the order's version", p.Settle)
				}
			}
			if got != tt.want {
				t.Errorf("PlanRow: %s, want %s", got, tt.want)
			}
		})
	}
}

func full(st *OrderState) { st.Rows[0].Type = portone.Full }

func TestClassify(t *testing.T) {
	mine := refund("R", ours+" late", 300, "SUCCESS")
	for _, tt := range []struct {
		name    string
		ans     portone.Answer
		row     OpenRow
		echoes  bool
		want    AttemptState
		state   State
		confirm bool
	}{
		{"200 with our marker", portone.Answer{Class: portone.Listed, List: listed(mine)}, row(300), true, AttemptMade, Issued, false},
		{"200 with our marker, pending", portone.Answer{Class: portone.Listed, List: listed(refund("R", ours, 300, "IN_QUEUE"))}, row(300), true, AttemptMade, Pending, false},
		{"200 with our marker, failed", portone.Answer{Class: portone.Listed, List: listed(refund("R", ours, 300, "FAILED"))}, row(300), true, AttemptMade, Failed, false},
		{"200 with our marker and another amount", portone.Answer{Class: portone.Listed, List: listed(refund("R", ours, 1000, "SUCCESS"))}, row(300), true, AttemptQuarantined, Quarantined, false},
		{"200 with our marker twice", portone.Answer{Class: portone.Listed, List: listed(mine, mine)}, row(300), true, AttemptQuarantined, Quarantined, false},
		{"200 without our refund", portone.Answer{Class: portone.Listed, List: listed()}, row(300), true, AttemptUnknown, Unknown, false},
		{"200, no reason, echoing channel", portone.Answer{Class: portone.Listed, List: listed(refund("R", "", 300, "SUCCESS"))}, row(300), true, AttemptUnknown, Unknown, false},
		{"200, no reason, a channel that may not echo", portone.Answer{Class: portone.Listed, List: listed(refund("R", "", 300, "SUCCESS"))}, row(300), false, AttemptMade, Issued, false},
		{"200, another's reason, a channel that may not echo", portone.Answer{Class: portone.Listed, List: listed(refund("R", "by hand", 300, "SUCCESS"))}, row(300), false, AttemptUnknown, Unknown, false},
		{"200, no reason, another amount", portone.Answer{Class: portone.Listed, List: listed(refund("R", "", 200, "SUCCESS"))}, row(300), false, AttemptUnknown, Unknown, false},
		{"200, no reason, two new ones", portone.Answer{Class: portone.Listed, List: listed(refund("R", "", 300, "SUCCESS"), refund("S", "", 300, "SUCCESS"))}, row(300), false, AttemptUnknown, Unknown, false},
		{"refused", portone.Answer{Class: portone.Refused, HTTPStatus: 400, Code: "4070"}, row(300), true, "", "", true},
		{"limited", portone.Answer{Class: portone.Limited, HTTPStatus: 429}, row(300), true, AttemptUnknown, Unknown, false},
		{"unknown", portone.Answer{Class: portone.Unknown, HTTPStatus: 500}, row(300), true, AttemptUnknown, Unknown, false},
		{"not sent", portone.Answer{Class: portone.NotSent}, row(300), true, AttemptNotSent, Planned, false},
		{"not sent for the fifth time", portone.Answer{Class: portone.NotSent}, func() OpenRow { r := row(300); r.NotSent = 4; return r }(), true, AttemptNotSent, Failed, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt(AttemptSending)
			s, confirm := Classify(a, tt.row, tt.ans, tt.echoes, t0.Add(time.Second))
			if confirm != tt.confirm || !confirm && (s.To != tt.want || s.State != tt.state) {
				t.Errorf("Classify: %s, %s, confirm %t; want %s, %s, %t", s.To, s.State, confirm, tt.want, tt.state, tt.confirm)
			}
			if s.AttemptID != a.ID || s.From != AttemptSending || s.Answer == nil {
				t.Errorf("settlement %+v does not name its attempt and answer", s)
			}
			if s.To.Open() == s.NextLook.IsZero() && !confirm {
				t.Errorf("next look %v of an attempt in %s", s.NextLook, s.To)
			}
			if (s.Refund != nil) != (s.To == AttemptMade) {
				t.Errorf("refund %v is booked in %s", s.Refund, s.To)
			}
		})
	}
}

func TestConfirm(t *testing.T) {
	refused := portone.Answer{Class: portone.Refused, HTTPStatus: 400, Code: "4070", Reason: "REFUND_NOT_ALLOWED"}
	stop := portone.Answer{Class: portone.Refused, HTTPStatus: 400, Code: "4034", Stop: true}
	expired := portone.Answer{Class: portone.Refused, HTTPStatus: 401, Code: "4010", Stop: true}
	with := func(f func(*OpenRow)) OpenRow { r := row(300); f(&r); return r }
	for _, tt := range []struct {
		name  string
		ans   portone.Answer
		row   OpenRow
		list  portone.RefundList
		want  AttemptState
		state State
		stop  bool
	}{
		{"nothing new", refused, row(300), listed(), AttemptRefused, Refused, false},
		{"made all the same", refused, row(300), listed(refund("R", ours, 300, "SUCCESS")), AttemptMade, Issued, false},
		{"what is left has changed", refused, row(300), listed(refund("R", "", 300, "SUCCESS")), AttemptUnknown, Unknown, false},
		{"as much is left, but there is a new refund", refused, row(300), portone.RefundList{Remaining: vnd(1000), Refunds: []portone.Refund{refund("R", "", 300, "SUCCESS")}}, AttemptUnknown, Unknown, false},
		{"after an absent attempt", refused, with(func(r *OpenRow) { r.Absent = 1 }), listed(), AttemptQuarantined, Quarantined, false},
		{"after a 429 that was absent", refused, with(func(r *OpenRow) { r.Limited = 1 }), listed(), AttemptQuarantined, Quarantined, false},
		{"the environment is wrong", stop, row(300), listed(), AttemptRefused, Planned, true},
		{"the token was too old", expired, row(300), listed(), AttemptRefused, Planned, false},
		{"the token was too old again", expired, with(func(r *OpenRow) { r.Refused = 1 }), listed(), AttemptRefused, Planned, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, stop := Confirm(attempt(AttemptSending), tt.row, tt.ans, tt.list, t0.Add(time.Second))
			if s.To != tt.want || s.State != tt.state || stop != tt.stop {
				t.Errorf("Confirm: %s, %s, stop %t; want %s, %s, %t", s.To, s.State, stop, tt.want, tt.state, tt.stop)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	absent := attempt(AttemptUnknown).AbsentAt()
	if want := t0.Add(time.Minute + time.Second + 5*time.Second + 15*time.Minute); !absent.Equal(want) {
		t.Fatalf("AbsentAt = %v, want %v", absent, want)
	}
	limited := func(a *Attempt, _ *OpenRow) { a.Limited, a.AnsweredAt = true, t0 }
	limitedAbsent := t0.Add(10*time.Minute + 10*time.Second) // whoever was answered may be 5 s slow, and whoever reads 5 s fast
	for _, tt := range []struct {
		name   string
		from   AttemptState
		with   func(*Attempt, *OpenRow)
		policy Policy
		list   portone.RefundList
		readAt time.Time
		want   AttemptState
		state  State
	}{
		{"found at once", AttemptUnknown, nil, Quarantine, listed(refund("R", ours, 300, "SUCCESS")), t0, AttemptMade, Issued},
		{"found while sending", AttemptSending, nil, Quarantine, listed(refund("R", ours, 300, "IN_QUEUE")), t0, AttemptMade, Pending},
		{"found in quarantine", AttemptQuarantined, nil, Quarantine, listed(refund("R", ours, 300, "SUCCESS")), absent.Add(time.Hour), AttemptMade, Issued},
		{"found with another amount", AttemptUnknown, nil, Quarantine, listed(refund("R", ours, 301, "SUCCESS")), t0, AttemptQuarantined, Quarantined},
		{"too early", AttemptUnknown, nil, Retry, listed(), absent.Add(-time.Nanosecond), AttemptUnknown, Unknown},
		{"too early while sending", AttemptSending, nil, Retry, listed(), t0.Add(time.Minute), AttemptSending, Sending},
		{"absent", AttemptUnknown, nil, Quarantine, listed(), absent, AttemptQuarantined, Quarantined},
		{"absent, retry", AttemptUnknown, nil, Retry, listed(), absent, AttemptAbsent, Planned},
		{"absent, retry, a sender that died", AttemptSending, nil, Retry, listed(), absent, AttemptAbsent, Planned},
		{"absent, retry, for the second time", AttemptUnknown, func(_ *Attempt, r *OpenRow) { r.Absent = 1 }, Retry, listed(), absent, AttemptQuarantined, Quarantined},
		{"absent, retry-if-capped, not capped", AttemptUnknown, nil, RetryIfCapped, listed(), absent, AttemptQuarantined, Quarantined},
		{"absent, retry-if-capped, capped", AttemptUnknown, func(a *Attempt, r *OpenRow) { a.Amount, r.Amount = vnd(501), vnd(501) }, RetryIfCapped, listed(), absent, AttemptAbsent, Planned},
		{"absent, retry-if-capped, just not capped", AttemptUnknown, func(a *Attempt, r *OpenRow) { a.Amount, r.Amount = vnd(500), vnd(500) }, RetryIfCapped, listed(), absent, AttemptQuarantined, Quarantined},
		{"a refund of that amount, of nobody's, is no proof", AttemptUnknown, nil, Retry, listed(refund("P", "portal", 300, "SUCCESS")), absent, AttemptQuarantined, Quarantined},
		{"the list has grown", AttemptUnknown, nil, Retry, listed(refund("P", "portal", 10, "SUCCESS")), absent, AttemptQuarantined, Quarantined},
		{"less is left, but the list is the same", AttemptUnknown, nil, Retry, portone.RefundList{Remaining: vnd(700)}, absent, AttemptQuarantined, Quarantined},
		{"quarantined stays", AttemptQuarantined, nil, Retry, listed(), absent.Add(time.Hour), AttemptQuarantined, Quarantined},
		{"429 before the lag", AttemptUnknown, limited, Quarantine, listed(), limitedAbsent.Add(-1), AttemptUnknown, Unknown},
		{"429 after the lag", AttemptUnknown, limited, Quarantine, listed(), limitedAbsent, AttemptAbsent, Planned},
		{"429 for the fifth time", AttemptUnknown, func(a *Attempt, r *OpenRow) { limited(a, r); r.Limited = 4 }, Retry, listed(), limitedAbsent, AttemptAbsent, Failed},
		{"429 for the fifth time, after one that was never known", AttemptUnknown, func(a *Attempt, r *OpenRow) { limited(a, r); r.Limited, r.Absent = 4, 1 }, Retry, listed(), limitedAbsent, AttemptQuarantined, Quarantined},
		{"429, but it was made", AttemptUnknown, limited, Quarantine, listed(refund("R", ours, 300, "SUCCESS")), t0, AttemptMade, Issued},
		{"429, and the list has grown", AttemptUnknown, limited, Quarantine, listed(refund("P", "", 300, "SUCCESS")), limitedAbsent, AttemptQuarantined, Quarantined},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := order()
			a, r := attempt(tt.from), row(300)
			if tt.with != nil {
				tt.with(&a, &r)
			}
			st.Open, st.OpenRow = &a, &r
			ru := rules
			ru.OnAbsent = tt.policy
			s := Resolve(st, tt.list, ru, tt.readAt)
			if s.To != tt.want || s.State != tt.state {
				t.Errorf("Resolve: %s, %s (%s); want %s, %s", s.To, s.State, s.Message, tt.want, tt.state)
			}
			if s.To.Open() && !s.NextLook.After(tt.readAt) {
				t.Errorf("next look %v is not after %v", s.NextLook, tt.readAt)
			}
			if s.To == AttemptUnknown && s.NextLook.After(a.AbsentAt()) {
				t.Errorf("next look %v is after absence could be told", s.NextLook)
			}
		})
	}
}

// Looks for an outcome that never turns up must come to the moment of absence in few steps.
func TestLooksReachAbsence(t *testing.T) {
	a := attempt(AttemptUnknown)
	now, n := a.StartedAt, 0
	for now.Before(a.AbsentAt()) {
		now = looks(a, now)
		if n++; n > 15 {
			t.Fatalf("%d looks by %v", n, now)
		}
	}
	if !now.Equal(a.AbsentAt()) {
		t.Errorf("the last look is at %v, not when absence can be told, %v", now, a.AbsentAt())
	}
}

func TestRefresh(t *testing.T) {
	pending := BoundRefund{Marker: ours, State: Pending, RefundID: "R", Identity: "ref:R", Amount: vnd(300), Status: "IN_QUEUE"}
	noID, noEcho := pending, pending
	noID.RefundID, noID.Identity = "", "marker:"+ours
	noEcho.RefundID, noEcho.Identity = "", Identity(listed(refund("", "", 300, "IN_QUEUE")), 0, ours)
	for _, tt := range []struct {
		name    string
		bound   []BoundRefund
		markers map[string]State
		list    portone.RefundList
		want    State // "": nothing
	}{
		{"still pending", []BoundRefund{pending}, map[string]State{ours: Pending}, listed(refund("R", ours, 300, "IN_QUEUE")), ""},
		{"now made", []BoundRefund{pending}, map[string]State{ours: Pending}, listed(refund("R", ours, 300, "SUCCESS")), Issued},
		{"now failed", []BoundRefund{pending}, map[string]State{ours: Pending}, listed(refund("R", ours, 300, "FAILED")), Failed},
		{"not in the list", []BoundRefund{pending}, map[string]State{ours: Pending}, listed(), ""},
		{"another row's refund without ids is not ours", []BoundRefund{noID}, map[string]State{ours: Pending}, listed(refund("", theirs+" late", 300, "SUCCESS"), refund("", ours+" late", 300, "IN_QUEUE")), ""},
		{"… nor when it failed, and ours was made", []BoundRefund{noID}, map[string]State{ours: Pending}, listed(refund("", theirs+" late", 300, "FAILED"), refund("", ours+" late", 300, "SUCCESS")), Issued},
		{"the portal's refund without ids or reason is not ours", []BoundRefund{noID}, map[string]State{ours: Pending}, listed(refund("", "", 300, "SUCCESS")), ""},
		{"one without ids or reason is known by its content", []BoundRefund{noEcho}, map[string]State{ours: Pending}, listed(refund("", "portal", 300, "FAILED"), refund("", "", 300, "SUCCESS")), Issued},
		{"the marker of a refused row", nil, map[string]State{ours: Refused}, listed(refund("R", ours, 300, "SUCCESS")), Quarantined},
		{"the marker of a failed row that was never made", nil, map[string]State{ours: Failed}, listed(refund("R", ours, 300, "SUCCESS")), Quarantined},
		{"the marker of a row that PortOne turned to failed", []BoundRefund{{Marker: ours, State: Failed, RefundID: "R", Status: "FAILED"}}, map[string]State{ours: Failed}, listed(refund("R", ours, 300, "FAILED")), ""},
		{"the marker of an issued row", nil, map[string]State{ours: Issued}, listed(refund("R", ours, 300, "SUCCESS")), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := order()
			st.Bound, st.Markers = tt.bound, tt.markers
			s := Refresh(st, tt.list, t0)
			if got := s; (got == nil) != (tt.want == "") || got != nil && got.State != tt.want {
				t.Errorf("Refresh = %+v, want %q", got, tt.want)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	i := Instruction{OrderRef: "A", Amount: vnd(300), Reason: "late"}
	j := i
	i.Identify(portone.Sandbox, "key")
	if len(i.Marker) != MarkerLength || strings.Trim(i.Marker, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Errorf("marker %q", i.Marker)
	}
	for name, change := range map[string]func(*Instruction){
		"amount": func(k *Instruction) { k.Amount = vnd(301) }, "order": func(k *Instruction) { k.OrderRef = "B" },
		"reason": func(k *Instruction) { k.Reason = "lost" }, "id": func(k *Instruction) { k.ID = "1" },
	} {
		k := j
		change(&k)
		if k.Identify(portone.Sandbox, "key"); k.Marker == i.Marker || k.Key == i.Key {
			t.Errorf("another %s gives the same marker", name)
		}
	}
	k := j
	if k.Identify(portone.Live, "key"); k.Marker == i.Marker {
		t.Error("another environment gives the same marker")
	}
	k = j
	k.ID, k.Reason = "1", "x"
	l := j
	l.ID, l.Reason = "1", "y"
	k.Identify(portone.Sandbox, "key")
	l.Identify(portone.Sandbox, "key")
	if k.Marker != l.Marker {
		t.Error("one instruction_id gives two markers")
	}
}

// What is found wrong before a POST closes a row only where nothing of it may be made already.
func TestTurnEndsNothingThatIsUnknown(t *testing.T) {
	for _, tt := range []struct {
		absent int
		err    error
		want   State
	}{
		{0, portone.ErrOrderUnknown, Refused}, {1, portone.ErrOrderUnknown, Quarantined},
		{0, portone.ErrUnreadable, Failed}, {1, portone.ErrUnreadable, Quarantined},
	} {
		r := row(300)
		r.Absent = tt.absent
		st := order(r)
		st.Order.Confirmed = true
		turn := NewTurn("ORDER", rules, time.Time{})
		turn.Start()
		turn.Next(Done{At: t0, State: st})
		turn.Next(Done{At: t0}) // the gate
		if do := turn.Next(Done{At: t0, Err: tt.err}); do.Kind != DoSettle || do.Settlement.State != tt.want {
			t.Errorf("%v with %d absent: %s %s, want %s", tt.err, tt.absent, do.Kind, do.Settlement.State, tt.want)
		}
	}
}
