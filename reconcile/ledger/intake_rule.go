package ledger

import (
	"fmt"

	"refunds/bulk"
)

// heldRow is an instruction that the ledger has, with the place that owns it and
// whether all its attempts, of every revision, were refused or not sent.
type heldRow struct {
	instructionRow
	Revision    int    `db:"revision"`
	BatchID     string `db:"batch_id"`
	BatchN      int    `db:"batch_n"`
	ReasonCode  string `db:"reason_code"`
	Message     string `db:"message"`
	SettledAt   stamp  `db:"settled_at"`
	NothingMade bool   `db:"nothing_made"`
}

// verdict is what becomes of a file's row.
type verdict int

const (
	owned    verdict = iota // a new instruction
	revised                 // a new revision of one for which nothing was ever made
	skipped                 // an earlier batch has it
	conflict                // its id is an earlier batch's, with other content
)

// judge decides on row, whose instruction is held as h; nil: nowhere. column is the
// first that differs, of a conflict.
func judge(row bulk.Instruction, h *heldRow) (v verdict, column string) {
	if h == nil {
		return owned, ""
	}
	if h.NothingMade && (h.State == bulk.Refused || h.State == bulk.Failed) {
		return revised, ""
	}
	if row.ID == "" {
		return skipped, "" // the key is the content
	}
	if column = differs(row, h.instruction()); column != "" {
		return conflict, column
	}
	return skipped, ""
}

// differs names the first column in which two instructions of one id differ, ""
// when none does. The merchant's reference is only another name of the order.
func differs(a, b bulk.Instruction) string {
	for _, c := range []struct {
		column string
		same   bool
	}{
		{"order_ref", a.OrderRef == b.OrderRef},
		{"amount", a.Amount.Minor == b.Amount.Minor},
		{"currency", a.Amount.Currency == b.Amount.Currency},
		{"reason", a.Reason == b.Reason},
		{"channel", a.Channel == b.Channel},
		{"refund_type", a.Type == b.Type},
		{"description", a.Description == b.Description},
	} {
		if !c.same {
			return c.column
		}
	}
	return ""
}

// cell is what an instruction has in a column, for people.
func cell(i bulk.Instruction, column string) string {
	switch column {
	case "order_ref":
		return i.OrderRef
	case "amount":
		return i.Amount.String()
	case "currency":
		return string(i.Amount.Currency)
	case "reason":
		return i.Reason
	case "channel":
		return i.Channel
	case "refund_type":
		return string(i.Type)
	case "description":
		return i.Description
	}
	return ""
}

// place is where an earlier batch has a row: "already in batch 7f3a9c…, row 12".
func place(batchID string, n int) string {
	return fmt.Sprintf("already in batch %s…, row %d", bulk.ShortID(batchID), n)
}

// alreadyThere is a skipped row's message.
func alreadyThere(batchID string, n int, s bulk.State) string {
	return fmt.Sprintf("%s, %s", place(batchID, n), s)
}

func conflictOf(row bulk.Row, h *heldRow, column string) bulk.Conflict {
	has := cell(h.instruction(), column)
	if has == "" {
		has = "empty"
	}
	return bulk.Conflict{N: row.N, Column: column,
		Message: fmt.Sprintf("%s, with %s %s", place(h.BatchID, h.BatchN), column, has)}
}
