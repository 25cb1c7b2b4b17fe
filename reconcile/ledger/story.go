package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile"
)

// A Story is all that the ledger knows of one order, read in one transaction. Each slice is
// in the order of time.
type Story struct {
	OrderRef      string
	Order         *bulk.Order // nil: the ledger has no such order
	Rows          []StoryRow
	Attempts      []bulk.Attempt
	Refunds       []StoryRefund
	Seen          []reconcile.Seen
	Discrepancies []StoryDiscrepancy
	Events        []StoryEvent
}

// A StoryRow is one row of a file about the order, with its instruction as it is now.
type StoryRow struct {
	FileName   string
	BatchID    string
	ReceivedAt time.Time
	N, Line    int
	Skipped    bool // an earlier row has the instruction
	Marker     string
	ID         string
	Amount     portone.Money // the row's
	Reason     string
	State      bulk.State
	Code       string
	Message    string
}

// Handle is what a person calls the row's instruction by.
func (r StoryRow) Handle() string {
	if r.ID != "" {
		return r.ID
	}
	return r.Marker
}

// A StoryRefund is a booked refund.
type StoryRefund struct {
	reconcile.Booked
	Source string // issue or import
	Word   string // PortOne's for its status, "" where an import said none
	ToldAt time.Time
}

// A StoryDiscrepancy is one of the order's, as it was told last.
type StoryDiscrepancy struct {
	reconcile.Discrepancy
	State      reconcile.State
	FirstSeen  time.Time
	ResolvedAt time.Time // zero: open
}

// A StoryEvent is one line of the order's history.
type StoryEvent struct {
	At        time.Time
	Kind      string
	Marker    string
	AttemptID string
	Data      json.RawMessage
}

// FindOrders gives the order_refs that a person may mean by id: of an order, by either
// reference; of an instruction, by its id or marker; of a refund, by either id; or of a discrepancy.
func (d *DB) FindOrders(ctx context.Context, id string) ([]string, error) {
	var refs []string
	err := d.read(ctx, func(t tx) error {
		refs = nil
		return t.all(ctx, &refs, `SELECT order_ref FROM orders WHERE order_ref = ? OR (merchant_order_ref <> '' AND merchant_order_ref = ?)
			UNION SELECT order_ref FROM instructions WHERE order_ref = ? OR marker = ? OR (instruction_id <> '' AND instruction_id = ?)
			UNION SELECT order_ref FROM refunds WHERE (refund_id <> '' AND refund_id = ?) OR (psp_refund_id <> '' AND psp_refund_id = ?)
			UNION SELECT order_ref FROM listed_refunds WHERE order_ref = ? OR (refund_id <> '' AND refund_id = ?) OR (psp_refund_id <> '' AND psp_refund_id = ?)
			UNION SELECT order_ref FROM discrepancies WHERE order_ref = ? OR id = ? ORDER BY 1`,
			id, id, id, id, id, id, id, id, id, id, id, id)
	})
	if err != nil {
		return nil, fmt.Errorf("look for %.80q: %w", id, err)
	}
	return refs, nil
}

// Story reads all of one order.
func (d *DB) Story(ctx context.Context, orderRef string) (Story, error) {
	var s Story
	err := d.read(ctx, func(t tx) error {
		s = Story{OrderRef: orderRef}
		for _, read := range []func(context.Context, *Story) error{
			t.storyOrder, t.storyRows, t.storyAttempts, t.storyRefunds, t.storyDiscrepancies, t.storyEvents,
		} {
			if err := read(ctx, &s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Story{}, fmt.Errorf("read the story of order %s: %w", orderRef, err)
	}
	return s, nil
}

func (t tx) storyOrder(ctx context.Context, s *Story) error {
	var o orderRow
	found, err := t.get(ctx, &o, `SELECT `+orderColumns+` FROM orders o WHERE o.order_ref = ?`, s.OrderRef)
	if found {
		order := o.order()
		s.Order = &order
	}
	return err
}

func (t tx) storyRows(ctx context.Context, s *Story) error {
	var rows []struct {
		FileName   string           `db:"file_name"`
		BatchID    string           `db:"batch_id"`
		ReceivedAt stamp            `db:"received_at"`
		N          int              `db:"n"`
		Line       int              `db:"line"`
		Owned      bool             `db:"owned"`
		Marker     string           `db:"marker"`
		ID         string           `db:"instruction_id"`
		Minor      int64            `db:"amount_minor"`
		Currency   portone.Currency `db:"currency"`
		Reason     string           `db:"reason"`
		State      bulk.State       `db:"state"`
		Code       string           `db:"reason_code"`
		Message    string           `db:"message"`
	}
	err := t.all(ctx, &rows, `SELECT b.file_name, r.batch_id, b.received_at, r.n, r.line, r.revision IS NOT NULL AS owned, r.marker, i.instruction_id,
			r.amount_minor, r.currency, i.reason, i.state, i.reason_code, i.message
		FROM batch_rows r JOIN batches b ON b.id = r.batch_id JOIN instructions i ON i.marker = r.marker
		WHERE r.marker IN (SELECT marker FROM instructions WHERE order_ref = ?) ORDER BY b.received_at, r.batch_id, r.n`, s.OrderRef)
	for _, r := range rows {
		s.Rows = append(s.Rows, StoryRow{FileName: r.FileName, BatchID: r.BatchID, ReceivedAt: r.ReceivedAt.Time, N: r.N, Line: r.Line,
			Skipped: !r.Owned, Marker: r.Marker, ID: r.ID, Amount: money(r.Minor, r.Currency), Reason: r.Reason,
			State: r.State, Code: r.Code, Message: r.Message})
	}
	return err
}

func (t tx) storyAttempts(ctx context.Context, s *Story) error {
	var rows []attemptRow
	err := t.all(ctx, &rows, `SELECT `+attemptColumns+` FROM attempts WHERE order_ref = ? ORDER BY started_at, id`, s.OrderRef)
	for _, r := range rows {
		s.Attempts = append(s.Attempts, *r.attempt())
	}
	return err
}

func (t tx) storyRefunds(ctx context.Context, s *Story) error {
	of := map[string]*reconcile.Books{s.OrderRef: {}}
	if err := t.seenRefunds(ctx, []string{s.OrderRef}, of); err != nil {
		return err
	}
	s.Seen = of[s.OrderRef].Seen
	var rows []struct {
		Marker      string                 `db:"marker"`
		Instruction string                 `db:"instruction_id"`
		Source      string                 `db:"source"`
		RefundID    string                 `db:"refund_id"`
		PSPRefundID string                 `db:"psp_refund_id"`
		Minor       int64                  `db:"amount_minor"`
		Currency    portone.Currency       `db:"currency"`
		Status      reconcile.BookedStatus `db:"status"`
		Word        string                 `db:"portone_status"`
		Reason      string                 `db:"reason"`
		RefundedAt  stamp                  `db:"refunded_at"`
		ToldAt      stamp                  `db:"told_at"`
	}
	err := t.all(ctx, &rows, `SELECT coalesce(r.marker, '') AS marker, coalesce(i.instruction_id, '') AS instruction_id, r.source, r.refund_id, r.psp_refund_id,
			r.amount_minor, r.currency, r.status, r.portone_status, r.reason, r.refunded_at, r.told_at
		FROM refunds r LEFT JOIN instructions i ON i.marker = r.marker WHERE r.order_ref = ? ORDER BY coalesce(r.refunded_at, r.told_at), r.id`, s.OrderRef)
	for _, r := range rows {
		s.Refunds = append(s.Refunds, StoryRefund{Source: r.Source, Word: r.Word, ToldAt: r.ToldAt.Time, Booked: reconcile.Booked{
			OrderRef: s.OrderRef, Amount: money(r.Minor, r.Currency), Status: r.Status, RefundID: r.RefundID, PSPRefundID: r.PSPRefundID,
			Reason: r.Reason, RefundedAt: r.RefundedAt.Time, Marker: r.Marker, InstructionID: r.Instruction}})
	}
	return err
}

func (t tx) storyDiscrepancies(ctx context.Context, s *Story) error {
	var rows []struct {
		State      reconcile.State               `db:"state"`
		FirstSeen  stamp                         `db:"first_seen"`
		ResolvedAt stamp                         `db:"resolved_at"`
		Detail     asJSON[reconcile.Discrepancy] `db:"detail"`
	}
	err := t.all(ctx, &rows, `SELECT state, first_seen, resolved_at, detail FROM discrepancies WHERE order_ref = ? ORDER BY first_seen, id`, s.OrderRef)
	for _, r := range rows {
		s.Discrepancies = append(s.Discrepancies, StoryDiscrepancy{r.Detail.V, r.State, r.FirstSeen.Time, r.ResolvedAt.Time})
	}
	return err
}

func (t tx) storyEvents(ctx context.Context, s *Story) error {
	var rows []struct {
		At        stamp                   `db:"at"`
		Kind      string                  `db:"kind"`
		Marker    string                  `db:"marker"`
		AttemptID string                  `db:"attempt_id"`
		Data      asJSON[json.RawMessage] `db:"data"`
	}
	err := t.all(ctx, &rows, `SELECT at, kind, marker, attempt_id, data FROM events WHERE order_ref = ? AND order_ref <> '' ORDER BY id`, s.OrderRef)
	for _, r := range rows {
		s.Events = append(s.Events, StoryEvent{r.At.Time, r.Kind, r.Marker, r.AttemptID, r.Data.V})
	}
	return err
}
