package ledger

import (
	"context"
	"time"
)

// An event is one line of the ledger's history. data is anything that encoding/json takes.
type event struct {
	at        time.Time
	kind      string
	orderRef  string
	marker    string
	attemptID string
	data      any
}

// log adds e to the history, in the transaction of what it tells of.
func (t tx) log(ctx context.Context, e event) error {
	_, err := t.exec(ctx, `INSERT INTO events (at, kind, order_ref, marker, attempt_id, data) VALUES (?, ?, ?, ?, ?, ?)`,
		at(e.at), e.kind, e.orderRef, e.marker, e.attemptID, asJSON[any]{e.data})
	return err
}
