package reconcile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"refunds/bulk"
	"refunds/portone"
)

func sameLines(a, b string) bool {
	x, y := strings.Split(a, "; "), strings.Split(b, "; ")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// drawOrder draws an order whose sides are as alike and as odd as they come: few ids, few
// amounts, so that they meet.
func drawOrder(t *rapid.T) (Books, Listing) {
	id := rapid.SampledFrom([]string{"", "", "1", "2", "3"})
	amount := rapid.SampledFrom([]portone.Money{thb(100), thb(100), thb(200), usd(100)})
	marker := rapid.SampledFrom([]string{"", "", markerA, markerB})
	age := rapid.SampledFrom([]time.Duration{0, time.Hour, 30 * time.Hour, 2000 * time.Hour})
	reason := rapid.SampledFrom([]string{"", "a", "b"})
	b := Books{OrderRef: "O1", Amount: thb(rapid.Int64Range(0, 1000).Draw(t, "order"))}
	for range rapid.IntRange(0, 5).Draw(t, "booked") {
		b.Booked = append(b.Booked, booked(bID(id.Draw(t, "psp"), id.Draw(t, "id")), bAmount(amount.Draw(t, "amount")), bAt(ago(age.Draw(t, "age"))),
			bReason(reason.Draw(t, "reason")), bStatus(rapid.SampledFrom([]BookedStatus{Success, Success, Pending, Failed}).Draw(t, "status")),
			func(b *Booked) { b.Marker = marker.Draw(t, "marker") }))
	}
	var l Listing
	l.ReadAt, l.Remaining = readAt, thb(rapid.Int64Range(0, 1000).Draw(t, "left"))
	for range rapid.IntRange(0, 5).Draw(t, "listed") {
		l.Refunds = append(l.Refunds, listed(lID(id.Draw(t, "psp"), id.Draw(t, "id")), lAmount(amount.Draw(t, "amount")), lAt(ago(age.Draw(t, "age"))),
			lStatus(rapid.SampledFrom([]portone.Status{"SUCCESS", "success", "IN_QUEUE", "FAILED"}).Draw(t, "status")),
			lReason(strings.TrimSpace(marker.Draw(t, "marker")+" "+reason.Draw(t, "reason")))))
	}
	for n := range rapid.IntRange(0, 4).Draw(t, "seen") {
		b.Seen = append(b.Seen, seenOK(func(s *Seen) {
			s.Identity, s.PSPRefundID, s.RefundID = fmt.Sprint(n), id.Draw(t, "psp"), id.Draw(t, "id")
			s.Amount, s.Marker = amount.Draw(t, "amount"), marker.Draw(t, "marker")
		}))
	}
	for n, m := range []string{markerA, markerB} {
		if s := rapid.SampledFrom([]bulk.State{"", bulk.Issued, bulk.Unknown, bulk.Quarantined, bulk.Refused}).Draw(t, "state"); s != "" {
			b.Instructions = append(b.Instructions, Instruction{Marker: m, ID: fmt.Sprint("row-", n), State: s, Amount: amount.Draw(t, "amount"),
				Since: ago(age.Draw(t, "since")), Until: ago(age.Draw(t, "until"))})
		}
	}
	return b, l
}

func TestOrderOfInputMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, l := drawOrder(t)
		want := Match(b, l, bounds)
		b.Booked = rapid.Permutation(b.Booked).Draw(t, "booked'")
		b.Seen = rapid.Permutation(b.Seen).Draw(t, "seen'")
		b.Instructions = rapid.Permutation(b.Instructions).Draw(t, "instructions'")
		l.Refunds = rapid.Permutation(l.Refunds).Draw(t, "listed'")
		if diff := cmp.Diff(want, Match(b, l, bounds), cmp.AllowUnexported(Discrepancy{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The two sides' totals differ by just what the discrepancies of single refunds
// say, so no money is lost between them, or told of twice. That leaves out what is not to
// be told yet: nothing here is recent, unknown, or a pending refund of ours.
func TestDiscrepanciesExplainTheWholeDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, l := drawOrder(t)
		b.Instructions = nil
		for i := range b.Booked {
			if b.Booked[i].Status == Pending {
				b.Booked[i].Marker = ""
			}
		}
		l.ReadAt = readAt.Add(time.Hour)
		out := Match(b, l, bounds)
		for _, s := range sums(out) {
			if s.Waiting() != 0 {
				t.Fatalf("%s: ledger %d, PortOne %d, discrepancies explain %d of %d: %v", s.Currency, s.Ledger, s.Portone, s.Explained, s.Difference(), out.Discrepancies)
			}
		}
		ids := map[string]bool{}
		for _, d := range out.Discrepancies {
			if ids[d.ID] {
				t.Fatalf("two discrepancies have the id %s", d.ID)
			}
			ids[d.ID] = true
		}
	})
}

// A list that was read is remembered so that the same list tells nothing anew.
func TestRememberedListReversesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, l := drawOrder(t)
		b.Seen = nil
		first := remember(b, l)
		b.Seen = first
		for _, d := range Match(b, l, bounds).Discrepancies {
			if d.Kind == Reversed {
				t.Fatalf("reversed: %+v", d)
			}
		}
		if diff := cmp.Diff(first, remember(b, l)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestPlantedDifferences finds 150 differences planted in 3,000 orders of one to three
// booked refunds, a quarter of them without any id, and nothing else.
func TestPlantedDifferences(t *testing.T) {
	planted := []Kind{MissingAtPortone, MissingInLedger, AmountDiffers, CurrencyDiffers, StatusDiffers}
	r := rand.New(rand.NewPCG(2026, 11))
	want, got, ids := map[Kind]int{}, map[Kind]int{}, map[string]bool{}
	for n := range 3000 {
		b := Books{OrderRef: fmt.Sprintf("ORDER%d", n), Amount: thb(1000000)}
		var l Listing
		l.ReadAt = readAt
		for i := range 1 + r.IntN(3) {
			psp, id := fmt.Sprintf("P%d-%d", n, i), fmt.Sprintf("R%d-%d", n, i)
			if r.IntN(4) == 0 {
				psp, id = "", ""
			}
			m, at := thb(100*(1+r.Int64N(20))), ago(time.Duration(24+r.IntN(72))*time.Hour)
			b.Booked = append(b.Booked, booked(bID(psp, id), bAmount(m), bAt(at)))
			l.Refunds = append(l.Refunds, listed(lID(psp, id), lAmount(m), lAt(at)))
		}
		kind := Kind("")
		if n%20 == 0 {
			kind = planted[n/20%len(planted)]
			want[kind]++
		}
		i := r.IntN(len(b.Booked))
		switch kind {
		case MissingAtPortone:
			l.Refunds = slices.Delete(l.Refunds, i, i+1)
		case MissingInLedger:
			b.Booked = slices.Delete(b.Booked, i, i+1)
		case AmountDiffers:
			l.Refunds[i].Amount.Minor += 1
		case CurrencyDiffers:
			l.Refunds[i].Amount.Currency = "USD"
		case StatusDiffers:
			l.Refunds[i].Status = "FAILED"
		}
		l.Remaining = b.Amount
		for _, x := range l.Refunds {
			if x.Status.Succeeded() && x.Amount.Currency == "THB" {
				l.Remaining = l.Remaining.Sub(x.Amount)
			}
		}
		r.Shuffle(len(l.Refunds), func(i, j int) { l.Refunds[i], l.Refunds[j] = l.Refunds[j], l.Refunds[i] })
		found := Match(b, l, bounds).Discrepancies
		if len(found) > 1 || len(found) == 1 && found[0].Kind != kind || len(found) == 0 && kind != "" {
			t.Errorf("order %d: planted %q, found %v", n, kind, found)
		}
		for _, d := range found {
			got[d.Kind]++
			ids[d.ID] = true
		}
	}
	if !maps.Equal(got, want) || len(ids) != 150 {
		t.Errorf("found %v under %d ids, planted %v", got, len(ids), want)
	}
}

func TestKindsAreExplained(t *testing.T) {
	for _, k := range Kinds() {
		if e, err := k.Explain(); err != nil || e.Severity == "" || e.Title == "" || e.Means == "" || e.Next == "" {
			t.Errorf("%s: %+v, %v", k, e, err)
		}
	}
	if _, err := Kind("lost").Explain(); err == nil {
		t.Error("an unknown kind was explained")
	}
}

func TestDiscrepancyKeepsItsID(t *testing.T) {
	match := func(at time.Time, extra ...Booked) string {
		b := Books{OrderRef: "O1", Amount: thb(100000), Booked: append(extra, booked(bID("P1", "R1")))}
		l := Listing{ReadAt: at}
		l.Remaining = b.Amount
		for _, d := range Match(b, l, bounds).Discrepancies {
			if d.PSPRefundID == "P1" {
				return d.ID
			}
		}
		t.Fatal("not found")
		return ""
	}
	first := match(readAt)
	if second := match(readAt.Add(24*time.Hour), booked(bID("P0", "R0"))); second != first || len(first) != 14 {
		t.Errorf("%s became %s", first, second)
	}
}
