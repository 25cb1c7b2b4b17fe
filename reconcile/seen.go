package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"refunds/portone"
)

// remember gives what is to be kept of the refunds that a list shows. One that was seen
// before keeps its identity and its times, also when PortOne tells more of its ids or
// another status now; a new one gets an identity by what it has. Those of earlier
// reads that are not listed any more stay as they are.
func remember(b Books, l Listing) []Seen {
	before := slices.Clone(b.Seen)
	slices.SortFunc(before, func(x, y Seen) int {
		return cmp.Or(compareTold(x.told(), y.told()), cmp.Compare(x.Identity, y.Identity))
	})
	told := make([]told, 0, len(before))
	taken := map[string]bool{}
	for _, s := range before {
		told = append(told, s.told())
		taken[s.Identity] = true
	}
	now := listedTold(l.Refunds, b.markers())
	_, ofNow := pair(told, now)
	seen := make([]Seen, 0, len(now))
	for j, t := range now {
		s := Seen{FirstSeen: l.ReadAt}
		if i := ofNow[j]; i >= 0 {
			s = before[i]
		} else {
			s.Identity = newIdentity(t, taken)
		}
		s.RefundID, s.PSPRefundID, s.Marker = cmp.Or(t.id, s.RefundID), cmp.Or(t.psp, s.PSPRefundID), cmp.Or(t.marker, s.Marker)
		s.Amount, s.Status, s.Reason, s.Date, s.LastSeen = t.amount, portone.Status(t.word), t.reason, t.date, l.ReadAt
		if t.status == Success && s.SucceededAt.IsZero() {
			s.SucceededAt = l.ReadAt
		}
		seen = append(seen, s)
	}
	slices.SortFunc(seen, func(x, y Seen) int { return cmp.Compare(x.Identity, y.Identity) })
	return seen
}

func newIdentity(t told, taken map[string]bool) string {
	for n := 1; ; n++ {
		id := fmt.Sprintf("%s#%d", t.about(), n)
		if !taken[id] {
			taken[id] = true
			return id
		}
	}
}

func (s Seen) told() told {
	return told{psp: s.PSPRefundID, id: s.RefundID, marker: s.Marker, amount: s.Amount, status: statusOf(s.Status),
		word: string(s.Status), reason: strings.TrimSpace(s.Reason), date: s.Date,
		echoed: s.Marker != ""}
}
