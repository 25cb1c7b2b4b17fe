package bulk

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// headerLines is how many lines are looked at for the header.
const headerLines = 20

// fold is what column names are compared by: Order ID, order-id and OrderId are one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '_', '-', '.', '\u00a0':
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(name)))
}

// A layout is how a file's columns were understood.
type layout struct {
	table   *Table
	delim   byte
	written []string // the header as it stands in the file
	names   []string // our name for each, or ""
	at      []int    // for each column of the table, its place in the file, or -1
	of      []int    // for each column of the file, its place in the table, or -1
	line    int
	short   bool // columns are missing that must be there

	currency int   // place in the file of the currency, or -1
	amount   int   // the same of the amount
	oneOf    []int // places in the file of the columns of OneOf that are there
}

// find is the place in the table of the column that is called name.
func (t *Table) find(name string) int {
	folded := fold(name)
	return slices.IndexFunc(t.Columns, func(c Column) bool {
		return fold(c.Name) == folded || slices.ContainsFunc(c.Aliases, func(a string) bool { return fold(a) == folded })
	})
}

func (t *Table) known(cells []string) (n int) {
	for _, c := range cells {
		if t.find(c) >= 0 {
			n++
		}
	}
	return n
}

func (t *Table) similar(cells []string) (n int) {
	for _, c := range cells {
		if t.nearest(c) != "" {
			n++
		}
	}
	return n
}

// delimiters in the order in which they are preferred.
var delimiters = []byte{',', ';', '\t'}

// splitHeader finds the delimiter by which text shows most of the table's columns.
func (t *Table) splitHeader(text []byte) (cells []string, delim byte, known int) {
	for _, d := range delimiters {
		c := looseCells(text, d)
		if n := t.known(c); delim == 0 || n > known || n == known && known < 2 && len(c) > len(cells) {
			cells, delim, known = c, d, n
		}
	}
	return cells, delim, known
}

// readHeader reads up to the header, which is the first line that names a column of
// the table, or nearly names two. Lines above it are faults. It returns a fileRefusal if
// there is none.
func (t *Table) readHeader(src *source, fault func(Fault)) (*layout, error) {
	var above []line
	for len(above) < headerLines {
		l, err := src.next()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(string(l.text))
		if text == "" {
			continue
		}
		if strings.Contains(text, "\r") {
			return nil, refuseFile(l.n, "the lines %s", crAlone)
		}
		if strings.Contains(text, "\x00") {
			return nil, refuseFile(l.n, "there are NUL bytes in the line, so this is no text; save it as 'CSV UTF-8'")
		}
		cells, delim, known := t.splitHeader(l.text)
		if known == 0 && t.similar(cells) < 2 {
			above = append(above, line{[]byte(text), l.n, l.at})
			continue
		}
		for _, a := range above {
			fault(Fault{Code: CodeFile, Line: a.n, Value: show(string(a.text)), Message: aboveMessage(string(a.text))})
		}
		lay := &layout{table: t, delim: delim, written: cells, line: l.n}
		if badQuotes := (&records{delim: delim}).quotes(l.text, false); badQuotes != quoteClosed {
			return nil, refuseFile(l.n, "a quote in the header is not closed, or stands inside of a name; write the names without quotes and line breaks")
		}
		if i := badByte(l.text); i >= 0 {
			fault(Fault{Code: CodeFile, Line: l.n, Message: "the header " + notUTF8(l.text[i], l.at+int64(i))})
		}
		lay.judge(fault)
		return lay, nil
	}
	if len(above) == 0 {
		return nil, refuseFile(0, "the file is empty; it needs a header and rows")
	}
	first := above[0]
	if badByte(first.text) >= 0 {
		i := badByte(first.text)
		return nil, refuseFile(first.n, "the line %s", notUTF8(first.text[i], first.at+int64(i)))
	}
	message := "is not a header; the first line must name the columns: " + t.names()
	if strings.Count(string(first.text), "|") > 1 {
		message = "is not separated by comma, semicolon or tab; export it with one of these"
	}
	return nil, refuseFile(first.n, "\"%s\" %s", show(string(first.text)), message)
}

func aboveMessage(text string) string {
	switch {
	case strings.HasPrefix(strings.ToLower(text), "sep="):
		return "is an instruction to Excel; delete the line"
	case strings.HasPrefix(text, "#"):
		return "is a comment; delete the line"
	}
	return "stands above the header; delete the line"
}

func notUTF8(b byte, offset int64) string {
	return fmt.Sprintf("has the byte 0x%02X at offset %d, which is not UTF-8: the file is in an older encoding (such as CP949, Shift-JIS or Latin-1) or damaged; save it as 'CSV UTF-8'", b, offset)
}

// judge sets names, at and of, and finds the header's faults.
func (l *layout) judge(fault func(Fault)) {
	t := l.table
	l.at = slices.Repeat([]int{-1}, len(t.Columns))
	for i, name := range l.written {
		f := Fault{Code: CodeFile, Line: l.line, Column: visible(hideCards(name)), Cell: cellName(i, l.line)}
		c := t.find(name)
		l.of, l.names = append(l.of, c), append(l.names, "")
		switch {
		case c < 0:
			f.Message = t.unknown(name, i)
			fault(f)
		case l.at[c] >= 0:
			f.Message = fmt.Sprintf("the column %s is there twice, first in %s; remove one", t.Columns[c].Name, cellName(l.at[c], l.line))
			fault(f)
			l.of[i] = -1
		default:
			l.at[c], l.names[i] = i, t.Columns[c].Name
		}
	}
	for i, c := range t.Columns {
		if c.Required && l.at[i] < 0 {
			l.short = true
			fault(Fault{Code: CodeFile, Line: l.line, Column: c.Name, Message: "the column is missing; add it"})
		}
	}
	l.currency, l.amount = -1, slices.IndexFunc(l.of, func(c int) bool { return c >= 0 && t.Columns[c].Amount })
	if i := t.find("currency"); i >= 0 {
		l.currency = l.at[i]
	}
	for _, name := range t.OneOf {
		if at := l.at[t.find(name)]; at >= 0 {
			l.oneOf = append(l.oneOf, at)
		}
	}
	if len(t.OneOf) > 0 && len(l.oneOf) == 0 {
		l.short = true
		fault(Fault{Code: CodeFile, Line: l.line, Column: t.OneOf[0], Message: "the column is missing; add it, or " + strings.Join(t.OneOf[1:], " or ")})
	}
	for i, name := range l.written {
		if l.of[i] < 0 { // what is no name is only ever shown
			l.written[i] = visible(hideCards(name))
		}
	}
}

// unknown is the message for a column that the table has not, at place i of the file.
func (t *Table) unknown(name string, i int) string {
	switch folded := fold(name); {
	case folded == "":
		return fmt.Sprintf("the column %s has no name; name it, or delete it", strings.TrimRight(cellName(i, 1), "1"))
	case folded == "environment" || folded == "env" || folded == "portoneenvironment":
		return "the environment is configuration, never data; delete the column and set PORTONE_ENVIRONMENT"
	case badCharacter(name) != "" && utf8.ValidString(name):
		return badCharacter(name)
	case !t.hasResults() && slices.Contains(resultColumns, strings.TrimSpace(name)):
		return "the column is one that this program writes into results; delete it, or give back the rejects file"
	}
	if near := t.nearest(name); near != "" {
		return fmt.Sprintf("is not a column that is known; if %s is meant, write that", near)
	}
	return "is not a column that is known; delete it, or name it one of " + t.names()
}

func (t *Table) hasResults() bool { return t.find("status") >= 0 }

func (t *Table) names() string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// nearest is the column whose name, or an alias of it, is a slip of the keyboard or two away.
func (t *Table) nearest(name string) string {
	folded := fold(name)
	best, found := 3, ""
	for _, c := range t.Columns {
		for _, known := range append([]string{c.Name}, c.Aliases...) {
			if d := distance(folded, fold(known)); d < best && d*3 <= len(folded) {
				best, found = d, c.Name
			}
		}
	}
	return found
}

// distance is the number of letters to add, remove or change. Long names are never near.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
