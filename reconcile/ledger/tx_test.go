package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
)

// twoOrders puts O1 and O2 into db.
func twoOrders(t *testing.T, db *ledger.DB) {
	t.Helper()
	for _, ref := range []string{"O1", "O2"} {
		if err := db.PutOrder(t.Context(), bulk.Order{OrderRef: ref, Amount: portone.Money{Minor: 1, Currency: "VND"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeadlock lets two transactions take two orders in opposite order, each waiting
// for the other. PostgreSQL breaks one off, which then runs again.
func TestDeadlock(t *testing.T) {
	db := ledgertest.Open(t, ledgertest.Migrated(t))
	twoOrders(t, db)
	var runs atomic.Int32
	both := make(chan struct{}) // each has its first order
	var first, all sync.WaitGroup
	first.Add(2)
	go func() { first.Wait(); close(both) }()
	for i, refs := range [][2]string{{"O1", "O2"}, {"O2", "O1"}} {
		all.Go(func() {
			var once sync.Once
			err := db.Write(t.Context(), func(exec func(string, ...any) error) error {
				runs.Add(1)
				const raise = `UPDATE orders SET version = version + 1 WHERE order_ref = ?`
				if err := exec(raise, refs[0]); err != nil {
					return err
				}
				once.Do(first.Done)
				<-both
				return exec(raise, refs[1])
			})
			if err != nil {
				t.Errorf("side %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if n := runs.Load(); n < 3 {
		t.Errorf("the two ran %d times: there was no deadlock", n)
	}
	for _, ref := range []string{"O1", "O2"} {
		s, err := db.OrderState(t.Context(), ref, "")
		if err != nil || s.Version != 3 {
			t.Errorf("%s has version %d, want 3: %v", ref, s.Version, err)
		}
	}
}

// TestDies lets transactions end in the middle: by an error, by a panic and by
// their context. Nothing of them stays, and the ledger goes on.
func TestDies(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		twoOrders(t, db)
		broken := errors.New("broken")
		const raise = `UPDATE orders SET version = version + 1`
		err := db.Write(t.Context(), func(exec func(string, ...any) error) error {
			return errors.Join(exec(raise), broken)
		})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		func() {
			defer func() { recover() }()
			db.Write(t.Context(), func(exec func(string, ...any) error) error {
				if err := exec(raise); err != nil {
					t.Error(err)
				}
				panic("broken")
			})
		}()
		ctx, cancel := context.WithCancel(t.Context())
		err = db.Write(ctx, func(exec func(string, ...any) error) error {
			err := exec(raise)
			cancel()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a commit after its context ended: %v", err)
		}
		s, err := db.OrderState(t.Context(), "O1", "")
		if err != nil || s.Version != 1 {
			t.Errorf("version %d, want 1: %v", s.Version, err)
		}
	})
}

// TestBesides lets two handles, as two processes would have, write at once for a while:
// they wait for each other instead of failing.
func TestBesides(t *testing.T) {
	for _, e := range ledgertest.Engines {
		const each, writers = 20, 4
		url := e.Fresh(t)
		one := ledgertest.Open(t, url)
		handles := []*ledger.DB{one, ledgertest.Open(t, url)}
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				db := handles[w%len(handles)]
				for n := range each {
					if err := db.PutOrder(t.Context(), bulk.Order{OrderRef: fmt.Sprint(w, "-", n), Amount: portone.Money{Currency: "VND"}, PaidAt: time.Now()}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		_, same, _, err := one.ImportOrders(t.Context(), everyOrder(writers, each), time.Now())
		if err != nil || same != writers*each {
			t.Errorf("%s: %d orders are there, want %d: %v", e.Name, same, writers*each, err)
		}
	}
}

func everyOrder(writers, each int) (orders []bulk.Order) {
	for w := range writers {
		for n := range each {
			orders = append(orders, bulk.Order{OrderRef: fmt.Sprint(w, "-", n), Amount: portone.Money{Currency: "VND"}})
		}
	}
	return orders
}
