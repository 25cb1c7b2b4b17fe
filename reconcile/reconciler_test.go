package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
)

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }

// portal is PortOne as reconciliation sees it: lists of refunds, and orders whose lists
// can't be had. It has no way to be posted to.
type portal struct {
	mu    sync.Mutex
	lists map[string]portone.RefundList
	fails map[string]error
	reads int
	hook  func(n int) // after the nth read
}

func (p *portal) Refunds(ctx context.Context, orderRef string, c portone.Currency) (portone.RefundList, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if p.hook != nil {
		p.hook(p.reads)
	}
	if err := ctx.Err(); err != nil {
		return portone.RefundList{}, err
	}
	if err := p.fails[orderRef]; err != nil {
		return portone.RefundList{}, fmt.Errorf("list refunds of %s: %w", orderRef, err)
	}
	l, ok := p.lists[orderRef]
	if !ok {
		return portone.RefundList{}, portone.ErrOrderUnknown
	}
	return l, nil
}

func (p *portal) set(orderRef string, amount int64, refunds ...portone.Refund) {
	left := vnd(amount)
	for _, r := range refunds {
		if r.Status.Succeeded() {
			left = left.Sub(r.Amount)
		}
	}
	p.lists[orderRef] = portone.RefundList{Remaining: left, Refunds: refunds}
}

// settler books the refund of an open attempt that the list shows by its marker.
type settler struct{ db *ledger.DB }

func (s settler) Apply(ctx context.Context, orderRef string, list portone.RefundList, readAt time.Time) error {
	st, err := s.db.OrderState(ctx, orderRef, "")
	if err != nil || st.Open == nil {
		return err
	}
	for _, r := range list.Refunds {
		if r.Reason == st.Open.Marker {
			return s.db.Settle(ctx, bulk.Settlement{OrderRef: orderRef, Marker: st.Open.Marker, At: readAt, AttemptID: st.Open.ID,
				From: st.Open.State, To: bulk.AttemptMade, State: bulk.Issued, Refund: &r, Identity: "psp:" + r.PSPRefundID, List: &list})
		}
	}
	return nil
}

type story struct {
	*testing.T
	db *ledger.DB
	p  *portal
	r  *reconcile.Reconciler
}

func stories(t *testing.T, tell func(s *story)) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		p := &portal{lists: map[string]portone.RefundList{}, fails: map[string]error{}}
		tell(&story{t, db, p, &reconcile.Reconciler{Ledger: db, PortOne: p, Settler: settler{db}, Environment: portone.Sandbox, Concurrency: 4,
			Bounds: reconcile.Bounds{Grace: time.Minute, StalePending: time.Hour, StillUnknown: time.Hour}, Log: slog.New(slog.DiscardHandler)}})
	})
}

func (s *story) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *story) order(ref string, amount int64) {
	s.Helper()
	s.ok(s.db.PutOrder(s.Context(), bulk.Order{OrderRef: ref, MerchantOrderRef: "m-" + ref, Amount: vnd(amount), Channel: "MOMOPAY"}))
	s.p.set(ref, amount)
}

func (s *story) imported(ref, psp string, amount int64) {
	s.Helper()
	_, _, err := s.db.ImportRefunds(s.Context(), []reconcile.Booked{{OrderRef: ref, PSPRefundID: psp, Amount: vnd(amount),
		Status: reconcile.Success, RefundedAt: time.Now().Add(-time.Hour)}}, time.Now())
	s.ok(err)
}

func made(psp string, amount int64) portone.Refund {
	return portone.Refund{PSPRefundID: psp, Amount: vnd(amount), Status: "SUCCESS", Date: time.Now().Add(-time.Hour)}
}

func (s *story) run(w reconcile.Window) reconcile.Run {
	s.Helper()
	run, err := s.r.Run(s.Context(), w)
	s.ok(err)
	again, err := s.db.Run(s.Context(), run.ID)
	s.ok(err)
	if again.Verdict != run.Verdict || again.Roll.Closing != run.Roll.Closing || again.Read != run.Read || again.FinishedAt != run.FinishedAt {
		s.Errorf("the run was %+v, and is recorded as %+v", run, again)
	}
	return run
}

func (s *story) findings(run reconcile.Run) (all []reconcile.Finding) {
	s.Helper()
	for _, k := range reconcile.Kinds() {
		s.ok(s.db.EachDiscrepancy(s.Context(), run.ID, k, func(f reconcile.Finding) error {
			all = append(all, f)
			return nil
		}))
	}
	return all
}

func (s *story) lines(run reconcile.Run) map[string]reconcile.OrderLine {
	s.Helper()
	all := map[string]reconcile.OrderLine{}
	s.ok(s.db.EachOrder(s.Context(), run.ID, func(l reconcile.OrderLine) error {
		all[l.OrderRef] = l
		return nil
	}))
	return all
}

func (s *story) roll(name string, run reconcile.Run, want reconcile.Roll) {
	s.Helper()
	got := run.Roll
	got.Money = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("%s: roll-forward %+v, want %+v", name, got, want)
	}
	if got.Opening+got.New-got.Resolved != got.Closing {
		s.Errorf("%s: it does not add up: %+v", name, got)
	}
	for _, m := range run.Roll.Money {
		if m.Opening+m.New+m.Changed-m.Resolved != m.Closing {
			s.Errorf("%s: the money does not add up: %+v", name, m)
		}
	}
}

func TestDiscrepancyFromNightToNight(t *testing.T) {
	stories(t, func(s *story) {
		all := reconcile.AllWindow(time.UTC)
		s.order("CLEAN", 1000)
		s.imported("CLEAN", "P0", 100)
		s.p.set("CLEAN", 1000, made("P0", 100))
		s.order("BEHIND", 1000)
		s.p.set("BEHIND", 1000, made("P1", 300))

		first := s.run(all)
		s.roll("first", first, reconcile.Roll{New: 1, Closing: 1})
		found := s.findings(first)
		if first.Verdict != reconcile.Discrepancies || len(found) != 1 || found[0].Kind != reconcile.MissingInLedger || found[0].Difference.Minor != -300 {
			s.Fatalf("first: %s, %+v", first.Verdict, found)
		}
		if want := []reconcile.Sum{{Currency: "VND", Ledger: 100, Portone: 400, Explained: -300}}; fmt.Sprint(first.Sums) != fmt.Sprint(want) {
			s.Errorf("first: sums %+v, want %+v", first.Sums, want)
		}

		s.p.set("BEHIND", 1000, made("P1", 400)) // told otherwise
		second := s.run(all)
		s.roll("second", second, reconcile.Roll{Opening: 1, Closing: 1})
		again := s.findings(second)
		if len(again) != 1 || again[0].ID != found[0].ID || !again[0].FirstSeen.Equal(first.StartedAt) {
			s.Errorf("second: %+v, first seen %v", again, first.StartedAt)
		}
		if m := second.Roll.Money; len(m) != 1 || m[0].Opening != -300 || m[0].Changed != -100 || m[0].Closing != -400 {
			s.Errorf("second: money %+v", m)
		}

		s.p.fails["BEHIND"] = portone.ErrUnavailable
		third := s.run(all)
		s.roll("third", third, reconcile.Roll{Opening: 1, Closing: 1})
		carried := s.findings(third)
		if third.Verdict != reconcile.Incomplete || third.Unchecked != 1 || len(carried) != 1 || !carried[0].Carried || carried[0].State != reconcile.Open {
			s.Errorf("third: %+v, %+v", third, carried)
		}
		if l := s.lines(third)["BEHIND"]; l.Verdict != reconcile.OrderUnchecked || l.Reason == "" {
			s.Errorf("third: %+v", l)
		}

		outside := s.run(reconcile.OrdersWindow([]string{"CLEAN"}, time.UTC))
		s.roll("of another order", outside, reconcile.Roll{Opening: 1, Closing: 1, Outside: 1})
		if outside.Verdict != reconcile.Clean {
			s.Errorf("of another order: %s", outside.Verdict)
		}

		delete(s.p.fails, "BEHIND")
		s.imported("BEHIND", "P1", 400)
		fourth := s.run(all)
		s.roll("fourth", fourth, reconcile.Roll{Opening: 1, Resolved: 1})
		if f := s.findings(fourth); fourth.Verdict != reconcile.Clean || len(f) != 1 || f[0].State != reconcile.Resolved || f[0].ID != found[0].ID {
			s.Errorf("fourth: %s, %+v", fourth.Verdict, f)
		}

		s.p.set("BEHIND", 1000) // gone, after it had been successful
		fifth := s.run(all)
		if f := s.findings(fifth); len(f) != 1 || f[0].Kind != reconcile.Reversed || !f[0].FirstSeen.Equal(fifth.StartedAt) {
			s.Errorf("fifth: %+v", f)
		}
	})
}

func TestUnknownOutcomeSettlesInTheRun(t *testing.T) {
	stories(t, func(s *story) {
		s.order("O", 1000)
		in := bulk.Instruction{ID: "row-1", OrderRef: "O", Amount: vnd(100), Reason: "damaged", Channel: "MOMOPAY", Type: portone.Partial}
		in.Identify(portone.Sandbox, "key")
		_, err := s.db.Accept(s.Context(), bulk.Batch{ID: fmt.Sprintf("%064d", 1), FileName: "f.csv", ReceivedAt: time.Now(),
			Rows: []bulk.Row{{Instruction: in, N: 1, Line: 2, Cells: []string{"O"}}}})
		s.ok(err)
		sent := time.Now().Add(-3 * time.Hour)
		s.ok(s.db.Begin(s.Context(), bulk.Attempt{ID: in.Marker + "-1", N: 1, Marker: in.Marker, OrderRef: "O", Amount: in.Amount, Channel: "MOMOPAY",
			Body: []byte("{}"), TokenExpires: sent.Add(time.Minute), Baseline: s.p.lists["O"], StartedAt: sent, NextLook: sent, State: bulk.AttemptSending}, 1))

		w, err := reconcile.ActivityWindow("2020-01-01", "2020-01-01", time.UTC)
		s.ok(err)
		run := s.run(w) // what is open is in the window, whenever it was sent
		if f := s.findings(run); len(f) != 1 || f[0].Kind != reconcile.StillUnknown || f[0].InstructionID != "row-1" {
			s.Fatalf("before: %+v", f)
		}
		refund := made("P1", 100)
		refund.Reason = in.Marker
		s.p.set("O", 1000, refund)
		run = s.run(w)
		if f := s.findings(run); run.Verdict != reconcile.Clean || len(f) != 1 || f[0].State != reconcile.Resolved {
			s.Errorf("after: %s, %+v", run.Verdict, f)
		}
		if rest := s.run(w); rest.Read != 0 || rest.Verdict != reconcile.Clean {
			s.Errorf("nothing is open any more: %+v", rest)
		}
	})
}

func TestAnswersThatAreNoList(t *testing.T) {
	stories(t, func(s *story) {
		for _, ref := range []string{"A", "B", "C"} {
			s.order(ref, 1000)
		}
		delete(s.p.lists, "A") // ErrOrderUnknown
		s.p.fails["B"] = portone.ErrUnreadable
		run := s.run(reconcile.OrdersWindow([]string{"C", "A", "B", "NONE", "A"}, time.UTC))
		if run.Verdict != reconcile.Incomplete || run.Read != 2 || run.Unchecked != 2 {
			s.Errorf("%+v", run)
		}
		lines := s.lines(run)
		for ref, want := range map[string]reconcile.OrderVerdict{"A": reconcile.OrderDiffers, "B": reconcile.OrderUnchecked,
			"C": reconcile.OrderClean, "NONE": reconcile.OrderUnchecked} {
			if lines[ref].Verdict != want {
				s.Errorf("%s: %+v, want %s", ref, lines[ref], want)
			}
		}
		if f := s.findings(run); len(f) != 1 || f[0].Kind != reconcile.OrderUnknown {
			s.Errorf("%+v", f)
		}
		// What was unchecked, and only that, is read again with what is open.
		delete(s.p.fails, "B")
		w, err := reconcile.ActivityWindow("2020-01-01", "2020-01-01", time.UTC)
		s.ok(err)
		if again := s.lines(s.run(w)); len(again) != 2 || again["B"].Verdict != reconcile.OrderClean || again["A"].Found != 1 {
			s.Errorf("the next night: %+v", again)
		}
	})
}

func TestStoppedRunIsIncomplete(t *testing.T) {
	stories(t, func(s *story) {
		for n := range 20 {
			s.order(fmt.Sprintf("O%02d", n), 1000)
		}
		ctx, stop := context.WithCancel(s.Context())
		s.p.hook = func(n int) {
			if n == 7 {
				stop()
			}
		}
		run, err := s.r.Run(ctx, reconcile.AllWindow(time.UTC))
		s.ok(err)
		if run.Verdict != reconcile.Incomplete || run.Stopped == "" || run.Read+run.Unchecked != 20 || run.Read == 0 || run.Unchecked == 0 {
			s.Errorf("%+v", run)
		}
		if l := s.lines(run); len(l) != 20 {
			s.Errorf("%d orders are accounted for, not 20", len(l))
		}
		s.p.hook = nil
		s.p.fails["O00"] = portone.ErrUnauthorized
		run, err = s.r.Run(s.Context(), reconcile.AllWindow(time.UTC))
		if !errors.Is(err, portone.ErrUnauthorized) || run.Verdict != reconcile.Incomplete || run.Stopped == "" || run.FinishedAt.IsZero() {
			s.Errorf("a key that PortOne does not accept: %v, %+v", err, run)
		}
	})
}

// Somebody books a refund after its page of books was read, and before its list is.
func TestBooksAreReadAgainBeforeADiscrepancyIsTold(t *testing.T) {
	stories(t, func(s *story) {
		s.order("O", 1000)
		s.p.set("O", 1000, made("P1", 100))
		s.p.hook = func(int) { s.imported("O", "P1", 100) }
		if run := s.run(reconcile.AllWindow(time.UTC)); run.Verdict != reconcile.Clean {
			s.Errorf("%+v", s.findings(run))
		}
	})
}

func TestTwoRunsAtOnce(t *testing.T) {
	stories(t, func(s *story) {
		for n := range 60 {
			ref := fmt.Sprintf("O%02d", n)
			s.order(ref, 1000)
			s.p.set(ref, 1000, made("P"+ref, 100))
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 3 {
					run, err := s.r.Run(s.Context(), reconcile.AllWindow(time.UTC))
					if err != nil || run.Verdict != reconcile.Discrepancies || run.Read != 60 {
						s.Errorf("%+v, %v", run, err)
					}
				}
			})
		}
		wg.Wait()
		last := s.run(reconcile.AllWindow(time.UTC))
		s.roll("last", last, reconcile.Roll{Opening: 60, Closing: 60})
		if f := s.findings(last); len(f) != 60 {
			s.Errorf("%d discrepancies, not 60", len(f))
		}
	})
}

func reported(context.Context, reconcile.Run) error { return nil }

func TestNightRunsOnce(t *testing.T) {
	stories(t, func(s *story) {
		s.order("O", 1000)
		s.imported("O", "P1", 100) // an hour ago: today or yesterday
		s.p.set("O", 1000, made("P1", 100))
		date := reconcile.DateOf(time.Now().Add(-time.Hour), time.UTC)
		var wg sync.WaitGroup
		var mu sync.Mutex
		ran := 0
		for range 8 {
			wg.Go(func() {
				run, yes, err := s.r.Night(s.Context(), s.db, date, time.UTC, reported)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					s.Error(err)
				}
				if yes {
					ran++
					if run.Read != 1 {
						s.Errorf("the night read %d orders, not 1", run.Read)
					}
				}
			})
		}
		wg.Wait()
		if ran != 1 || s.p.reads != 1 {
			s.Errorf("the night ran %d times and read %d lists", ran, s.p.reads)
		}
		missed, err := s.db.MissedNights(s.Context(), date.Add(2))
		s.ok(err)
		if fmt.Sprint(missed) != fmt.Sprint([]reconcile.Date{date.Add(1), date.Add(2)}) {
			s.Errorf("missed %v", missed)
		}
		// A run that was stopped gives its night back. What is unchecked since is in its window.
		s.p.fails["O"] = portone.ErrUnavailable
		s.run(reconcile.AllWindow(time.UTC))
		delete(s.p.fails, "O")
		ctx, stop := context.WithCancel(s.Context())
		s.p.hook = func(int) { stop() }
		if run, yes, err := s.r.Night(ctx, s.db, date.Add(1), time.UTC, reported); err != nil || !yes || run.Stopped == "" {
			s.Errorf("a stopped night: %v, %v, %+v", yes, err, run)
		}
		s.p.hook = nil
		full := errors.New("no space left") // nor does one end that could not be reported
		if _, yes, err := s.r.Night(s.Context(), s.db, date.Add(1), time.UTC, func(context.Context, reconcile.Run) error { return full }); !yes || !errors.Is(err, full) {
			s.Errorf("a night without a report: %v, %v", yes, err)
		}
		if _, yes, err := s.r.Night(s.Context(), s.db, date.Add(1), time.UTC, reported); err != nil || !yes {
			s.Errorf("the night given back was not taken up: %v, %v", yes, err)
		}
	})
}

// late is PortOne to a run that is slow: after it has read a list, something happens.
type late struct {
	*portal
	then func()
}

func (l late) Refunds(ctx context.Context, orderRef string, c portone.Currency) (portone.RefundList, error) {
	list, err := l.portal.Refunds(ctx, orderRef, c)
	l.then()
	return list, err
}

// What one run found is not resolved by another that read the list before it.
func TestAnOlderReadResolvesNothing(t *testing.T) {
	stories(t, func(s *story) {
		s.order("A", 1000)
		slow := &reconcile.Reconciler{Ledger: s.r.Ledger, Settler: s.r.Settler, Environment: s.r.Environment, Bounds: s.r.Bounds, Concurrency: 1, Log: s.r.Log}
		slow.PortOne = late{s.p, func() {
			s.p.set("A", 1000, made("P1", 100))
			if f := s.findings(s.run(reconcile.AllWindow(time.UTC))); len(f) != 1 {
				s.Errorf("the quick run: %+v", f)
			}
		}}
		_, err := slow.Run(s.Context(), reconcile.AllWindow(time.UTC))
		s.ok(err)
		w, err := reconcile.ActivityWindow("2020-01-01", "2020-01-01", time.UTC)
		s.ok(err)
		if f := s.findings(s.run(w)); len(f) != 1 || f[0].Kind != reconcile.MissingInLedger || f[0].State != reconcile.Open {
			s.Errorf("the next night: %+v", f)
		}
	})
}

// A refund made in the portal just before a run is too recent for it to be missed, and
// leaves nothing in the ledger: the next night's window must hold its order all the same.
func TestTooRecentIsReadAgain(t *testing.T) {
	stories(t, func(s *story) {
		s.order("A", 1000)
		recent := made("P1", 100)
		recent.Date = time.Now()
		s.p.set("A", 1000, recent)
		if run := s.run(reconcile.AllWindow(time.UTC)); run.Verdict != reconcile.Clean {
			s.Fatalf("the first night: %+v", run)
		}
		s.r.Bounds.Grace = 0
		w, err := reconcile.ActivityWindow("2020-01-01", "2020-01-01", time.UTC)
		s.ok(err)
		if f := s.findings(s.run(w)); len(f) != 1 || f[0].Kind != reconcile.MissingInLedger {
			s.Errorf("the next night: %+v", f)
		}
	})
}
