package ledger

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"refunds/bulk"
)

// A Case is a row that waits for a person, with the evidence that the ledger has of it.
type Case struct {
	bulk.Case
	BatchID  string
	FileName string
	N, Line  int
	Held     int               // rows of its order that wait behind it
	Answers  map[string][]byte // by attempt: what came back for its POST, as it came
	Looks    []Look            // the order's lists that decisions were taken on, oldest first
}

// A Look is one list of PortOne's that the ledger keeps as evidence.
type Look struct {
	At  time.Time
	Raw []byte
}

// Handle is what a person calls the row by.
func (c Case) Handle() string {
	if c.Row.ID != "" {
		return c.Row.ID
	}
	return c.Row.Marker
}

// Quarantined gives the markers of every quarantined instruction, longest waiting first.
func (d *DB) Quarantined(ctx context.Context) ([]string, error) {
	var markers []string
	err := d.read(ctx, func(t tx) error {
		markers = nil
		return t.all(ctx, &markers, `SELECT marker FROM instructions WHERE state = 'quarantined' ORDER BY settled_at, marker`)
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantined rows: %w", err)
	}
	return markers, nil
}

// FindInstruction gives the markers of the instructions that a person may mean by handle: an
// instruction_id or a marker.
func (d *DB) FindInstruction(ctx context.Context, handle string) ([]string, error) {
	var markers []string
	err := d.read(ctx, func(t tx) error {
		markers = nil
		return t.all(ctx, &markers, `SELECT marker FROM instructions WHERE marker = ? OR (instruction_id <> '' AND instruction_id = ?) ORDER BY marker`, handle, handle)
	})
	if err != nil {
		return nil, fmt.Errorf("look for instruction %.80q: %w", handle, err)
	}
	return markers, nil
}

// Case reads what is known of one instruction, all in one transaction.
func (d *DB) Case(ctx context.Context, marker string) (Case, error) {
	var c Case
	err := d.read(ctx, func(t tx) error {
		c = Case{Answers: map[string][]byte{}}
		return t.readCase(ctx, &c, marker)
	})
	if err != nil {
		return Case{}, fmt.Errorf("read the case of %s: %w", marker, err)
	}
	return c, nil
}

func (t tx) readCase(ctx context.Context, c *Case, marker string) error {
	var i struct {
		openRow
		Code      string `db:"reason_code"`
		Message   string `db:"message"`
		SettledAt stamp  `db:"settled_at"`
		FileName  string `db:"file_name"`
		N         int    `db:"batch_n"`
		Line      int    `db:"line"`
		Held      int    `db:"held_rows"`
	}
	found, err := t.get(ctx, &i, `SELECT `+instructionColumns+`, i.batch_id, i.reason_code, i.message, i.settled_at, b.file_name, i.batch_n, r.line,
			(SELECT count(*) FROM instructions h WHERE h.order_ref = i.order_ref AND h.state = 'held') AS held_rows,
			e.attempts, e.not_sent, e.refused, e.limited, e.absent
		FROM instructions i JOIN batches b ON b.id = i.batch_id JOIN batch_rows r ON r.batch_id = i.batch_id AND r.n = i.batch_n
		JOIN (SELECT i.marker, `+ended+` FROM instructions i LEFT JOIN attempts a ON a.marker = i.marker
			WHERE i.marker = ? GROUP BY i.marker) e ON e.marker = i.marker`, marker)
	if err != nil || !found {
		if err == nil {
			err = fmt.Errorf("there is no such instruction")
		}
		return err
	}
	c.Row, c.Code, c.Message, c.Since = i.row(), i.Code, i.Message, i.SettledAt.Time
	c.BatchID, c.FileName, c.N, c.Line, c.Held = i.BatchID, i.FileName, i.N, i.Line, i.Held
	if err := t.orderState(ctx, &c.State, c.Row.OrderRef, ""); err != nil {
		return err
	}
	var attempts []struct {
		attemptRow
		Answer []byte `db:"answer_raw"`
	}
	if err := t.all(ctx, &attempts, `SELECT `+attemptColumns+`, answer_raw FROM attempts WHERE marker = ? ORDER BY n`, marker); err != nil {
		return err
	}
	for _, a := range attempts {
		c.Attempts = append(c.Attempts, *a.attempt())
		if a.Answer != nil {
			c.Answers[a.ID] = a.Answer
		}
	}
	c.Looks, err = t.looks(ctx, c.Row.OrderRef)
	return err
}

// looks reads the lists that stand in an order's history, leaving out one that is the same as
// the one before it but for the last.
func (t tx) looks(ctx context.Context, orderRef string) ([]Look, error) {
	var rows []struct {
		At   stamp                              `db:"at"`
		Data asJSON[map[string]json.RawMessage] `db:"data"`
	}
	if err := t.all(ctx, &rows, `SELECT at, data FROM events WHERE order_ref = ? AND order_ref <> '' AND kind IN ('settled', 'decided') ORDER BY id`, orderRef); err != nil {
		return nil, err
	}
	var looks []Look
	for _, r := range rows {
		raw, err := seen(r.Data.V["list"])
		if err != nil {
			return nil, err
		}
		if raw == nil {
			continue
		}
		if n := len(looks); n > 1 && string(looks[n-1].Raw) == string(raw) && string(looks[n-2].Raw) == string(raw) {
			looks[n-1].At = r.At.Time
			continue
		}
		looks = append(looks, Look{r.At.Time, raw})
	}
	return looks, nil
}

// seen is evidence as it came, from how the ledger keeps it; nil where nothing came.
func seen(kept json.RawMessage) ([]byte, error) {
	if len(kept) == 0 || string(kept) == "null" {
		return nil, nil
	}
	var text string
	if json.Unmarshal(kept, &text) == nil {
		return []byte(text), nil
	}
	var odd struct {
		Base64 string `json:"base64"`
	}
	if err := json.Unmarshal(kept, &odd); err != nil {
		return nil, fmt.Errorf("evidence in no known form: %w", err)
	}
	return base64.StdEncoding.DecodeString(odd.Base64)
}

// HasAttempts tells whether anything was ever sent, or about to be, from this ledger.
func (d *DB) HasAttempts(ctx context.Context) (has bool, err error) {
	err = d.read(ctx, func(t tx) error {
		_, err := t.get(ctx, &has, `SELECT EXISTS (SELECT 1 FROM attempts)`)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for attempts: %w", err)
	}
	return has, nil
}
