package bulk

import (
	"fmt"
	"slices"
	"strings"

	"refunds/portone"
)

// withMarker gives the places in the list of the refunds that carry marker. PortOne
// may put text of its own around the reason, so it may stand anywhere in it.
func withMarker(list portone.RefundList, marker string) []int {
	var found []int
	for i, r := range list.Refunds {
		if strings.Contains(r.Reason, marker) {
			found = append(found, i)
		}
	}
	return found
}

// Identity names one listed refund for good: by psp_refund_id, else by refund_id, else by
// marker ("" for one that carries none), else by content and how many before it in the list
// have the same. An empty id is no id.
func Identity(list portone.RefundList, i int, marker string) string {
	r := list.Refunds[i]
	switch {
	case r.PSPRefundID != "":
		return "psp:" + r.PSPRefundID
	case r.RefundID != "":
		return "ref:" + r.RefundID
	case marker != "" && strings.Contains(r.Reason, marker):
		return "marker:" + marker
	}
	n := 1
	for _, other := range list.Refunds[:i] {
		if listedContent(other) == listedContent(r) {
			n++
		}
	}
	return fmt.Sprintf("content:%s#%d", listedContent(r), n)
}

// listedContent is all of a listed refund that does not change when its status does.
func listedContent(r portone.Refund) string {
	return fmt.Sprintf("%s|%s|%s|%s|%s", r.RefundID, r.Amount, r.Amount.Currency, r.Date.UTC().Format("20060102150405.000000"), r.Reason)
}

// places gives each booked refund its place in the list, by psp_refund_id, else refund_id, else
// marker, else content; -1: the list does not show it. No place is given twice, so two
// refunds that look alike need two. PortOne may fill in ids later than the refund, and a
// channel may give no reason back; the amount alone may be anybody's.
func places(bound []BoundRefund, list portone.RefundList) []int {
	at, taken := make([]int, len(bound)), make([]bool, len(list.Refunds))
	for n := range at {
		at[n] = -1
	}
	content := func(b BoundRefund, r portone.Refund) bool {
		r.RefundID = ""
		return strings.HasPrefix(b.Identity, "content:"+listedContent(r)+"#")
	}
	for _, same := range []func(b BoundRefund, r portone.Refund) bool{
		func(b BoundRefund, r portone.Refund) bool {
			return b.PSPRefundID != "" && b.PSPRefundID == r.PSPRefundID
		},
		func(b BoundRefund, r portone.Refund) bool { return b.RefundID != "" && b.RefundID == r.RefundID },
		func(b BoundRefund, r portone.Refund) bool {
			return b.Marker != "" && strings.Contains(r.Reason, b.Marker)
		},
		func(b BoundRefund, r portone.Refund) bool { return content(b, r) && b.Status == r.Status },
		content,
	} {
		for n, b := range bound {
			for i, r := range list.Refunds {
				if at[n] < 0 && !taken[i] && same(b, r) && !b.contradicts(r) {
					at[n], taken[i] = i, true
				}
			}
		}
	}
	return at
}

// contradicts tells whether the first kind of id that both have is another on each.
func (b BoundRefund) contradicts(r portone.Refund) bool {
	if b.PSPRefundID != "" && r.PSPRefundID != "" {
		return b.PSPRefundID != r.PSPRefundID
	}
	return b.RefundID != "" && r.RefundID != "" && b.RefundID != r.RefundID
}

// news gives the places in the list of what stands there more often than in the baseline.
func news(baseline, list portone.RefundList) []int {
	had := map[string]int{}
	for _, r := range baseline.Refunds {
		had[listedContent(r)]++
	}
	var found []int
	for i, r := range list.Refunds {
		if had[listedContent(r)]--; had[listedContent(r)] < 0 {
			found = append(found, i)
		}
	}
	return found
}

// unchanged tells whether the list shows just what the baseline showed, and as much
// is left. With both equal, refunds plus remaining are conserved as well.
func unchanged(baseline, list portone.RefundList) bool {
	return len(baseline.Refunds) == len(list.Refunds) && baseline.Remaining == list.Remaining && len(news(baseline, list)) == 0
}

// singleOut finds the one new refund of a 200 to our POST on a channel that gives no
// reason back: the only new one, of our amount and without a reason, and what is left fell by
// just that. One with another reason than ours is somebody else's.
func singleOut(a Attempt, list portone.RefundList) (int, bool) {
	found := news(a.Baseline, list)
	if len(found) != 1 || len(list.Refunds) != len(a.Baseline.Refunds)+1 {
		return 0, false
	}
	r := list.Refunds[found[0]]
	return found[0], r.Amount == a.Amount && r.Reason == "" && list.Remaining == a.Baseline.Remaining.Sub(a.Amount)
}

// candidates names what in the list could be an unknown attempt's refund but does not prove it.
func candidates(a Attempt, list portone.RefundList) string {
	var names []string
	for _, i := range news(a.Baseline, list) {
		if list.Refunds[i].Amount == a.Amount {
			names = append(names, Identity(list, i, ""))
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "; no new refund of this amount is in it"
	}
	return "; it could be " + strings.Join(names, " or ")
}

// unbooked are the places in list of the refunds that are none of the booked ones. An import
// without ids takes a place by its amount, where no id contradicts it.
func unbooked(list portone.RefundList, bound, imported []BoundRefund) []int {
	all := slices.Concat(bound, imported)
	taken := make([]bool, len(list.Refunds))
	at := places(all, list)
	for _, i := range at {
		if i >= 0 {
			taken[i] = true
		}
	}
	for n, b := range all {
		if at[n] >= 0 || n < len(bound) {
			continue
		}
		for i, r := range list.Refunds {
			if !taken[i] && r.Amount == b.Amount && !b.contradicts(r) {
				taken[i] = true
				break
			}
		}
	}
	var free []int
	for i := range list.Refunds {
		if !taken[i] {
			free = append(free, i)
		}
	}
	return free
}
