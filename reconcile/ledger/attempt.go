package ledger

import (
	"refunds/bulk"
	"refunds/portone"
)

// attemptRow is an attempt as its table has it.
type attemptRow struct {
	ID           string                   `db:"id"`
	N            int                      `db:"n"`
	Marker       string                   `db:"marker"`
	OrderRef     string                   `db:"order_ref"`
	Minor        int64                    `db:"amount_minor"`
	Currency     portone.Currency         `db:"currency"`
	Channel      string                   `db:"channel"`
	Body         []byte                   `db:"body"`
	BodySHA256   string                   `db:"body_sha256"`
	TokenSHA256  string                   `db:"token_sha256"`
	TokenExpires stamp                    `db:"token_expires"`
	Remaining    int64                    `db:"baseline_remaining"`
	Refunds      asJSON[[]portone.Refund] `db:"baseline_refunds"`
	Raw          []byte                   `db:"baseline_raw"`
	Bounds       asJSON[bulk.Bounds]      `db:"bounds"`
	StartedAt    stamp                    `db:"started_at"`
	NextLook     stamp                    `db:"next_look"`
	State        bulk.AttemptState        `db:"state"`
	Limited      bool                     `db:"limited"`
	AnsweredAt   stamp                    `db:"answered_at"`
	HTTPStatus   int                      `db:"http_status"`
	Code         string                   `db:"code"`
	Message      string                   `db:"message"`
}

const attemptColumns = `id, n, marker, order_ref, amount_minor, currency, channel, body, body_sha256, token_sha256, token_expires,
	baseline_remaining, baseline_refunds, baseline_raw, bounds, started_at, next_look, state, limited, answered_at,
	http_status, code, message`

func (r attemptRow) attempt() *bulk.Attempt {
	return &bulk.Attempt{
		ID: r.ID, N: r.N, Marker: r.Marker, OrderRef: r.OrderRef,
		Amount: portone.Money{Minor: r.Minor, Currency: r.Currency}, Channel: r.Channel,
		Body: r.Body, BodySHA256: r.BodySHA256, TokenSHA256: r.TokenSHA256, TokenExpires: r.TokenExpires.Time,
		Baseline: portone.RefundList{
			Remaining: portone.Money{Minor: r.Remaining, Currency: r.Currency}, Refunds: r.Refunds.V, Raw: r.Raw,
		},
		Bounds: r.Bounds.V, StartedAt: r.StartedAt.Time, NextLook: r.NextLook.Time,
		State: r.State, Limited: r.Limited, AnsweredAt: r.AnsweredAt.Time,
		HTTPStatus: r.HTTPStatus, Code: r.Code, Message: r.Message,
	}
}

// openAttempt is the condition of the slot's index, word for word, so that both
// engines use the index for it.
const openAttempt = `state IN ('sending', 'unknown', 'quarantined')`
