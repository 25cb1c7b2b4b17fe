package ledger

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// stampFormat has one width, so that times sort as text.
const stampFormat = "2006-01-02T15:04:05.000000Z"

// A stamp is a moment as both engines keep it: in UTC, cut to microseconds. The
// zero time is NULL.
type stamp struct{ time.Time }

// at is t as it will be read back.
func at(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	return stamp{t.UTC().Truncate(time.Microsecond)}
}

// Value is text for both engines: SQLite keeps it, PostgreSQL reads it as timestamptz.
func (s stamp) Value() (driver.Value, error) {
	if s.IsZero() {
		return nil, nil
	}
	return s.UTC().Truncate(time.Microsecond).Format(stampFormat), nil
}

func (s *stamp) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s = stamp{}
		return nil
	case time.Time:
		*s = at(v)
		return nil
	case string:
		t, err := time.Parse(stampFormat, v)
		*s = at(t)
		return err
	}
	return fmt.Errorf("a time stored as %T", src)
}
