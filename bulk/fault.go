package bulk

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Fault is one thing that a person has to mend in a file, or, as a warning, to look
// at. A Line of 0 is a fault of the whole file; a Column of "" one of the whole line.
type Fault struct {
	Code    string // what kind of fault, for programs: one of the Code constants
	Line    int    // of the file, from 1; blank lines count
	Column  string // our name of the column, or the file's where we know none
	Cell    string // where a spreadsheet shows it, such as C14
	Value   string // shortened, with invisible characters made visible and card numbers hidden
	Message string // what is wrong and the cure, in one sentence that follows on Value
}

const (
	CodeFile   = "bad_file" // no row of the file may be used
	CodeRow    = "bad_row"
	CodeCell   = "bad_cell"
	CodeNotRow = "not_a_row" // a comment, a total, the header again
	CodeTwice  = "duplicate_row"

	// Of warnings.
	CodeSameAmount = "same_order_and_amount" // as an earlier row, for another reason: it needs an override
	CodeLook       = "worth_a_look"
)

// String is for people: line 14, amount (C14): "1.000,00" uses a comma …
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d", f.Line)
		if f.Column != "" {
			fmt.Fprintf(&b, ", %s", f.Column)
		}
		if f.Cell != "" {
			fmt.Fprintf(&b, " (%s)", f.Cell)
		}
		b.WriteString(": ")
	}
	if f.Value != "" {
		fmt.Fprintf(&b, "%q ", verbatim(f.Value))
	}
	b.WriteString(f.Message)
	return b.String()
}

// verbatim keeps %q from escaping a second time what is visible already.
type verbatim string

func (v verbatim) Format(s fmt.State, _ rune) { fmt.Fprintf(s, `"%s"`, string(v)) }

// faultList keeps the first max faults and counts the others.
type faultList struct {
	kept  []Fault
	count int
	max   int
}

func (l *faultList) add(f Fault) (kept bool) {
	l.count++
	if len(l.kept) >= l.max {
		return false
	}
	l.kept = append(l.kept, f)
	return true
}

// sorted is in the order of the file; faults of one line stay in the order in which they were found.
func (l *faultList) sorted() []Fault {
	slices.SortStableFunc(l.kept, func(a, b Fault) int { return a.Line - b.Line })
	return l.kept
}

// shownRunes is how much of a value a person is shown.
const shownRunes = 40

// show is how a value of the file appears in a fault.
func show(v string) string {
	v = hideCards(v)
	var b strings.Builder
	n := 0
	for i := 0; i < len(v); {
		if n == shownRunes {
			b.WriteRune('…')
			break
		}
		r, size := utf8.DecodeRuneInString(v[i:])
		writeVisible(&b, r, v[i:i+size])
		i += size
		n++
	}
	return b.String()
}

// visible is the whole of v with its invisible characters spelled out, on one line.
func visible(v string) string {
	if isPlain(v) {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); {
		r, size := utf8.DecodeRuneInString(v[i:])
		writeVisible(&b, r, v[i:i+size])
		i += size
	}
	return b.String()
}

func writeVisible(b *strings.Builder, r rune, text string) {
	switch {
	case r == utf8.RuneError && len(text) == 1:
		fmt.Fprintf(b, `\x%02X`, text[0])
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x20 || r == 0x7f:
		fmt.Fprintf(b, `\x%02X`, r)
	case unicode.IsPrint(r) && !invisible(r) && r != utf8.RuneError:
		b.WriteRune(r)
	case r > 0xffff:
		fmt.Fprintf(b, `\U%08X`, r)
	default:
		fmt.Fprintf(b, `\u%04X`, r)
	}
}

// cellName is what a spreadsheet calls the cell in column (from 0) of row (from 1).
func cellName(column, row int) string {
	var letters []byte
	for c := column + 1; c > 0; c = (c - 1) / 26 {
		letters = append(letters, byte('A'+(c-1)%26))
	}
	slices.Reverse(letters)
	return fmt.Sprintf("%s%d", letters, row)
}
