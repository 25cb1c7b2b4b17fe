package ledger

import (
	"context"
	"fmt"

	"refunds/bulk"
)

// PutFindings keeps what a probe found out. The database keeps it for good.
func (d *DB) PutFindings(ctx context.Context, f bulk.Findings) error {
	f.ExpiredAnswer = text(f.ExpiredAnswer)
	err := d.write(ctx, func(t tx) error {
		return t.log(ctx, event{at: f.At, kind: "probed", orderRef: f.OrderRef, data: f})
	})
	if err != nil {
		return fmt.Errorf("keep the findings of the probe: %w", err)
	}
	return nil
}

// Findings are those of the last probe; nil: there was none.
func (d *DB) Findings(ctx context.Context) (*bulk.Findings, error) {
	var kept *bulk.Findings
	err := d.read(ctx, func(t tx) error {
		kept = nil
		var f asJSON[bulk.Findings]
		found, err := t.get(ctx, &f, `SELECT data FROM events WHERE kind = 'probed' ORDER BY id DESC LIMIT 1`)
		if found {
			kept = &f.V
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the findings of the last probe: %w", err)
	}
	return kept, nil
}
