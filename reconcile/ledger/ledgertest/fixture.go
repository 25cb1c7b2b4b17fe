package ledgertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
)

// now is the moment of every story, with more digits than the ledger keeps.
var now = time.Date(2026, 11, 3, 1, 2, 3, 456_789_123, time.FixedZone("", 7*3600))

// kept is t as the ledger gives it back.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }

var bounds = bulk.Bounds{ClockError: 5 * time.Second, MaxProcessing: 5 * time.Minute, ListLag: 10 * time.Minute}

// row is an instruction to refund amount of order, identified by its id.
func row(id, order string, amount int64) bulk.Row {
	i := bulk.Instruction{
		ID: id, OrderRef: order, MerchantOrderRef: "m-" + order, Amount: vnd(amount), Reason: "hoàn tiền 환불 " + id,
		Description: "คืนเงิน", Channel: "MOMOPAY", Type: portone.Partial,
	}
	i.Identify(portone.Sandbox, "test-client-key")
	return bulk.Row{Instruction: i, Cells: []string{order, "x, \"y\"\n", ""}}
}

// batch numbers the rows and gives the file an id by its name.
func batch(name string, rows ...bulk.Row) bulk.Batch {
	sum := sha256.Sum256([]byte(name))
	for i := range rows {
		rows[i].N, rows[i].Line = i+1, i+2
	}
	return bulk.Batch{ID: hex.EncodeToString(sum[:]), FileName: name, ReceivedAt: now, Rows: rows}
}

func order(ref string, amount int64) bulk.Order {
	return bulk.Order{OrderRef: ref, MerchantOrderRef: "m-" + ref, Amount: vnd(amount), Channel: "MOMOPAY"}
}

// given books the orders and the batch, and wants no conflict.
func given(t testing.TB, db *ledger.DB, b bulk.Batch, orders ...bulk.Order) {
	t.Helper()
	for _, o := range orders {
		ok(t, db.PutOrder(t.Context(), o))
	}
	conflicts, err := db.Accept(t.Context(), b)
	ok(t, err)
	if len(conflicts) > 0 {
		t.Fatalf("Accept: conflicts %v", conflicts)
	}
}

// state reads the order for the batch.
func state(t testing.TB, db *ledger.DB, order, batchID string) bulk.OrderState {
	t.Helper()
	s, err := db.OrderState(t.Context(), order, batchID)
	ok(t, err)
	return s
}

// attempt is the n-th of i.
func attempt(i bulk.Instruction, n int) bulk.Attempt {
	return bulk.Attempt{
		ID: fmt.Sprintf("%s-%d", i.Marker, n), N: n, Marker: i.Marker, OrderRef: i.OrderRef, Amount: i.Amount, Channel: i.Channel,
		Body: []byte(`{"amount":1,"text":"é\u0000"}`), BodySHA256: "b5", TokenSHA256: "70", TokenExpires: now.Add(time.Minute),
		Baseline: portone.RefundList{Remaining: vnd(1_000_000), Refunds: []portone.Refund{{
			RefundID: "", PSPRefundID: "psp-old", Amount: vnd(7), Status: "SUCCESS", Type: "partial", Reason: "alt", Date: kept(now)}},
			Raw: []byte("{\"amountToRefund\": 1000000, \x00\xff}")},
		Bounds: bounds, StartedAt: now, NextLook: now.Add(time.Second), State: bulk.AttemptSending,
	}
}

// begun is T1 of i's n-th attempt, on the order as it stands.
func begun(t testing.TB, db *ledger.DB, i bulk.Instruction, n int) bulk.Attempt {
	t.Helper()
	a := attempt(i, n)
	ok(t, db.Begin(t.Context(), a, state(t, db, i.OrderRef, "").Version))
	return a
}

// listed is i's refund as PortOne lists it.
func listed(i bulk.Instruction, id string, status portone.Status) *portone.Refund {
	return &portone.Refund{RefundID: "r-" + id, PSPRefundID: "psp-" + id, Amount: i.Amount, Status: status, Type: "partial",
		Reason: i.Marker + " " + i.Reason, Date: now.Add(-time.Second)}
}

// outcome is T2 of a.
func outcome(a bulk.Attempt, from, to bulk.AttemptState, s bulk.State) bulk.Settlement {
	return bulk.Settlement{OrderRef: a.OrderRef, Marker: a.Marker, At: now.Add(2 * time.Second), AttemptID: a.ID, From: from, To: to, State: s}
}

// made is T2 of an attempt that PortOne answered with its refund.
func made(a bulk.Attempt, i bulk.Instruction, id string) bulk.Settlement {
	s := outcome(a, bulk.AttemptSending, bulk.AttemptMade, bulk.Issued)
	s.Refund, s.Identity = listed(i, id, "SUCCESS"), "psp-"+id
	return s
}

// status is the one of row n in the batch's results.
func result(t testing.TB, db *ledger.DB, batchID string, n int) bulk.Result {
	t.Helper()
	all, err := db.Results(t.Context(), batchID)
	ok(t, err)
	for _, r := range all {
		if r.N == n {
			return r
		}
	}
	t.Fatalf("no result of row %d among %v", n, all)
	return bulk.Result{}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
