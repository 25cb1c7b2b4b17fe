package ledger

import (
	"refunds/bulk"
	"refunds/portone"
)

// instructionRow is an instruction as its table has it.
type instructionRow struct {
	Marker           string             `db:"marker"`
	Key              string             `db:"key"`
	ID               string             `db:"instruction_id"`
	OrderRef         string             `db:"order_ref"`
	MerchantOrderRef string             `db:"merchant_order_ref"`
	Minor            int64              `db:"amount_minor"`
	Currency         portone.Currency   `db:"currency"`
	Reason           string             `db:"reason"`
	Description      string             `db:"description"`
	Channel          string             `db:"channel"`
	Type             portone.RefundType `db:"refund_type"`
	State            bulk.State         `db:"state"`
}

const instructionColumns = `i.marker, i.key, i.instruction_id, i.order_ref, i.merchant_order_ref, i.amount_minor, i.currency,
	i.reason, i.description, i.channel, i.refund_type, i.state`

func (r instructionRow) instruction() bulk.Instruction {
	return bulk.Instruction{
		Key: r.Key, Marker: r.Marker, ID: r.ID, OrderRef: r.OrderRef, MerchantOrderRef: r.MerchantOrderRef,
		Amount: portone.Money{Minor: r.Minor, Currency: r.Currency}, Reason: r.Reason, Description: r.Description,
		Channel: r.Channel, Type: r.Type,
	}
}

// ended counts how an instruction's attempts ended: Attempts of all revisions, the
// others of its present one. What a person ruled not to have been made is certain, so it is no absence.
const ended = `count(a.id) AS attempts,
	count(CASE WHEN a.revision = i.revision AND a.state = 'not_sent' THEN 1 END) AS not_sent,
	count(CASE WHEN a.revision = i.revision AND a.state = 'refused' THEN 1 END) AS refused,
	count(CASE WHEN a.revision = i.revision AND a.state = 'absent' AND NOT a.ruled AND a.limited THEN 1 END) AS limited,
	count(CASE WHEN a.revision = i.revision AND a.state = 'absent' AND NOT a.ruled AND NOT a.limited THEN 1 END) AS absent`

// openRow is an instruction with how its attempts ended.
type openRow struct {
	instructionRow
	BatchID  string `db:"batch_id"`
	Attempts int    `db:"attempts"`
	NotSent  int    `db:"not_sent"`
	Refused  int    `db:"refused"`
	Limited  int    `db:"limited"`
	Absent   int    `db:"absent"`
}

func (r openRow) row() bulk.OpenRow {
	return bulk.OpenRow{
		Instruction: r.instruction(), State: r.State, Attempts: r.Attempts, NotSent: r.NotSent, Refused: r.Refused,
		Limited: r.Limited, Absent: r.Absent,
	}
}
