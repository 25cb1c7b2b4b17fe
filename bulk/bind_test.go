package bulk

import (
	"slices"
	"testing"
	"time"

	"refunds/portone"
)

// A channel may give neither the reason nor ids back, or ids later: each booked refund
// then still has one place in the list, and no two have the same.
func TestPlaces(t *testing.T) {
	bare := func(day int, s portone.Status) portone.Refund {
		return portone.Refund{Amount: vnd(300), Status: s, Date: t0.AddDate(0, 0, day)}
	}
	booked := func(r portone.Refund) BoundRefund {
		return BoundRefund{RefundID: r.RefundID, PSPRefundID: r.PSPRefundID, Amount: r.Amount, Status: r.Status,
			Identity: Identity(portone.RefundList{Refunds: []portone.Refund{r}}, 0, "")}
	}
	first, second := bare(0, "IN_QUEUE"), bare(1, "IN_QUEUE")
	filled := first
	filled.RefundID, filled.Status = "R1", "FAILED"
	other := bare(2, "SUCCESS")
	other.RefundID = "R2"
	for _, tt := range []struct {
		name  string
		bound []BoundRefund
		list  []portone.Refund
		want  []int
	}{
		{"by their dates", []BoundRefund{booked(first), booked(second)}, []portone.Refund{bare(1, "IN_QUEUE"), bare(0, "FAILED")}, []int{1, 0}},
		{"one of two equal ones failed", []BoundRefund{booked(bare(0, "FAILED")), booked(first)}, []portone.Refund{first, bare(0, "FAILED")}, []int{1, 0}},
		{"one is not there", []BoundRefund{booked(first), booked(first)}, []portone.Refund{first}, []int{0, -1}},
		{"ids came later", []BoundRefund{booked(first)}, []portone.Refund{filled}, []int{0}},
		{"the ids are another's", []BoundRefund{booked(filled)}, []portone.Refund{other}, []int{-1}},
	} {
		if got := places(tt.bound, portone.RefundList{Refunds: tt.list}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The ledger lost an attempt, and has booked another refund of the same amount.
func TestPlanRowLostTwin(t *testing.T) {
	st := order(row(300))
	st.Lost, st.Bound = true, []BoundRefund{{Marker: theirs, Amount: vnd(300), Status: "SUCCESS", Identity: "content:x#1"}}
	if p := PlanRow(st, listed(refund("", "", 300, "SUCCESS"), refund("", "", 300, "SUCCESS")), rules, t0, t0); p.Request != nil {
		t.Error("it is sent a second time")
	}
}

func TestRefreshSettlesEachByItsOwn(t *testing.T) {
	st := order()
	st.Bound = []BoundRefund{
		{Marker: ours, State: Pending, Amount: vnd(300), Status: "IN_QUEUE", Identity: "content:|300|VND|" + t0.Format("20060102150405.000000") + "|#1"},
		{Marker: theirs, State: Pending, Amount: vnd(300), Status: "IN_QUEUE", Identity: "content:|300|VND|" + t0.Add(time.Hour).Format("20060102150405.000000") + "|#1"},
	}
	failed, queued := refund("", "", 300, "FAILED"), refund("", "", 300, "IN_QUEUE")
	failed.Date, queued.Date = t0.Add(time.Hour), t0
	if s := Refresh(st, listed(failed, queued), t0); s == nil || s.Marker != theirs || s.State != Failed {
		t.Errorf("%+v", s)
	}
	st.Bound[1].State, st.Bound[1].Status = Failed, "FAILED"
	if s := Refresh(st, listed(failed, queued), t0); s != nil {
		t.Errorf("the other one settled as well: %+v", s)
	}
}
