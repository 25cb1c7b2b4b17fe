package ledger

import (
	"context"
	"errors"
	"fmt"

	"refunds/bulk"
	"refunds/portone"
)

// Begin implements bulk.Ledger: T1. Its conditions are those of its own statements,
// so they hold against any other process at the moment of the commit.
func (d *DB) Begin(ctx context.Context, a bulk.Attempt, version int64) error {
	if a.State != bulk.AttemptSending {
		return fmt.Errorf("begin attempt %s: its state is %q; an attempt begins as sending", a.ID, a.State)
	}
	if a.Baseline.Remaining.Currency != a.Amount.Currency {
		return fmt.Errorf("begin attempt %s: %s is to be refunded of an order in %s", a.ID, a.Amount.Currency, a.Baseline.Remaining.Currency)
	}
	err := d.write(ctx, func(t tx) error { return t.begin(ctx, a, version) })
	if err != nil && !errors.Is(err, bulk.ErrMoved) {
		return fmt.Errorf("begin attempt %s: %w", a.ID, err)
	}
	return err
}

func (t tx) begin(ctx context.Context, a bulk.Attempt, version int64) error {
	// First the order: its row is the lock that every T1 and T2 of the order takes.
	n, err := t.exec(ctx, `UPDATE orders SET version = version + 1 WHERE order_ref = ? AND version = ?`, a.OrderRef, version)
	if err != nil {
		return err
	}
	if n == 0 {
		return bulk.ErrMoved
	}
	var i struct {
		Revision int              `db:"revision"`
		Minor    int64            `db:"amount_minor"`
		Currency portone.Currency `db:"currency"`
	}
	found, err := t.get(ctx, &i, `UPDATE instructions SET state = 'sending', reason_code = '', message = '', settled_at = NULL
		WHERE marker = ? AND order_ref = ? AND state IN ('planned', 'held')
			AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.marker = instructions.marker)
		RETURNING revision, amount_minor, currency`,
		a.Marker, a.OrderRef)
	if err != nil {
		return err
	}
	if !found {
		return bulk.ErrMoved
	}
	if ordered := (portone.Money{Minor: i.Minor, Currency: i.Currency}); ordered != a.Amount {
		return fmt.Errorf("it sends %s %s, and its instruction says %s %s", a.Amount, a.Amount.Currency, ordered, ordered.Currency)
	}
	n, err = t.exec(ctx, `INSERT INTO attempts (id, n, marker, revision, order_ref, amount_minor, currency, channel, body, body_sha256,
			token_sha256, token_expires, baseline_remaining, baseline_refunds, baseline_raw, bounds, started_at, next_look, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'sending')
		ON CONFLICT (order_ref) WHERE `+openAttempt+` DO NOTHING`,
		a.ID, a.N, a.Marker, i.Revision, a.OrderRef, a.Amount.Minor, string(a.Amount.Currency), a.Channel, a.Body, a.BodySHA256,
		a.TokenSHA256, at(a.TokenExpires), a.Baseline.Remaining.Minor, asJSON[[]portone.Refund]{a.Baseline.Refunds},
		append([]byte{}, a.Baseline.Raw...), asJSON[bulk.Bounds]{a.Bounds}, at(a.StartedAt), lookAt(a.NextLook, a.StartedAt))
	if err != nil {
		return err
	}
	if n == 0 {
		return bulk.ErrMoved // the slot is taken
	}
	return t.log(ctx, event{at: a.StartedAt, kind: "attempt_began", orderRef: a.OrderRef, marker: a.Marker, attemptID: a.ID, data: map[string]any{
		"amount_minor": a.Amount.Minor, "currency": a.Amount.Currency, "version": version, "revision": i.Revision,
		"body": evidence(a.Body), "body_sha256": a.BodySHA256, "token_sha256": a.TokenSHA256, "token_expires": at(a.TokenExpires).Time,
		"baseline": evidence(a.Baseline.Raw), "bounds": a.Bounds,
	}})
}
