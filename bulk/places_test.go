package bulk

import (
	"testing"

	"refunds/portone"
)

// Two refunds of one order and amount, without ids: each booked one keeps to its own.
func TestRefreshKeepsToItsOwnRefund(t *testing.T) {
	for _, tt := range []struct {
		name         string
		echo         bool
		first, other portone.Status // of the refunds in the list's order
	}{
		{"by marker", true, "FAILED", "SUCCESS"},
		{"by content", false, "SUCCESS", "IN_QUEUE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := listed(refund("", theirs+" x", 100, tt.first), refund("", ours+" x", 100, tt.other))
			list.Refunds[1].Date = t0
			st := order()
			st.Bound = []BoundRefund{
				{Marker: ours, State: Pending, Identity: Identity(list, 1, ours), Amount: vnd(100), Status: "IN_QUEUE"},
				{Marker: theirs, State: Pending, Identity: Identity(list, 0, theirs), Amount: vnd(100), Status: "IN_QUEUE"},
			}
			if !tt.echo {
				for i := range list.Refunds {
					list.Refunds[i].Reason = ""
				}
				st.Bound[0].Identity, st.Bound[1].Identity = Identity(list, 1, ""), Identity(list, 0, "")
			}
			want := map[string]portone.Status{ours: tt.other, theirs: tt.first}
			for range 2 {
				s := Refresh(st, list, t0)
				if s == nil {
					break
				}
				if s.Refund.Status != want[s.Marker] {
					t.Errorf("%s is told %s, want %s", s.Marker, s.Refund.Status, want[s.Marker])
				}
				for n := range st.Bound {
					if st.Bound[n].Marker == s.Marker {
						st.Bound[n].State = s.State
					}
				}
			}
		})
	}
}

// A refund that was lost with the ledger is not hidden by a booked one that looks like it.
func TestLostLookAlike(t *testing.T) {
	list := listed(refund("", "", 300, "SUCCESS"), refund("", "", 300, "SUCCESS"))
	list.Refunds[1].Date = t0
	st := order(row(300))
	st.Lost = true
	st.Bound = []BoundRefund{{Marker: theirs, State: Issued, Identity: Identity(list, 0, ""), Amount: vnd(300), Status: "SUCCESS"}}
	if p := PlanRow(st, list, rules, t0, t0); p.Settle == nil || p.Settle.ReasonCode != "ledger_lost" {
		t.Errorf("plan %+v, want ledger_lost", p)
	}
	// Two booked that look alike need two in the list.
	st.Lost, st.Bound = false, append(st.Bound, BoundRefund{Marker: ours + "2", State: Issued, Identity: Identity(list, 1, ""), Amount: vnd(300), Status: "SUCCESS"})
	if p := PlanRow(st, listed(list.Refunds[0]), rules, t0, t0); !p.ReadAgain && p.Settle == nil {
		t.Errorf("plan %+v, want to read again", p)
	}
}
