package ledger

import (
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// asJSON is a value kept as JSON text in both engines.
type asJSON[T any] struct{ V T }

func (j asJSON[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(j.V)
	return string(b), err
}

func (j *asJSON[T]) Scan(src any) error {
	switch v := src.(type) {
	case []byte:
		return json.Unmarshal(v, &j.V)
	case string:
		return json.Unmarshal([]byte(v), &j.V)
	}
	return fmt.Errorf("JSON stored as %T", src)
}

// evidence is bytes as they came from outside. In JSON it is a string, or, where the
// bytes are no text that both engines hold, {"base64": …}; null where nothing came.
type evidence []byte

func (e evidence) MarshalJSON() ([]byte, error) {
	switch {
	case e == nil:
		return []byte("null"), nil
	case utf8.Valid(e) && !strings.Contains(string(e), "\x00"):
		return json.Marshal(string(e))
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(e)})
}

// text is s as both engines hold it: PostgreSQL refuses NUL and what is not UTF-8, and
// an odd byte in PortOne's message must not keep an outcome from being recorded.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
