package bulk

import (
	"errors"
	"strings"
	"testing"
	"time"

	"refunds/portone"
)

// quarantinedCase is a row of 300 VND whose one attempt, sent at t0 on an empty list, was never heard of.
func quarantinedCase() Case {
	a := attempt(AttemptQuarantined)
	r := row(300)
	r.State = Quarantined
	st := order()
	st.Open, st.OpenRow = &a, &r
	st.Markers[ours], st.Markers[theirs] = Quarantined, Issued
	return Case{State: st, Row: r, Code: "absent", Attempts: []Attempt{a}}
}

func TestDecide(t *testing.T) {
	absent := quarantinedCase().AbsentAt()
	if want := t0.Add(time.Minute + time.Second + 5*time.Second + 15*time.Minute); !absent.Equal(want) {
		t.Fatalf("absent at %v, want %v", absent, want)
	}
	type with = func(*Case)
	made := func(name string) Ruling { return Ruling{Verdict: SaysMade, Refund: name} }
	not, cancel := Ruling{Verdict: SaysNotMade}, Ruling{Verdict: SaysCancel}
	again := Ruling{Verdict: SaysNotMade, Reissue: true}
	noAttempt := func(c *Case) { c.State.Open, c.State.OpenRow, c.Attempts = nil, nil, nil }
	closed := func(state State, code string) with {
		return func(c *Case) {
			c.State.Open, c.State.OpenRow, c.Row.State, c.Code = nil, nil, state, code
			c.Attempts[0].State = AttemptAbsent
		}
	}
	booked := func(b BoundRefund) with {
		return func(c *Case) { c.State.Bound = append(c.State.Bound, b) }
	}
	imported := func(b BoundRefund) with {
		return func(c *Case) { c.State.Imported = append(c.State.Imported, b) }
	}
	other := BoundRefund{Marker: theirs, State: Issued, RefundID: "R", Identity: "ref:R", Amount: vnd(300), Status: "SUCCESS"}
	noID := BoundRefund{Marker: theirs, State: Issued, Identity: Identity(listed(refund("", "", 300, "SUCCESS")), 0, ""), Amount: vnd(300), Status: "SUCCESS"}
	portal := refund("P", "by hand", 300, "SUCCESS")
	short := listed()
	short.Remaining = vnd(700)
	for _, tt := range []struct {
		name   string
		with   with
		ruling Ruling
		list   portone.RefundList
		early  time.Duration
		want   string // attempt's state, row's state and reason code; or, after "!", what the refusal says
	}{
		{"not made", nil, not, listed(), 0, "absent failed not_made_by_person"},
		{"not made, at the very moment before", nil, not, listed(), time.Nanosecond, "!too early: PortOne may still list this refund until 2026-11-20 12:16:06 UTC"},
		{"cancelled", nil, cancel, listed(), 0, "absent cancelled cancelled_by_person"},
		{"cancelled too early", nil, cancel, listed(), time.Minute, "!too early"},
		{"again", nil, again, listed(), 0, "absent planned reissued_by_person"},
		{"made, too early", nil, made("P"), listed(portal), time.Second, "!too early"},
		{"made, by its refund_id", nil, made("P"), listed(portal), 0, "made issued made_by_person"},
		{"made, by its identity", nil, made("ref:P"), listed(portal), 0, "made issued made_by_person"},
		{"made, pending", nil, made("P"), listed(refund("P", "", 300, "IN_QUEUE")), 0, "made pending made_by_person"},
		{"made, and failed since", nil, made("P"), listed(refund("P", "", 300, "FAILED")), 0, "made failed portone_failed"},
		{"nobody says who", nil, Ruling{Verdict: SaysNotMade, By: " "}, listed(), 0, "!--by NAME"},
		{"nobody says why", nil, Ruling{Verdict: SaysNotMade, Note: " "}, listed(), 0, "!--note TEXT"},
		{"no verdict", nil, Ruling{}, listed(), 0, "!say what was found out"},
		{"again what was made", nil, Ruling{Verdict: SaysMade, Refund: "P", Reissue: true}, listed(portal), 0, "!--reissue goes with --not-made"},
		{"again what was cancelled", nil, Ruling{Verdict: SaysCancel, Reissue: true}, listed(), 0, "!--reissue goes with --not-made"},

		{"not made, and the marker is listed", nil, not, listed(refund("R", ours+" late", 300, "SUCCESS")), 0, "!it was made"},
		{"not made, and the marker is listed as failed", nil, again, listed(refund("R", ours+" late", 300, "FAILED")), 0, "!it was made"},
		{"not made, and a refund that nobody booked is listed", nil, not, listed(portal), 0, "!nobody has booked"},
		{"… cancelled just so", nil, cancel, listed(portal), 0, "!nobody has booked"},
		{"… of another amount", nil, not, listed(refund("P", "by hand", 200, "SUCCESS")), 0, "absent failed not_made_by_person"},
		{"… that failed", nil, not, listed(refund("P", "by hand", 300, "FAILED")), 0, "absent failed not_made_by_person"},
		{"… that is an import's", imported(BoundRefund{RefundID: "P", Identity: "ref:P", Amount: vnd(300)}), not, listed(portal), 0, "absent failed not_made_by_person"},
		{"… that is another row's", booked(other), not, listed(refund("R", theirs, 300, "SUCCESS")), 0, "absent failed not_made_by_person"},
		{"… that carries another row's marker", nil, not, listed(refund("X", theirs, 300, "SUCCESS")), 0, "absent failed not_made_by_person"},
		{"… that was there before the attempt", func(c *Case) { c.Attempts[0].Baseline = listed(portal) }, not, listed(portal), 0, "absent failed not_made_by_person"},
		{"… beside a booked one, both without ids", booked(noID), not, listed(refund("", "", 300, "SUCCESS"), refund("", "", 300, "SUCCESS")), 0, "!nobody has booked"},
		{"… the booked one alone, without ids", booked(noID), not, listed(refund("", "", 300, "SUCCESS")), 0, "absent failed not_made_by_person"},
		{"not made, and money is gone that no refund explains", nil, not, short, 0, "!300 VND less is left"},
		{"not made, and the list is behind", booked(other), again, listed(), 0, "!list is behind: it does not show refund ref:R"},

		{"made, not listed", nil, made("Q"), listed(portal), 0, `!shows no refund "Q"`},
		{"made, no name", nil, made(""), listed(refund("", "", 300, "SUCCESS")), 0, "!shows no refund"},
		{"made, one name for two", nil, made("P"), listed(portal, refund("P", "x", 200, "SUCCESS")), 0, "!2 refunds"},
		{"made, of another amount", nil, made("P"), listed(refund("P", "", 200, "SUCCESS")), 0, "!is of 200 VND, the row of 300"},
		{"made, of another amount, said twice", nil, Ruling{Verdict: SaysMade, Refund: "P", OtherAmount: true}, listed(refund("P", "", 200, "SUCCESS")), 0, "!is of 200 VND, the row of 300"},
		{"made, another row's", booked(other), made("R"), listed(refund("R", "", 300, "SUCCESS")), 0, "!booked for another row"},
		{"made, an import's", imported(BoundRefund{RefundID: "P", Identity: "ref:P", Amount: vnd(300)}), made("P"), listed(portal), 0, "made issued made_by_person"},
		{"made, with another row's marker", nil, made("X"), listed(refund("X", theirs, 300, "SUCCESS")), 0, "!carries the marker of another row"},
		{"made, while another carries the marker", nil, made("P"), listed(portal, refund("R", ours, 300, "SUCCESS")), 0, "!that one is it"},
		{"made, listed before the attempt", func(c *Case) { c.Attempts[0].Baseline = listed(portal) }, made("P"), listed(portal), 0, "!listed before this row's first attempt"},

		{"the marker with another amount, not said", noAttempt, made("R"), listed(refund("R", ours, 200, "SUCCESS")), 0, "!say --other-amount too"},
		{"the marker with another amount, said", noAttempt, Ruling{Verdict: SaysMade, Refund: "R", OtherAmount: true}, listed(refund("R", ours, 200, "SUCCESS")), 0, " issued made_by_person"},
		{"the marker twice", nil, made("R"), listed(refund("R", ours, 300, "SUCCESS"), refund("S", ours, 300, "SUCCESS")), 0, "made issued made_by_person"},
		{"no attempt, not made", noAttempt, not, listed(), 0, " failed not_made_by_person"},
		{"no attempt, again", noAttempt, again, listed(), 24 * time.Hour, " planned reissued_by_person"},
		{"no attempt, a refund that nobody booked", noAttempt, again, listed(portal), 0, "!nobody has booked"},
		{"no attempt, it is that refund", noAttempt, made("P"), listed(portal), 0, " issued made_by_person"},

		{"closed as not made, now again", closed(Failed, codeNotMadeByPerson), again, listed(), 0, " planned reissued_by_person"},
		{"cancelled, now again", closed(Cancelled, codeCancelledByPerson), again, listed(), 0, " planned reissued_by_person"},
		{"closed as not made, again with a candidate", closed(Failed, codeNotMadeByPerson), again, listed(portal), 0, "!nobody has booked"},
		{"closed as not made, now cancelled", closed(Failed, codeNotMadeByPerson), cancel, listed(), 0, "!nothing to decide"},
		{"failed by itself, again", closed(Failed, "limited"), again, listed(), 0, " planned reissued_by_person"},
		{"turned to failed by PortOne, again", closed(Failed, "portone_failed"), again, listed(), 0, "!nothing to decide"},
		{"issued", closed(Issued, ""), not, listed(), 0, "!nothing to decide"},
		{"unknown", func(c *Case) { c.Row.State = Unknown }, not, listed(), 0, "!refunds resolve reads"},
		{"held", closed(Held, ""), not, listed(), 0, "!Issue its file"},
		{"another row is open", func(c *Case) { c.State.Open.Marker = theirs }, not, listed(), 0, "!another row"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := quarantinedCase()
			if tt.with != nil {
				tt.with(&c)
			}
			r := tt.ruling
			if r.By == "" && r.Note == "" {
				r.By, r.Note = "Kim", "seen in the portal"
			} else {
				r.By, r.Note = strings.TrimSpace(r.By), strings.TrimSpace(r.Note)
			}
			s, err := Decide(c, r, tt.list, absent.Add(-tt.early))
			var refused *Refusal
			if says, want := strings.CutPrefix(tt.want, "!"); want {
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
					t.Fatalf("%v, want a refusal that says %q", err, says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(s.To) + " " + string(s.State) + " " + s.ReasonCode; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if s.Ruling == nil || s.Was != c.Row.State || s.List == nil || !strings.Contains(s.Message, "seen in the portal") {
				t.Errorf("not recorded whole: %+v", s)
			}
			if (s.AttemptID != "") != (c.State.Open != nil) || s.AttemptID == "" && s.Version != c.State.Version {
				t.Errorf("attempt %q, version %d", s.AttemptID, s.Version)
			}
			if (s.Refund != nil) != (r.Verdict == SaysMade) {
				t.Errorf("refund %v", s.Refund)
			}
		})
	}
}
