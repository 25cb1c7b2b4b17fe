package portone

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret hides itself wherever a program prints its values. One thing it can't do:
// fmt does not ask the unexported fields of a struct how they want to be printed, so
// hold it in an exported one, or in a func.
type Secret string

func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

func (Secret) String() string               { return "[secret]" }
func (Secret) GoString() string             { return "[secret]" }
func (Secret) LogValue() slog.Value         { return slog.StringValue("[secret]") }
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
