package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"refunds/bulk"
)

// Settle implements bulk.Ledger: T2. Besides what the interface promises it refuses,
// as a fault of the program, an instruction's state that the attempt's does not
// bear, and issued or pending without a booked refund of that status.
func (d *DB) Settle(ctx context.Context, s bulk.Settlement) error {
	err := consistent(s)
	if err == nil {
		err = d.write(ctx, func(t tx) error { return t.settle(ctx, s) })
	}
	if err != nil && !errors.Is(err, bulk.ErrMoved) {
		return fmt.Errorf("settle %s of order %s: %w", s.Marker, s.OrderRef, err)
	}
	return err
}

// consistent tells whether the instruction's state can follow from the attempt's.
func consistent(s bulk.Settlement) error {
	if s.From == s.To && s.To.Open() {
		return nil // looked at; nothing is decided
	}
	ok := false
	switch s.To {
	case "":
		ok = s.AttemptID == "" && s.State != bulk.Sending && s.State != bulk.Unknown && s.State != bulk.Skipped
	case bulk.AttemptUnknown:
		ok = s.State == bulk.Unknown
	case bulk.AttemptQuarantined:
		ok = s.State == bulk.Quarantined
	case bulk.AttemptMade:
		ok = s.State == bulk.Issued || s.State == bulk.Pending || s.State == bulk.Failed
	case bulk.AttemptRefused, bulk.AttemptNotSent, bulk.AttemptAbsent:
		ok = s.State == bulk.Planned || s.State == bulk.Refused || s.State == bulk.Failed ||
			s.State == bulk.Cancelled || s.State == bulk.Held || s.State == bulk.Quarantined
	}
	if s.Ruling != nil { // people decide what is quarantined, or what they closed before
		ok = ok && s.Ruling.By != "" && s.Ruling.Note != "" && (s.From == bulk.AttemptQuarantined || s.AttemptID == "") &&
			(s.Was == bulk.Quarantined || s.State == bulk.Planned && (s.Was == bulk.Failed || s.Was == bulk.Cancelled))
	}
	if s.AttemptID != "" && !s.From.Open() { // what is closed is left only by evidence that a refund was made
		ok = ok && (s.To == bulk.AttemptMade || s.To == bulk.AttemptQuarantined)
	}
	if !ok || (s.AttemptID == "") != (s.To == "") {
		return fmt.Errorf("an attempt that becomes %q (%q) does not make its instruction %q", s.To, s.AttemptID, s.State)
	}
	return nil
}

func (t tx) settle(ctx context.Context, s bulk.Settlement) error {
	channel, err := t.settleOrder(ctx, s)
	if err != nil {
		return err
	}
	if s.AttemptID != "" && s.From == s.To {
		return t.log(ctx, settledEvent(s))
	}
	if err := t.settleInstruction(ctx, s); err != nil {
		return err
	}
	if s.Ruling != nil && s.Refund == nil {
		if _, err := t.exec(ctx, `UPDATE attempts SET ruled = true WHERE marker = ? AND state = 'absent'`, s.Marker); err != nil {
			return err
		}
	}
	if s.Refund != nil {
		if err := t.bookRefund(ctx, s); err != nil {
			return err
		}
	}
	if err := t.proven(ctx, s); err != nil {
		return err
	}
	if s.Echoed && channel != "" {
		if _, err := t.exec(ctx, `INSERT INTO channels (channel, echoed_at) VALUES (?, ?) ON CONFLICT (channel) DO NOTHING`,
			channel, at(s.At)); err != nil {
			return err
		}
	}
	return t.log(ctx, settledEvent(s))
}

// settleOrder raises the order's version, whose row is the lock of all that follows,
// and takes the attempt to its new state, or makes sure that there is none. It
// returns the channel that the refund went through, "" when unknown.
func (t tx) settleOrder(ctx context.Context, s bulk.Settlement) (channel string, err error) {
	if s.AttemptID == "" {
		return t.withoutAttempt(ctx, s)
	}
	if _, err := t.exec(ctx, `UPDATE orders SET version = version + 1 WHERE order_ref = ?`, s.OrderRef); err != nil {
		return "", err
	}
	look := stamp{}
	if s.To.Open() {
		look = lookAt(s.NextLook, s.At)
	}
	set, args := `state = ?, limited = limited OR ?, next_look = ?, ruled = false`, []any{string(s.To), s.Limited, look}
	if a := s.Answer; a != nil {
		set += `, answered_at = ?, http_status = ?, code = ?, message = ?, answer_raw = ?`
		args = append(args, at(a.At), a.HTTPStatus, text(a.Code), text(a.Message), a.Raw)
	}
	args = append(args, s.AttemptID, s.Marker, s.OrderRef, string(s.From))
	// The slot as a condition of the statement: a closed attempt is opened again only if no other is open.
	found, err := t.get(ctx, &channel, `UPDATE attempts SET `+set+` WHERE id = ? AND marker = ? AND order_ref = ? AND state = ?
		AND NOT EXISTS (SELECT 1 FROM attempts o WHERE o.order_ref = attempts.order_ref AND o.id <> attempts.id AND o.`+openAttempt+`)
		RETURNING channel`, args...)
	if err == nil && !found {
		err = bulk.ErrMoved
	}
	return channel, err
}

func (t tx) withoutAttempt(ctx context.Context, s bulk.Settlement) (channel string, err error) {
	found, err := t.get(ctx, &channel, `UPDATE orders SET version = version + 1 WHERE order_ref = ? AND version = ?
		AND (NOT EXISTS (SELECT 1 FROM attempts WHERE order_ref = orders.order_ref AND `+openAttempt+`)
			OR ? AND EXISTS (SELECT 1 FROM refunds WHERE marker = ?)) RETURNING channel`,
		s.OrderRef, s.Version, s.Refund != nil, s.Marker)
	if err != nil || found {
		return channel, err
	}
	var n int
	if _, err := t.get(ctx, &n, `SELECT count(*) FROM orders WHERE order_ref = ?`, s.OrderRef); err != nil {
		return "", err
	}
	if n != 0 || s.Version != 0 {
		return "", bulk.ErrMoved
	}
	return "", nil // the order that the ledger lacks, as the caller saw it too
}

// settleInstruction keeps settled_at where the state stays the same: told anew is
// not decided anew.
func (t tx) settleInstruction(ctx context.Context, s bulk.Settlement) error {
	from := ""
	if s.AttemptID == "" {
		from = ` AND state NOT IN ('sending', 'unknown')` // those have an open attempt
		if s.State == bulk.Planned || s.State == bulk.Held {
			from = ` AND state IN ('planned', 'held', 'quarantined')` // never send again what was decided
		}
	}
	var was []any
	if s.Ruling != nil { // a person may leave a final state, but only the one that they saw
		from, was = ` AND state = ?`, []any{string(s.Was)}
	}
	settled := at(s.At)
	if s.State == bulk.Planned || s.State == bulk.Unknown {
		settled = stamp{}
	}
	n, err := t.exec(ctx, `UPDATE instructions SET settled_at = CASE WHEN state = ? THEN settled_at ELSE ? END,
		state = ?, reason_code = ?, message = ? WHERE marker = ? AND order_ref = ?`+from,
		append([]any{string(s.State), settled, string(s.State), text(s.ReasonCode), text(s.Message), s.Marker, s.OrderRef}, was...)...)
	if err == nil && n == 0 {
		err = bulk.ErrMoved
	}
	return err
}

// lookAt is when an open attempt is looked at next: at once, where nobody said.
func lookAt(next, now time.Time) stamp {
	if next.IsZero() {
		next = now
	}
	return at(next)
}

func settledEvent(s bulk.Settlement) event {
	data := map[string]any{
		"from": s.From, "to": s.To, "state": s.State, "reason_code": text(s.ReasonCode), "message": text(s.Message),
		"limited": s.Limited, "echoed": s.Echoed, "version": s.Version,
	}
	if a := s.Answer; a != nil {
		data["answer"] = map[string]any{
			"at": at(a.At).Time, "http_status": a.HTTPStatus, "code": text(a.Code), "message": text(a.Message), "raw": evidence(a.Raw),
		}
	}
	if s.List != nil {
		data["list"] = evidence(s.List.Raw)
	}
	if r := s.Refund; r != nil {
		data["refund"] = map[string]any{
			"identity": text(s.Identity), "refund_id": text(r.RefundID), "psp_refund_id": text(r.PSPRefundID), "status": text(string(r.Status)),
			"amount_minor": r.Amount.Minor, "currency": r.Amount.Currency, "reason": text(r.Reason), "date": at(r.Date).Time,
		}
	}
	kind := "settled"
	if s.Ruling != nil {
		kind, data["was"], data["ruling"] = "decided", s.Was, ruling(*s.Ruling)
	}
	return event{at: s.At, kind: kind, orderRef: s.OrderRef, marker: s.Marker, attemptID: s.AttemptID, data: data}
}

// ruling is r as both engines hold it.
func ruling(r bulk.Ruling) bulk.Ruling {
	for _, s := range []*string{&r.Refund, &r.By, &r.Note, &r.User, &r.Host} {
		*s = text(*s)
	}
	return r
}
