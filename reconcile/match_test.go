package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
)

var (
	readAt = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	bounds = Bounds{Grace: 15 * time.Minute, StalePending: 72 * time.Hour, StillUnknown: time.Hour}
)

const (
	markerA = "AAAAABBBBBCCCCCDDDDD"
	markerB = "BBBBBCCCCCDDDDDEEEEE"
)

func thb(minor int64) portone.Money { return portone.Money{Minor: minor, Currency: "THB"} }
func usd(minor int64) portone.Money { return portone.Money{Minor: minor, Currency: "USD"} }

func ago(d time.Duration) time.Time { return readAt.Add(-d) }

// booked and listed are one refund of 100.00 THB, made two days ago, as each side tells it.
func booked(change ...func(*Booked)) Booked {
	b := Booked{OrderRef: "O1", Amount: thb(10000), Status: Success, Reason: "damaged", RefundedAt: ago(48 * time.Hour)}
	for _, f := range change {
		f(&b)
	}
	return b
}

func listed(change ...func(*portone.Refund)) portone.Refund {
	r := portone.Refund{Amount: thb(10000), Status: "SUCCESS", Type: "PARTIAL", Reason: "damaged", Date: ago(48 * time.Hour)}
	for _, f := range change {
		f(&r)
	}
	return r
}

func bID(psp, id string) func(*Booked) {
	return func(b *Booked) { b.PSPRefundID, b.RefundID = psp, id }
}
func lID(psp, id string) func(*portone.Refund) {
	return func(r *portone.Refund) { r.PSPRefundID, r.RefundID = psp, id }
}
func bAmount(m portone.Money) func(*Booked)         { return func(b *Booked) { b.Amount = m } }
func lAmount(m portone.Money) func(*portone.Refund) { return func(r *portone.Refund) { r.Amount = m } }
func bStatus(s BookedStatus) func(*Booked)          { return func(b *Booked) { b.Status = s } }
func lStatus(s portone.Status) func(*portone.Refund) {
	return func(r *portone.Refund) { r.Status = s }
}
func bAt(t time.Time) func(*Booked)          { return func(b *Booked) { b.RefundedAt = t } }
func lAt(t time.Time) func(*portone.Refund)  { return func(r *portone.Refund) { r.Date = t } }
func bReason(s string) func(*Booked)         { return func(b *Booked) { b.Reason = s } }
func lReason(s string) func(*portone.Refund) { return func(r *portone.Refund) { r.Reason = s } }
func bMarker(m string) func(*Booked) {
	return func(b *Booked) { b.Marker, b.InstructionID = m, "row-1" }
}
func bs(b ...Booked) []Booked                 { return b }
func ls(l ...portone.Refund) []portone.Refund { return l }
func seenOK(change ...func(*Seen)) Seen {
	s := Seen{Identity: "x#1", Amount: thb(10000), Status: "SUCCESS", Reason: "damaged", Date: ago(48 * time.Hour), SucceededAt: ago(24 * time.Hour)}
	for _, f := range change {
		f(&s)
	}
	return s
}

func instruction(state bulk.State) Instruction {
	in := Instruction{Marker: markerA, ID: "row-1", State: state, Amount: thb(10000)}
	if in.unsettled() {
		in.Since, in.Until = ago(26*time.Hour), ago(25*time.Hour)
	}
	return in
}

// left is what PortOne's own arithmetic leaves of an order of 1,000.00 THB.
func left(refunds []portone.Refund) portone.Money {
	m := thb(100000)
	for _, r := range refunds {
		if r.Status.Succeeded() && r.Amount.Currency == "THB" {
			m = m.Sub(r.Amount)
		}
	}
	return m
}

// A want is "kind ledger portone difference", with - for a side that has nothing.
func line(d Discrepancy) string {
	show := func(m *portone.Money) string {
		if m == nil {
			return "-"
		}
		return m.String()
	}
	return fmt.Sprintf("%s %s %s %s", d.Kind, show(d.Ledger), show(d.Portone), show(d.Difference))
}

func TestMatch(t *testing.T) {
	type order struct {
		booked  []Booked
		listed  []portone.Refund
		ins     []Instruction
		seen    []Seen
		left    *portone.Money // nil: as PortOne's own arithmetic has it
		amount  *portone.Money // nil: 1,000.00 THB
		unknown bool
	}
	money := func(m portone.Money) *portone.Money { return &m }
	for _, tt := range []struct {
		name string
		o    order
		want string // lines joined by "; "
	}{
		{"nothing on either side", order{}, ""},
		{"the same by psp_refund_id", order{booked: bs(booked(bID("P1", "R1"))), listed: ls(listed(lID("P1", "")))}, ""},
		{"the same by refund_id", order{booked: bs(booked(bID("", "R1"))), listed: ls(listed(lID("P1", "R1")))}, ""},
		{"the same by marker", order{booked: bs(booked(bMarker(markerA))), listed: ls(listed(lReason("Refund: " + markerA + " damaged")))}, ""},
		{"the same by content, twice", order{booked: bs(booked(), booked()), listed: ls(listed(), listed())}, ""},
		{"an empty id is no id", order{booked: bs(booked(bAmount(thb(500))), booked()), listed: ls(listed(), listed(lAmount(thb(500))))}, ""},
		{"ids on one side only", order{booked: bs(booked(bID("P1", "R1")), booked()), listed: ls(listed(), listed())}, ""},
		{"contradicting ids are two refunds", order{booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P2", "")))},
			"missing_in_ledger - 100.00 -100.00; missing_at_portone 100.00 - 100.00"},
		{"psp_refund_id stands above refund_id", order{booked: bs(booked(bID("P1", "R1"))), listed: ls(listed(lID("P2", "R1")))},
			"missing_in_ledger - 100.00 -100.00; missing_at_portone 100.00 - 100.00"},
		{"content leaves an id its partner", order{booked: bs(booked(), booked(bID("P1", ""))), listed: ls(listed(), listed(lID("P2", "")))}, ""},

		{"missing_at_portone", order{booked: bs(booked(bID("P1", "R1")))}, "missing_at_portone 100.00 - 100.00"},
		{"missing_at_portone of two alike", order{booked: bs(booked(), booked()), listed: ls(listed())}, "missing_at_portone 100.00 - 100.00"},
		{"missing_at_portone of two with one id", order{booked: bs(booked(bID("P1", "")), booked(bID("P1", ""))), listed: ls(listed(lID("P1", "")))},
			"missing_at_portone 100.00 - 100.00"},
		{"missing_at_portone though what is left counts it", order{booked: bs(booked()), left: money(thb(90000))}, "missing_at_portone 100.00 - 100.00"},
		{"missing_at_portone at the end of the grace", order{booked: bs(booked(bAt(ago(bounds.Grace))))}, "missing_at_portone 100.00 - 100.00"},
		{"booked within the grace", order{booked: bs(booked(bAt(ago(bounds.Grace - 1))))}, ""},
		{"booked far in the future", order{booked: bs(booked(bAt(readAt.Add(time.Hour))))}, "missing_at_portone 100.00 - 100.00"},
		{"booked as failed and not listed", order{booked: bs(booked(bStatus(Failed)))}, ""},

		{"missing_in_ledger", order{listed: ls(listed(lID("P1", "R1")))}, "missing_in_ledger - 100.00 -100.00"},
		{"missing_in_ledger, pending", order{listed: ls(listed(lStatus("IN_QUEUE")))}, "missing_in_ledger - 100.00 -100.00"},
		{"missing_in_ledger without a date", order{listed: ls(listed(lAt(time.Time{})))}, "missing_in_ledger - 100.00 -100.00"},
		{"missing_in_ledger of a refused instruction", order{listed: ls(listed(lReason(markerA))), ins: []Instruction{instruction(bulk.Refused)}},
			"missing_in_ledger - 100.00 -100.00"},
		{"listed within the grace", order{listed: ls(listed(lAt(ago(time.Minute))))}, ""},
		{"listed as failed and not booked", order{listed: ls(listed(lStatus("FAILED")))}, ""},

		{"amount_differs by id", order{booked: bs(booked(bID("", "R1"))), listed: ls(listed(lID("", "R1"), lAmount(thb(9000))))}, "amount_differs 100.00 90.00 10.00"},
		{"amount_differs by marker", order{booked: bs(booked(bMarker(markerA))), listed: ls(listed(lReason(markerA+" damaged"), lAmount(thb(12000))))},
			"amount_differs 100.00 120.00 -20.00"},
		{"amount_differs within the grace", order{booked: bs(booked(bID("P1", ""), bAt(readAt))), listed: ls(listed(lID("P1", ""), lAt(readAt), lAmount(thb(9000))))},
			"amount_differs 100.00 90.00 10.00"},
		{"amount_differs without an id", order{booked: bs(booked(), booked(bAmount(thb(700)))), listed: ls(listed(lAmount(thb(9000))), listed(lAmount(thb(700))))},
			"amount_differs 100.00 90.00 10.00"},
		{"amount_differs though what is left follows the ledger", order{booked: bs(booked()), listed: ls(listed(lAmount(thb(9000)))), left: money(thb(90000))},
			"amount_differs 100.00 90.00 10.00"},
		{"two left on one side", order{booked: bs(booked()), listed: ls(listed(lAmount(thb(9000))), listed(lAmount(thb(1000))))},
			"missing_at_portone 100.00 - 100.00; missing_in_ledger - 10.00 -10.00; missing_in_ledger - 90.00 -90.00"},
		{"one left on each side, nothing in common", order{booked: bs(booked(bReason("a"), bAt(ago(900*time.Hour)))), listed: ls(listed(lAmount(thb(9000))))},
			"missing_at_portone 100.00 - 100.00; missing_in_ledger - 90.00 -90.00"},
		{"another amount, both failed", order{booked: bs(booked(bID("P1", ""), bStatus(Failed))), listed: ls(listed(lID("P1", ""), lStatus("FAILED"), lAmount(thb(1))))}, ""},

		{"currency_differs by id", order{booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P1", ""), lAmount(usd(10000))))}, "currency_differs 100.00 100.00 -"},
		{"currency_differs without an id", order{booked: bs(booked()), listed: ls(listed(lAmount(portone.Money{Minor: 100, Currency: "JPY"})))}, "currency_differs 100.00 100 -"},
		{"currency_differs, and the order's is PortOne's", order{booked: bs(booked(bAmount(usd(10000)))), listed: ls(listed())}, "currency_differs 100.00 100.00 -"},
		{"another currency and another number, no id", order{booked: bs(booked()), listed: ls(listed(lAmount(usd(300))))},
			"missing_at_portone 100.00 - 100.00; missing_in_ledger - 3.00 -3.00"},

		{"status_differs, failed at PortOne", order{booked: bs(booked()), listed: ls(listed(lStatus("FAILED")))}, "status_differs 100.00 0.00 100.00"},
		{"status_differs, and what is left counts it still", order{booked: bs(booked()), listed: ls(listed(lStatus("FAILED"))), left: money(thb(90000))},
			"status_differs 100.00 0.00 100.00"},
		{"status_differs, failed in the ledger", order{booked: bs(booked(bStatus(Failed))), listed: ls(listed())}, "status_differs 0.00 100.00 -100.00"},
		{"status_differs, pending at PortOne", order{booked: bs(booked()), listed: ls(listed(lStatus("IN_QUEUE")))}, "status_differs 100.00 100.00 0.00"},
		{"status_differs, an imported one pending", order{booked: bs(booked(bStatus(Pending))), listed: ls(listed())}, "status_differs 100.00 100.00 0.00"},
		{"a pending one of ours just settles", order{booked: bs(booked(bStatus(Pending), bMarker(markerA))), listed: ls(listed(lReason(markerA)))}, ""},
		{"a pending one of ours just settles as failed", order{booked: bs(booked(bStatus(Pending), bMarker(markerA))), listed: ls(listed(lReason(markerA), lStatus("FAILED")))}, ""},

		{"listed_twice, booked", order{booked: bs(booked(bID("P1", "R1"))), listed: ls(listed(lID("P1", "R1")), listed(lID("P1", "")))}, "listed_twice - 100.00 -100.00"},
		{"listed_twice, not booked", order{listed: ls(listed(lID("P1", "")), listed(lID("P1", "")))},
			"missing_in_ledger - 100.00 -100.00; listed_twice - 100.00 -100.00"},
		{"listed_twice, and what is left counts it once", order{booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P1", "")), listed(lID("P1", ""))), left: money(thb(90000))},
			"listed_twice - 100.00 -100.00"},
		{"one psp_refund_id, two refund_ids", order{booked: bs(booked(bID("P1", "R1")), booked(bID("P1", "R2"))), listed: ls(listed(lID("P1", "R1")), listed(lID("P1", "R2")))}, ""},
		{"two alike without an id", order{booked: bs(booked(), booked()), listed: ls(listed(), listed())}, ""},

		{"refunded_twice", order{booked: bs(booked(bID("P1", ""), bMarker(markerA))), listed: ls(listed(lID("P1", ""), lReason(markerA)), listed(lID("P2", ""), lReason(markerA)))},
			"refunded_twice - 100.00 -100.00"},
		{"refunded_twice without ids", order{booked: bs(booked(bMarker(markerA))), listed: ls(listed(lReason(markerA)), listed(lReason(markerA)))},
			"refunded_twice - 100.00 -100.00"},
		{"refunded_twice by a ledger that was lost", order{listed: ls(listed(lReason(markerB+" x")), listed(lReason(markerB+" x")))},
			"refunded_twice - 100.00 -100.00; missing_in_ledger - 100.00 -100.00"},
		{"refunded_twice though both are booked", order{booked: bs(booked(bID("P1", ""), bMarker(markerA)), booked(bID("P2", ""))),
			listed: ls(listed(lID("P1", ""), lReason(markerA)), listed(lID("P2", ""), lReason(markerA)))}, "refunded_twice 100.00 100.00 0.00"},
		{"a failed one and its second attempt", order{booked: bs(booked(bMarker(markerA))), listed: ls(listed(lReason(markerA)), listed(lReason(markerA), lStatus("FAILED")))}, ""},
		{"two markers", order{booked: bs(booked(bMarker(markerA)), booked(bMarker(markerB))), listed: ls(listed(lReason(markerB)), listed(lReason(markerA)))}, ""},

		{"over_refunded, beside its cause", order{amount: money(thb(10000)), left: money(thb(0)), booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P1", "")), listed(lID("P2", ""), lAmount(thb(1))))},
			"over_refunded 100.00 100.01 -0.01; missing_in_ledger - 0.01 -0.01"},
		{"over_refunded, all of it booked", order{amount: money(thb(19999)), left: money(thb(-1)), booked: bs(booked(), booked()), listed: ls(listed(), listed())},
			"over_refunded 199.99 200.00 -0.01"},
		{"refunded whole", order{amount: money(thb(20000)), left: money(thb(0)), booked: bs(booked(), booked()), listed: ls(listed(), listed())}, ""},
		{"one listed twice is not over-refunded", order{amount: money(thb(10000)), left: money(thb(0)), booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P1", "")), listed(lID("P1", "")))},
			"listed_twice - 100.00 -100.00"},

		{"remaining_differs", order{booked: bs(booked()), listed: ls(listed()), left: money(thb(89999))}, "remaining_differs 900.00 899.99 0.01"},
		{"remaining_differs of an order without refunds", order{left: money(thb(99000))}, "remaining_differs 1000.00 990.00 10.00"},
		{"remaining_differs beyond what a missing one explains", order{listed: ls(listed()), left: money(thb(95000))},
			"missing_in_ledger - 100.00 -100.00; remaining_differs 900.00 950.00 -50.00"},
		{"remaining explained by a missing one", order{listed: ls(listed()), left: money(thb(100000))}, "missing_in_ledger - 100.00 -100.00"},
		{"remaining explained by one within the grace", order{booked: bs(booked(bAt(readAt))), left: money(thb(90000))}, ""},
		{"remaining explained by a pending one", order{booked: bs(booked(bStatus(Pending), bMarker(markerA))), listed: ls(listed(lReason(markerA), lStatus("IN_QUEUE"))), left: money(thb(90000))}, ""},
		{"remaining explained by an unknown one", order{ins: []Instruction{{Marker: markerA, State: bulk.Unknown, Amount: thb(10000), Since: ago(time.Minute), Until: readAt.Add(time.Hour)}}, left: money(thb(90000))}, ""},
		{"a failed one gives back what it took", order{booked: bs(booked(bStatus(Failed))), listed: ls(listed(lStatus("FAILED"))), left: money(thb(90000))},
			"remaining_differs 1000.00 900.00 100.00"},

		{"stale_pending", order{booked: bs(booked(bStatus(Pending), bAt(ago(73*time.Hour)))), listed: ls(listed(lStatus("IN_QUEUE")))}, "stale_pending 100.00 100.00 0.00"},
		{"pending, not yet stale", order{booked: bs(booked(bStatus(Pending), bAt(ago(72*time.Hour)))), listed: ls(listed(lStatus("IN_QUEUE")))}, ""},

		{"still_unknown", order{ins: []Instruction{instruction(bulk.Unknown)}}, "still_unknown 100.00 - -"},
		{"still_unknown, with a candidate", order{ins: []Instruction{instruction(bulk.Quarantined)}, listed: ls(listed(lAt(ago(26 * time.Hour))))}, "still_unknown 100.00 100.00 -"},
		{"quarantined, and its marker is listed", order{ins: []Instruction{instruction(bulk.Quarantined)}, listed: ls(listed(lReason(markerA)))},
			"missing_in_ledger - 100.00 -100.00"},
		{"unknown, older listed refunds can't be it", order{ins: []Instruction{instruction(bulk.Unknown)}, listed: ls(listed())},
			"missing_in_ledger - 100.00 -100.00; still_unknown 100.00 - -"},
		{"unknown, within its bounds", order{ins: []Instruction{{Marker: markerA, State: bulk.Unknown, Amount: thb(10000), Since: ago(2 * time.Hour), Until: readAt}}}, ""},
		{"unknown, its bounds over, but not for long", order{ins: []Instruction{{Marker: markerA, State: bulk.Unknown, Amount: thb(10000), Since: ago(time.Hour), Until: ago(time.Minute)}}}, ""},
		{"refused for long", order{ins: []Instruction{instruction(bulk.Refused)}}, ""},

		{"reversed, now failed", order{booked: bs(booked(bID("P1", ""))), listed: ls(listed(lID("P1", ""), lStatus("FAILED"))), seen: []Seen{seenOK()}}, "reversed 100.00 0.00 100.00"},
		{"reversed, now gone", order{booked: bs(booked()), seen: []Seen{seenOK()}}, "reversed 100.00 - 100.00"},
		{"reversed, one of two alike", order{booked: bs(booked(), booked()), listed: ls(listed()), seen: []Seen{seenOK(), seenOK()}}, "reversed 100.00 - 100.00"},
		{"gone within the grace", order{booked: bs(booked(bAt(readAt))), seen: []Seen{seenOK(func(s *Seen) { s.Date = readAt })}}, ""},
		{"reversed, never booked", order{seen: []Seen{seenOK()}}, "reversed - - 0.00"},
		{"seen, but never successful", order{booked: bs(booked()), seen: []Seen{seenOK(func(s *Seen) { s.SucceededAt = time.Time{} })}}, "missing_at_portone 100.00 - 100.00"},
		{"reversed, and the ledger knows", order{booked: bs(booked(bStatus(Failed))), seen: []Seen{seenOK()}}, ""},
		{"reversed, and the ledger knows it failed", order{booked: bs(booked(bStatus(Failed))), listed: ls(listed(lStatus("FAILED"))), seen: []Seen{seenOK()}}, ""},
		{"seen, and still there with an id now", order{booked: bs(booked()), listed: ls(listed(lID("P9", "R9"))), seen: []Seen{seenOK()}}, ""},
		{"seen, and told with another amount now", order{booked: bs(booked()), listed: ls(listed(lAmount(thb(9000)))), seen: []Seen{seenOK()}}, "amount_differs 100.00 90.00 10.00"},

		{"order_unknown", order{unknown: true, booked: bs(booked(), booked(bStatus(Failed))), seen: []Seen{seenOK()}}, "order_unknown 100.00 - 100.00"},
		{"order_unknown without refunds", order{unknown: true}, "order_unknown 0.00 - 0.00"},
		{"a known order without refunds", order{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.o
			b := Books{OrderRef: "O1", Amount: thb(100000), Booked: o.booked, Instructions: o.ins, Seen: o.seen}
			if o.amount != nil {
				b.Amount = *o.amount
			}
			l := Listing{OrderUnknown: o.unknown, ReadAt: readAt}
			l.Refunds, l.Remaining = o.listed, left(o.listed)
			if o.left != nil {
				l.Remaining = *o.left
			}
			var got []string
			for _, d := range Match(b, l, bounds).Discrepancies {
				got = append(got, line(d))
			}
			// Of one kind they are sorted by id, which is a hash.
			if !sameLines(strings.Join(got, "; "), tt.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), tt.want)
			}
		})
	}
}
