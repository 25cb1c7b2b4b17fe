package ledgertest

import (
	"strings"
	"testing"

	"refunds/bulk"

	"github.com/jmoiron/sqlx"
)

// testConstraints does by hand what no method does, and wants the database to refuse
// it for the right reason.
func testConstraints(t *testing.T, url string) {
	db := Open(t, url)
	a, b := row("a", "O1", 100), row("b", "O1", 200)
	given(t, db, batch("f", a, b), order("O1", 500), order("O2", 500))
	at := begun(t, db, a.Instruction, 1)
	ok(t, db.Settle(t.Context(), made(at, a.Instruction, "1")))
	begun(t, db, b.Instruction, 1)
	ok(t, db.Bind(t.Context(), "sandbox", "test-client-key"))
	raw := Raw(t, url)

	const copied = `marker, revision, amount_minor, currency, channel, body, body_sha256, token_sha256, token_expires,
		baseline_remaining, baseline_refunds, baseline_raw, bounds, started_at, next_look, state`
	attemptBut := func(column, value string) string {
		return `INSERT INTO attempts (id, n, order_ref, ` + copied + `) SELECT 'new', 9, 'O2', ` +
			strings.Replace(copied, column, value, 1) + ` FROM attempts WHERE state = 'sending'`
	}
	const refund = `INSERT INTO refunds (order_ref, identity, marker, source, refund_id, psp_refund_id, amount_minor, currency, status,
		portone_status, reason, told_at) VALUES `
	_, err := raw.Exec(refund + `('O1', 'i2', NULL, 'import', '', 'p2', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`)
	ok(t, err)
	for _, c := range []struct {
		name, query      string
		sqlite, postgres string // what the refusal says; "": it is taken
	}{
		{"an attempt on a free order", attemptBut("marker", "marker"), "", ""},
		{"a second open attempt", strings.Replace(attemptBut("marker", "marker"), "'O2'", "'O1'", 1),
			"attempts.order_ref", "attempts_slot"},
		{"opening a second one again", `UPDATE attempts SET state = 'unknown', next_look = started_at WHERE state = 'made'`,
			"attempts.order_ref", "attempts_slot"},
		{"an attempt of a currency not the order's", attemptBut("currency", "'USD'"), "FOREIGN KEY", "attempts_order_ref_currency_fkey"},
		{"an attempt without an order", strings.Replace(attemptBut("marker", "marker"), "'O2'", "'O9'", 1), "FOREIGN KEY", "attempts_order_ref_currency_fkey"},
		{"a negative amount", attemptBut("amount_minor", "-1"), "amount_minor BETWEEN", "attempts_amount_minor_check"},
		{"more than was left", attemptBut("baseline_remaining", "199"), "amount_minor <= baseline_remaining", "attempts_check"},
		{"an attempt state that is none", attemptBut("next_look, state", "NULL, 'sent'"), "state IN", "attempts_state_check"},
		{"an open attempt that nobody looks at", attemptBut("next_look", "NULL"), "next_look IS NOT NULL", "attempts_check1"},
		{"the same attempt number", strings.Replace(attemptBut("marker", "marker"), "9", "1", 1), "attempts.marker, attempts.n", "attempts_marker_n_key"},
		{"another body", `UPDATE attempts SET body = body`, "what an attempt sends", "what an attempt sends"},
		{"another baseline", `UPDATE attempts SET baseline_remaining = 5`, "what an attempt sends", "what an attempt sends"},
		{"no attempt any more", `DELETE FROM attempts`, "never deleted", "never deleted"},

		{"an order of a negative amount", `UPDATE orders SET amount_minor = -1`, "amount_minor BETWEEN", "orders_amount_minor_check"},
		{"an order above 2^53", `UPDATE orders SET amount_minor = 9007199254740993`, "amount_minor BETWEEN", "orders_amount_minor_check"},
		{"an order in lower case", `UPDATE orders SET currency = 'vnd' WHERE order_ref = 'O2'`, "currency GLOB", "orders_currency_check"},
		{"no order any more", `DELETE FROM orders`, "never deleted", "never deleted"},

		{"an instruction state that is none", `UPDATE instructions SET state = 'paid'`, "state IN", "instructions_state_check"},
		{"an instruction of nothing", `UPDATE instructions SET amount_minor = 0`, "amount_minor BETWEEN", "instructions_amount_minor_check"},
		{"an instruction of no row", `UPDATE instructions SET batch_n = batch_n + 100`, "FOREIGN KEY", "instructions_batch_id_batch_n_fkey"},
		{"a second instruction of a key", `INSERT INTO instructions SELECT 'AAAAAAAAAAAAAAAAAAAA', key, instruction_id, order_ref, merchant_order_ref,
			amount_minor, currency, reason, description, channel, refund_type, 1, batch_id, batch_n + 100, state, '', '', NULL FROM instructions`,
			"instructions.key", "instructions_key_key"},
		{"no instruction any more", `DELETE FROM instructions`, "never deleted", "never deleted"},
		{"no row any more", `DELETE FROM batch_rows`, "never deleted", "never deleted"},
		{"a row that is neither owned nor skipped", `UPDATE batch_rows SET revision = NULL`, "CHECK", "batch_rows_check"},
		{"a batch of another name", `UPDATE batches SET file_name = 'x'`, "written once", "written once"},

		{"a further refund", refund + `('O1', 'i3', NULL, 'import', '', '', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`, "", ""},
		{"the same refund again", refund + `('O1', 'psp-1', NULL, 'import', '', '', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`,
			"refunds.order_ref, refunds.identity", "refunds_order_ref_identity_key"},
		{"the same id again", refund + `('O1', 'i3', NULL, 'import', '', 'psp-1', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`,
			"refunds.order_ref, refunds.psp_refund_id", "refunds_psp"},
		{"an issued refund of no instruction", refund + `('O1', 'i4', NULL, 'issue', '', '', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`,
			"source = 'import'", "refunds_check"},
		{"a refund of an order not there", refund + `('O9', 'i5', NULL, 'import', '', '', 5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`,
			"FOREIGN KEY", "refunds_order_ref_fkey"},
		{"a negative refund", refund + `('O1', 'i6', NULL, 'import', '', '', -5, 'VND', 'success', '', '', '2026-11-03T00:00:00.000000Z')`,
			"amount_minor BETWEEN", "refunds_amount_minor_check"},
		{"a refund status that is none", refund + `('O1', 'i7', NULL, 'import', '', '', 5, 'VND', 'SUCCESS', '', '', '2026-11-03T00:00:00.000000Z')`,
			"status IN", "refunds_status_check"},
		{"a refund bound anew", `UPDATE refunds SET marker = '` + b.Marker + `' WHERE marker = '` + a.Marker + `'`, "proves one instruction", "proves one instruction"},
		{"a second refund of an instruction", `UPDATE refunds SET marker = '` + a.Marker + `' WHERE identity = 'i2'`, "refunds.marker", "refunds_marker_key"},
		{"a refund worth more", `UPDATE refunds SET amount_minor = amount_minor + 1`, "written once", "written once"},
		{"no refund any more", `DELETE FROM refunds`, "never deleted", "never deleted"},

		{"a second binding", `INSERT INTO binding SELECT 2, environment, client_key_sha256, client_key_end, bound_at FROM binding`, "one = 1", "binding_one_check"},
		{"another binding", `UPDATE binding SET environment = 'live'`, "written once", "written once"},
		{"another past", `UPDATE events SET data = '{}'`, "only added", "only added"},
		{"no past", `DELETE FROM events`, "only added", "only added"},
	} {
		want := c.sqlite
		if raw.DriverName() == "postgres" {
			want = c.postgres
		}
		err := do(t, raw, c.query, want != "")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q", c.name, err, want)
		}
	}
	if raw.DriverName() == "postgres" {
		for _, table := range []string{"binding", "orders CASCADE", "attempts", "refunds", "channels", "events", "run_orders", "run_discrepancies", "listed_refunds", "nights"} {
			if err := do(t, raw, `TRUNCATE `+table, true); err == nil || !strings.Contains(err.Error(), "ever truncated") {
				t.Errorf("TRUNCATE %s: %v", table, err)
			}
		}
	}
	if s := state(t, db, "O1", ""); s.Open == nil || s.Open.State != bulk.AttemptSending {
		t.Errorf("the attempt did not survive: %+v", s.Open)
	}
}

// do runs query in a transaction of its own, and undoes it unless it is to stay.
func do(t testing.TB, raw *sqlx.DB, query string, stay bool) error {
	t.Helper()
	x, err := raw.Beginx()
	ok(t, err)
	defer x.Rollback()
	if _, err := x.Exec(query); err != nil || !stay {
		return err
	}
	return x.Commit()
}
