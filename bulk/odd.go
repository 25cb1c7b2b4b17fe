package bulk

import (
	"fmt"
	"slices"
	"strings"
)

// idColumn is what is remembered of a column of ids.
type idColumn struct {
	lengths   map[int]int // of digits-only values: length → line of the first
	cardCount int
	cardFirst Fault
	odd       int // values that a spreadsheet seems to have changed
	oddFirst  Fault
}

// look remembers what is odd about an id without being a fault.
func (j *judge) look(rec *record, i int, v string) {
	if j.ids == nil {
		j.ids = make([]idColumn, len(j.lay.written))
	}
	id := &j.ids[i]
	if cards(v) != nil {
		if id.cardCount++; id.cardCount == 1 {
			id.cardFirst = j.cellFault(rec, i, show(v), "")
		}
	}
	digits, exponent := numeric(v)
	if digits && id.lengths[len(v)] == 0 {
		if id.lengths == nil {
			id.lengths = map[int]int{}
		}
		id.lengths[len(v)] = rec.lineOf(i)
	}
	if digits && len(v) > 15 && strings.Trim(v[15:], "0") == "" || exponent {
		if id.odd++; id.odd == 1 {
			id.oddFirst = j.cellFault(rec, i, show(v), "")
		}
	}
}

// numeric: v is digits alone, or digits, an E and digits, as in 12E34.
func numeric(v string) (digits, exponent bool) {
	e := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9':
		case (c == 'e' || c == 'E') && i > 0 && i < len(v)-1:
			e++
		default:
			return false, false
		}
	}
	return e == 0, e == 1
}

// atEnd finds what only the whole file shows.
func (j *judge) atEnd(src *source) {
	if j.n == 0 && !j.unusable {
		j.fileFault(Fault{Code: CodeFile, Message: "the file has a header and no rows; was it exported whole?"})
	}
	if j.empty > 0 {
		j.warnings.add(Fault{Code: CodeLook, Line: j.emptyLine, Message: "all cells of the row are empty" + others(j.empty) + "; it is left out"})
	}
	for i, id := range j.ids {
		column := j.lay.column(i)
		if id.cardCount > 0 {
			id.cardFirst.Code = CodeLook
			id.cardFirst.Message = "looks like a payment card number" + others(id.cardCount) + "; make sure that it is none"
			j.warnings.add(id.cardFirst)
		}
		if id.odd > 0 {
			id.oddFirst.Code = CodeLook
			id.oddFirst.Message = "looks like a number that a spreadsheet changed" + others(id.odd) + "; compare it with the original"
			j.warnings.add(id.oddFirst)
		}
		if len(id.lengths) > 1 {
			var lengths, lines []string
			for n, line := range id.lengths {
				lengths = append(lengths, fmt.Sprintf("%03d digits (line %d)", n, line))
			}
			slices.Sort(lengths)
			for _, l := range lengths {
				lines = append(lines, strings.TrimLeft(l, "0"))
			}
			j.warnings.add(Fault{Code: CodeLook, Line: j.lay.line, Column: column,
				Message: "has numbers of differing length: " + strings.Join(lines, ", ") + "; were leading zeros lost?"})
		}
	}
	if last := len(j.lay.written) - 1; j.n > 0 && src.open && (j.lay.declared(last).Amount || j.lay.declared(last).ID) {
		j.warnings.add(Fault{Code: CodeLook, Line: j.lastLine, Column: j.lay.column(last),
			Message: "is the last of a file without a newline at its end, as in a file that was cut off; compare it with the original, or give control totals"})
	}
	if j.notUTF8 > 1 {
		j.warnings.add(Fault{Code: CodeLook, Message: fmt.Sprintf("%d rows have bytes that are not UTF-8", j.notUTF8)})
	}
}

func others(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" (the first of %d)", n)
}
