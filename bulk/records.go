package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
)

// aheadLines is how far a quote's end is looked for. A cell may hold no line break at
// all; looking further only helps to say what is wrong.
const aheadLines = 50

// records cuts lines into cells by encoding/csv, and knows where each cell stands. It
// feeds its csv.Reader one record at a time, so that a quote that never closes costs
// its own line and not the rest of the file.
type records struct {
	src   *source
	delim byte
	csv   *csv.Reader
	feed  bytes.Reader
	extra int // lines so far that were inside of a cell: a spreadsheet shows them in one row
}

// A record is one line of the table, valid until the next.
type record struct {
	line  int    // of the file, where it begins
	sheet int    // the row where a spreadsheet shows it
	raw   []byte // its text, with the line end
	plain bool   // printable ASCII and the delimiter alone
	bad   int64  // offset in the file of the first byte that is not UTF-8, or -1
	cells []string
	fault string // it can't be cut into cells; cells are a guess
	open  bool   // the fault is a quote that does not close
	lines []int  // of each cell; nil: all on line
}

func newRecords(src *source, delim byte) *records {
	r := &records{src: src, delim: delim}
	r.csv = csv.NewReader(&r.feed)
	r.csv.Comma = rune(delim)
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	return r
}

// next is the next record that is not a blank line, or io.EOF.
func (r *records) next() (record, error) {
	for {
		l, err := r.src.next()
		if err != nil {
			return record{}, err
		}
		if len(bytes.Trim(l.text, " \t\r\n")) == 0 && (r.delim != '\t' || bytes.IndexByte(l.text, '\t') < 0) {
			continue
		}
		return r.cut(l)
	}
}

func (r *records) cut(l line) (record, error) {
	rec := record{line: l.n, sheet: l.n - r.extra, raw: l.text, plain: r.isPlain(l.text), bad: -1}
	if !rec.plain {
		if i := badByte(l.text); i >= 0 {
			rec.bad = l.at + int64(i)
		}
		if bytes.IndexByte(l.text, '"') >= 0 && r.quotes(l.text, false) == quoteOpen {
			return r.cutLong(l, rec)
		}
	}
	return rec, r.parse(&rec)
}

// cutLong is cut for a line that ends inside of quotes.
func (r *records) cutLong(first line, rec record) (record, error) {
	whole := bytes.Clone(first.text)
	var more []line
	state := quoteOpen
	for state == quoteOpen && len(more) < aheadLines && len(whole) <= r.src.limits.Record {
		l, err := r.src.next()
		if err == io.EOF {
			break
		} else if err != nil {
			return record{}, err
		}
		l.text = bytes.Clone(l.text)
		more = append(more, l)
		whole = append(whole, l.text...)
		state = r.quotes(l.text, true)
	}
	if state != quoteClosed {
		r.src.back(more)
		rec.raw = bytes.Clone(first.text)
		rec.open = true
		rec.fault = "has a quote that opens and never closes; close it, or take it out"
		rec.cells = looseCells(rec.raw, r.delim)
		return rec, nil
	}
	for _, l := range more {
		if i := badByte(l.text); i >= 0 && rec.bad < 0 {
			rec.bad = l.at + int64(i)
		}
	}
	rec.raw = whole
	r.extra += len(more)
	return rec, r.parse(&rec)
}

// parse fills in the cells, or the fault.
func (r *records) parse(rec *record) error {
	r.feed.Reset(rec.raw)
	cells, err := r.csv.Read()
	rec.cells = cells
	var at *csv.ParseError
	if errors.As(err, &at) {
		rec.fault = "has a double quote inside of a text; write it twice and the whole text in double quotes, or take it out"
		if errors.Is(err, csv.ErrQuote) {
			rec.fault = "has something between a closing quote and the next delimiter; write quotes inside of a text twice"
		}
		rec.cells = looseCells(rec.raw, r.delim)
		return nil
	}
	if err == nil && bytes.Count(rec.raw, []byte{'\n'}) > 1 {
		base, _ := r.csv.FieldPos(0)
		for i := range cells {
			n, _ := r.csv.FieldPos(i)
			rec.lines = append(rec.lines, rec.line+n-base)
		}
	}
	return err
}

func (rec *record) lineOf(column int) int {
	if column < len(rec.lines) {
		return rec.lines[column]
	}
	return rec.line
}

func (r *records) isPlain(text []byte) bool {
	for _, c := range text[:len(text)-1] {
		if (c < 0x20 || c > 0x7e || c == '"') && c != r.delim {
			return false
		}
	}
	return true
}

type quoteState int

const (
	quoteClosed quoteState = iota
	quoteOpen
	quoteBroken
)

// quotes follows the quotes through one line as encoding/csv does; open: the line
// begins inside of them.
func (r *records) quotes(text []byte, open bool) quoteState {
	text = text[:len(text)-1]
	for {
		if !open {
			field, rest, more := bytes.Cut(text, []byte{r.delim})
			if len(text) == 0 || text[0] != '"' {
				if bytes.IndexByte(field, '"') >= 0 {
					return quoteBroken
				}
				if !more {
					return quoteClosed
				}
				text = rest
				continue
			}
			text = text[1:]
		}
		open = false
		i := bytes.IndexByte(text, '"')
		switch {
		case i < 0:
			return quoteOpen
		case i == len(text)-1:
			return quoteClosed
		case text[i+1] == '"':
			open = true
		case text[i+1] != r.delim:
			return quoteBroken
		}
		text = text[i+2:]
	}
}

// looseCells is the best guess at a line that can't be cut by the rules, to be shown,
// never to be used.
func looseCells(text []byte, delim byte) []string {
	c := csv.NewReader(bytes.NewReader(bytes.TrimSuffix(text, []byte("\n"))))
	c.Comma, c.LazyQuotes, c.FieldsPerRecord = rune(delim), true, -1
	cells, _ := c.Read()
	return slices.Clone(cells)
}
