package ledger

import (
	"context"
	"fmt"

	"refunds/bulk"
)

// Accept implements bulk.Intake. A batch that was accepted before is left as it is.
// Two processes may accept the same file, or files that share rows, at once: one
// finds what the other has booked.
func (d *DB) Accept(ctx context.Context, b bulk.Batch) ([]bulk.Conflict, error) {
	var conflicts []bulk.Conflict
	err := d.write(ctx, func(t tx) (err error) {
		conflicts = nil
		if err := t.serialize(ctx); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO batches (id, file_name, received_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			b.ID, text(b.FileName), at(b.ReceivedAt))
		if err != nil || n == 0 {
			return err
		}
		conflicts, err = t.accept(ctx, b)
		if len(conflicts) > 0 && err == nil {
			err = errUndo
		}
		return err
	})
	if err == errUndo {
		return conflicts, nil
	}
	if err != nil {
		return nil, fmt.Errorf("book batch %s: %w", bulk.ShortID(b.ID), err)
	}
	return nil, nil
}

func (t tx) accept(ctx context.Context, b bulk.Batch) ([]bulk.Conflict, error) {
	held, err := t.held(ctx, b.Rows)
	if err != nil {
		return nil, err
	}
	var conflicts []bulk.Conflict
	var instructions, rows [][]any
	var revisions []bulk.Row
	count := map[verdict]int{}
	first := map[string]int{} // the row of this file that has the key
	for _, r := range b.Rows {
		if n, twice := first[r.Key]; twice {
			conflicts = append(conflicts, bulk.Conflict{N: r.N, Column: "instruction_id", Message: fmt.Sprintf("the same instruction as row %d of this file", n)})
			continue
		}
		first[r.Key] = r.N
		h := held[r.Key]
		v, column := judge(r.Instruction, h)
		count[v]++
		row := []any{b.ID, r.N, r.Line, asJSON[[]string]{r.Cells}, r.Marker, r.OrderRef, r.Amount.Minor, string(r.Amount.Currency)}
		switch v {
		case owned:
			instructions = append(instructions, instructionValues(b.ID, r))
			rows = append(rows, append(row, 1, nil, nil))
		case revised:
			revisions = append(revisions, r)
			rows = append(rows, append(row, h.Revision+1, nil, nil))
		case skipped:
			rows = append(rows, append(row, nil, h.BatchID, h.BatchN))
		case conflict:
			conflicts = append(conflicts, conflictOf(r, h, column))
		}
	}
	if len(conflicts) > 0 {
		return conflicts, nil
	}
	if _, err := t.insert(ctx, insertInstructions, instructions, ""); err != nil {
		return nil, err
	}
	if _, err := t.insert(ctx, insertBatchRows, rows, ""); err != nil {
		return nil, err
	}
	for _, r := range revisions {
		if err := t.revise(ctx, b, r, held[r.Key]); err != nil {
			return nil, fmt.Errorf("row %d: %w", r.N, err)
		}
	}
	return nil, t.log(ctx, event{at: b.ReceivedAt, kind: "batch_accepted", data: map[string]any{
		"batch": b.ID, "file_name": text(b.FileName), "rows": len(b.Rows),
		"owned": count[owned], "revised": count[revised], "skipped": count[skipped],
	}})
}

const insertInstructions = `INSERT INTO instructions (marker, key, instruction_id, order_ref, merchant_order_ref, amount_minor, currency,
	reason, description, channel, refund_type, revision, batch_id, batch_n, state)`

func instructionValues(batchID string, r bulk.Row) []any {
	return []any{r.Marker, r.Key, r.ID, r.OrderRef, r.MerchantOrderRef, r.Amount.Minor, string(r.Amount.Currency),
		r.Reason, r.Description, r.Channel, string(r.Type), 1, batchID, r.N, string(bulk.Planned)}
}

const insertBatchRows = `INSERT INTO batch_rows (batch_id, n, line, cells, marker, order_ref, amount_minor, currency,
	revision, place_batch, place_n)`

// revise gives the instruction to its new row. How it stood stays at the old row and
// in the history. It raises the version of both orders, since their next step changes.
func (t tx) revise(ctx context.Context, b bulk.Batch, r bulk.Row, h *heldRow) error {
	if _, err := t.exec(ctx, `UPDATE orders SET version = version + 1 WHERE order_ref IN (?, ?)`, h.OrderRef, r.OrderRef); err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE instructions SET order_ref = ?, merchant_order_ref = ?, amount_minor = ?, currency = ?, reason = ?,
			description = ?, channel = ?, refund_type = ?, revision = revision + 1, batch_id = ?, batch_n = ?,
			state = 'planned', reason_code = '', message = '', settled_at = NULL
		WHERE marker = ? AND revision = ? AND state = ?`,
		r.OrderRef, r.MerchantOrderRef, r.Amount.Minor, string(r.Amount.Currency), r.Reason, r.Description, r.Channel, string(r.Type),
		b.ID, r.N, h.Marker, h.Revision, string(h.State))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("its instruction changed meanwhile, and nothing of the file is booked; give the file again: %w", bulk.ErrMoved)
	}
	if _, err := t.exec(ctx, `UPDATE batch_rows SET closed_state = ?, closed_code = ?, closed_message = ?, closed_at = ?
		WHERE batch_id = ? AND n = ?`, string(h.State), h.ReasonCode, h.Message, h.SettledAt, h.BatchID, h.BatchN); err != nil {
		return err
	}
	old := h.instruction()
	return t.log(ctx, event{at: b.ReceivedAt, kind: "instruction_revised", orderRef: r.OrderRef, marker: r.Marker, data: map[string]any{
		"batch": b.ID, "row": r.N, "revision": h.Revision + 1, "was": map[string]any{
			"batch": h.BatchID, "row": h.BatchN, "state": h.State, "reason_code": h.ReasonCode, "message": h.Message,
			"order_ref": old.OrderRef, "merchant_order_ref": old.MerchantOrderRef, "amount_minor": old.Amount.Minor,
			"currency": old.Amount.Currency, "reason": old.Reason, "description": old.Description, "channel": old.Channel,
			"refund_type": old.Type,
		},
	}})
}

// held finds the instructions that the ledger has of rows, by key.
func (t tx) held(ctx context.Context, rows []bulk.Row) (map[string]*heldRow, error) {
	held := make(map[string]*heldRow)
	for part := range chunks(rows) {
		keys := make([]string, len(part))
		for i, r := range part {
			keys[i] = r.Key
		}
		list, args := in(keys)
		var found []heldRow
		if err := t.all(ctx, &found, `SELECT `+instructionColumns+`, i.revision, i.batch_id, i.batch_n, i.reason_code, i.message, i.settled_at,
			NOT EXISTS (SELECT 1 FROM attempts a WHERE a.marker = i.marker AND a.state NOT IN ('refused', 'not_sent'))
				AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.marker = i.marker) AS nothing_made
			FROM instructions i WHERE i.key IN `+list, args...); err != nil {
			return nil, err
		}
		for i := range found {
			held[found[i].Key] = &found[i]
		}
	}
	return held, nil
}

// Held implements bulk.Intake. Rows that the batch itself owns already, and rows that
// would be a new revision, are not among them.
func (d *DB) Held(ctx context.Context, b bulk.Batch) (map[int]bulk.Result, []bulk.Conflict, error) {
	var results map[int]bulk.Result
	var conflicts []bulk.Conflict
	err := d.read(ctx, func(t tx) error {
		results, conflicts = make(map[int]bulk.Result), nil
		var n int
		if _, err := t.get(ctx, &n, `SELECT count(*) FROM batches WHERE id = ?`, b.ID); err != nil || n > 0 {
			return err // it is this batch itself that has the rows, or had them before they were given again
		}
		held, err := t.held(ctx, b.Rows)
		if err != nil {
			return err
		}
		for _, r := range b.Rows {
			h := held[r.Key]
			switch v, column := judge(r.Instruction, h); v {
			case skipped:
				results[r.N] = bulk.Result{N: r.N, Status: bulk.Skipped, Message: alreadyThere(h.BatchID, h.BatchN, h.State)}
			case conflict:
				conflicts = append(conflicts, conflictOf(r, h, column))
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look up rows of batch %s: %w", bulk.ShortID(b.ID), err)
	}
	return results, conflicts, nil
}
