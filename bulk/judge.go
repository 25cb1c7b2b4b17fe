package bulk

import (
	"fmt"
	"slices"
	"strings"
)

// A judge holds each row to the rules, and remembers what only several rows show.
type judge struct {
	lay      *layout
	faults   faultList
	warnings faultList
	unusable bool
	n        int // rows so far

	notUTF8   int        // rows with such bytes
	empty     int        // rows of nothing but empty cells
	emptyLine int        // of the first
	ids       []idColumn // for each column of the file
	lastLine  int
}

func (j *judge) fileFault(f Fault) {
	j.unusable = true
	j.faults.add(f)
}

// emptyRow: nothing but empty cells, as Excel leaves below a table. It is no row.
func (j *judge) emptyRow(rec *record) bool {
	if rec.fault != "" || slices.ContainsFunc(rec.cells, func(c string) bool { return strings.Trim(c, " ") != "" }) {
		return false
	}
	if j.empty++; j.empty == 1 {
		j.emptyLine = rec.line
	}
	return true
}

// row judges a row. It takes the defusing ' off its cells. nil: the row is good.
func (j *judge) row(rec *record) (faults []Fault) {
	j.lastLine = rec.line
	for i, c := range rec.cells {
		if c != "" && c[0] == '\'' {
			rec.cells[i] = undefuse(c)
		}
	}
	if rec.bad >= 0 {
		f := j.badBytes(rec)
		if j.notUTF8 == 1 {
			faults = j.note(faults, f)
		} else {
			faults = append(faults, f) // one is enough in the file's list
			j.faults.count++
		}
	}
	if f, ok := j.wholeRow(rec); ok {
		return j.note(faults, f)
	}
	for i, v := range rec.cells {
		if m := j.cell(rec, i, v); m != "" {
			faults = j.note(faults, j.cellFault(rec, i, shownCell(v), m))
		}
	}
	if m := j.oneOf(rec.cells); m != "" {
		faults = j.note(faults, j.cellFault(rec, j.lay.oneOf[0], "", m))
	}
	return faults
}

// note adds f to the file's faults and to its row's; the row has its first one always.
func (j *judge) note(row []Fault, f Fault) []Fault {
	if j.faults.add(f) || row == nil {
		row = append(row, f)
	}
	return row
}

func (j *judge) cellFault(rec *record, i int, value, message string) Fault {
	return Fault{Code: CodeCell, Line: rec.lineOf(i), Column: j.lay.column(i), Cell: cellName(i, rec.sheet), Value: value, Message: message}
}

// shownCell hides the whole of a cell with a card number in it.
func shownCell(v string) string {
	if cards(v) != nil {
		return "[hidden]"
	}
	return show(v)
}

// badBytes is the fault of a row with bytes that are not UTF-8. It is one of the file:
// the other rows are in the same encoding.
func (j *judge) badBytes(rec *record) Fault {
	j.notUTF8++
	f := Fault{Code: CodeFile, Line: rec.line, Message: notUTF8(rec.raw[badByte(rec.raw)], rec.bad)}
	for i, c := range rec.cells {
		if badByte([]byte(c)) >= 0 {
			f.Column, f.Cell, f.Value, f.Line = j.lay.column(i), cellName(i, rec.sheet), show(c), rec.lineOf(i)
			break
		}
	}
	j.unusable = true
	return f
}

// wholeRow finds what makes a line no row at all, or one whose cells can't be told apart.
func (j *judge) wholeRow(rec *record) (Fault, bool) {
	f := Fault{Code: CodeRow, Line: rec.line}
	width, cells := len(j.lay.written), rec.cells
	if rec.fault != "" {
		f.Message = rec.fault
		if rec.open {
			f.Code, j.unusable = CodeFile, true
		}
		if rec.raw != nil {
			f.Value = show(strings.TrimSpace(string(rec.raw)))
		}
		return f, true
	}
	filled := 0
	for _, c := range cells {
		if c != "" {
			filled++
		}
	}
	switch {
	case strings.HasPrefix(cells[0], "#") && (len(cells) != width || filled == 1):
		f.Code, f.Value, f.Message = CodeNotRow, show(cells[0]), "is a comment; delete the line"
	case j.isTotals(cells):
		f.Code, f.Message = CodeNotRow, "the row looks like a total, not like a refund; delete it (totals can be checked with --total)"
	case j.isHeader(cells):
		f.Code, f.Message = CodeNotRow, "the header stands here again, as if files had been joined; delete the line"
	case len(cells) < width:
		f.Message = fmt.Sprintf("the row has %s, but the header has %d; add what is missing", plural(len(cells), "cell"), width)
	case len(cells) > width && strings.Join(cells[width:], "") == "":
		f.Message = fmt.Sprintf("the row has %d cells, but the header has %d; delete the empty cells at its end", len(cells), width)
	case len(cells) > width:
		f.Message = fmt.Sprintf("the row has %d cells, but the header has %d; if a text has the delimiter in it, put the text in double quotes", len(cells), width)
	default:
		return f, false
	}
	if f.Value != "" {
		f.Cell = cellName(0, rec.sheet)
	}
	return f, true
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

var totalWords = []string{"total", "totals", "subtotal", "grand total", "sub total", "sum", "합계", "총계", "소계", "총합계", "합", "총액",
	"合計", "小計", "総計", "合计", "总计", "小计", "tổng", "tổng cộng", "cộng", "รวม", "รวมทั้งสิ้น", "ยอดรวม", "gesamt", "summe", "somme"}

func isTotalWord(v string) bool {
	return v != "" && len(v) < 40 && !strings.ContainsAny(v, "0123456789") && slices.Contains(totalWords, strings.ToLower(strings.Trim(v, " :")))
}

// isTotals: a word for a total stands where the order should, or anywhere in a row
// without an order, or the row has nothing but an amount and perhaps a currency.
func (j *judge) isTotals(cells []string) bool {
	if len(cells) != len(j.lay.written) {
		return isTotalWord(cells[0])
	}
	others, amount, word := false, false, false
	for i, v := range cells {
		c := j.lay.declared(i)
		switch {
		case v == "":
		case c.Order && !isTotalWord(v):
			return false
		case isTotalWord(v):
			word = true
		case c.Amount:
			amount = true
		case c.Name != "currency":
			others = true
		}
	}
	return word || amount && !others
}

func (j *judge) isHeader(cells []string) bool {
	if a := j.lay.amount; a >= 0 && a < len(cells) && cells[a] != "" && cells[a][0] <= '9' {
		return false // nearly every row ends here
	}
	known := 0
	for i, c := range cells {
		if i < len(j.lay.of) && c != "" && j.lay.of[i] >= 0 && fold(c) == fold(j.lay.written[i]) {
			known++
		}
	}
	return known > 1 && known*2 > len(cells)
}

// column is our name of a column of the file, or its own.
func (l *layout) column(i int) string {
	switch {
	case i >= len(l.names):
		return ""
	case l.names[i] != "":
		return l.names[i]
	}
	return l.written[i]
}

var noColumn Column

func (l *layout) declared(i int) *Column {
	if l.of[i] < 0 {
		return &noColumn
	}
	return &l.table.Columns[l.of[i]]
}

// cell judges the cell at place i of the row; "" is right.
func (j *judge) cell(rec *record, i int, v string) string {
	c := j.lay.declared(i)
	if v == "" {
		if c.Required {
			return "the cell is empty; fill it in"
		}
		return ""
	}
	if !rec.plain {
		if badByte([]byte(v)) >= 0 {
			return "" // has been said
		}
		if m := badCharacter(v); m != "" {
			return m
		}
	}
	if outerSpace(v) {
		return "has a space before or after it; remove it"
	}
	wrong := ""
	switch {
	case c.Amount:
		wrong = judgeAmount(v, j.lay.currencyOf(rec.cells))
	case c.Rule != nil:
		wrong = c.Rule(v)
	}
	if wrong == "" && c.ID {
		j.look(rec, i, v)
	}
	return wrong
}

func (j *judge) oneOf(cells []string) string {
	for _, at := range j.lay.oneOf {
		if cells[at] != "" {
			return ""
		}
	}
	if len(j.lay.oneOf) == 0 {
		return "" // nothing is asked for, or it is the header's fault
	}
	return "the row names no order; fill in " + strings.Join(j.lay.table.OneOf, " or ")
}
