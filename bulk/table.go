// Reading the files that people give.
//
// A Table declares the columns of one kind of file. ReadTable reads such a file and
// judges it whole: each row is good, or is turned down with every fault in it. It
// never rounds, guesses or drops. What is taken as it is: UTF-8 with or without a byte
// order mark, UTF-16 with one; comma, semicolon or tab, found from the header; LF or
// CR LF, and none at the end; blank lines, and rows of empty cells (with a warning);
// columns in any order, their names in any case, with spaces, hyphens or points for
// underscores, and by their aliases. A leading ' before = + - @ is taken off: it is
// what the writers of results put there (see defuse).
//
// Each line goes its way once: source (bytes, encoding, lines) → records (cells, by
// encoding/csv) → judge (faults) → gocsv (the table's struct of strings) → the caller.
// gocsv decodes into strings alone, because into a number it makes 7 of 7.9 and 0 of
// nothing. At most a few hundred rows are held; faults are kept up to Limits.Faults
// and counted beyond.
//
// A fault of the file (CodeFile: its header, encoding or size, a quote that never
// closes) makes all of it unusable, since nobody can tell what the rest means. A fault
// of a row turns down that row.
//
// What can't be noticed: a file that was cut off in the middle of its last amount is a
// file with a smaller amount. No newline at the end is legal, and some programs never
// write one. So that is a warning, where the last column is an amount or a reference,
// and control totals (Control) are the cure.

package bulk

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gocarina/gocsv"

	"refunds/portone"
)

// A Table declares the columns of one kind of file.
type Table struct {
	Columns []Column
	OneOf   []string // columns of which at least one must be there, and in each row at least one not empty
}

// A Column of a table. Every cell of it is held to what holds for all cells (see
// badCharacter), and then, unless empty, to its Rule.
type Column struct {
	Name     string
	Aliases  []string // compared like names, see fold
	Required bool     // the column must be there, and no cell of it empty
	Rule     func(value string) (wrong string)
	Amount   bool // instead of Rule: the cell is an amount above zero in the currency of the column currency
	ID       bool // the cells are ids, which may look like card numbers
	Order    bool // the cells are references to orders
}

// Limits are refused early, in flat memory. A field of 0 is its default.
type Limits struct {
	Bytes  int64 // 32 MiB
	Rows   int   // 100,000
	Record int   // bytes of one line of the table: 64 KiB
	Faults int   // kept; others are only counted: 1,000
}

// OrDefault is l with its defaults filled in.
func (l Limits) OrDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = 32 << 20
	}
	if l.Rows == 0 {
		l.Rows = 100_000
	}
	if l.Record == 0 {
		l.Record = 64 << 10
	}
	if l.Faults == 0 {
		l.Faults = 1000
	}
	return l
}

// A Reading is what was found out about a file as a whole.
type Reading struct {
	ID           string // SHA-256 of the file's bytes, 64 hex digits; "" if it was refused before its end
	Size         int64  // bytes read
	Detected     Detected
	Header       []string // as written; nil if there is none
	N            int      // rows, good or not
	Faults       []Fault  // in the order of the file; at most Limits.Faults
	Warnings     []Fault
	FaultCount   int // all of them
	WarningCount int
	Unusable     bool // a fault of the file: no row of it may be used
}

// Detected is what a file was found to be.
type Detected struct {
	Encoding  string   // UTF-8, UTF-8 with BOM, UTF-16 LE, UTF-16 BE
	Delimiter string   // one character
	Newline   string   // LF, CRLF, mixed, none
	Columns   []string // our name for each column of the header, "" where unknown
}

// A Record is one good row.
type Record[T any] struct {
	N      int      // 1 is the first row under the header
	Line   int      // of the file, where it begins
	Cells  []string // in the file's order, without the ' that keeps a formula from being one
	Values T
	sheet  int
	lay    *layout
}

// Fault is a fault of this row in the named column, for rules over several rows.
func (r *Record[T]) Fault(code, column, message string) Fault {
	f := Fault{Code: code, Line: r.Line, Column: column, Message: message}
	if i := r.lay.table.find(column); i >= 0 && r.lay.at[i] >= 0 {
		f.Cell = cellName(r.lay.at[i], r.sheet)
		f.Value = show(r.Cells[r.lay.at[i]])
	}
	return f
}

// TurnedDown is a row that is not good, with the faults in it.
type TurnedDown struct {
	N      int
	Line   int
	Cells  []string // in the file's order; of a row that can't be cut into cells, the best guess
	Raw    string   // the line as it stands in the file, if it can't be cut into cells, else ""
	Faults []Fault  // the first always; the others while Limits.Faults allows
}

// chunk is how many good rows gocsv decodes at a time.
const chunk = 256

// scan is one reading under way.
type scan[T any] struct {
	*judge
	lim  Limits
	good func(*Record[T])
	bad  func(TurnedDown)

	records []Record[T]
	rows    [][]string // for gocsv: the names, then the cells of records
	values  []T
	slab    []string
}

// ReadTable reads a file of the table's kind. It calls good for each good row and bad
// for each other, both in the file's order, though a bad row may come before an
// earlier good one. T is a struct of strings with csv tags that are the table's names.
// bad may be nil. Good rows are handed out also of a file that turns out to be unusable
// later, but not if columns are missing. The error is one of reading, or of the program, never a fault of the file.
func ReadTable[T any](r io.Reader, t *Table, limits Limits, good func(*Record[T]), bad func(TurnedDown)) (*Reading, error) {
	lim := limits.OrDefault()
	j := &judge{faults: faultList{max: lim.Faults}, warnings: faultList{max: lim.Faults}}
	s := &scan[T]{judge: j, lim: lim, good: good, bad: bad, values: make([]T, chunk)}
	src, err := newSource(r, lim)
	if err == nil {
		j.lay, err = t.readHeader(src, j.fileFault)
	}
	if err == nil {
		err = s.readRows(newRecords(src, j.lay.delim))
	}
	rd := &Reading{Size: src.raw.n, N: j.n}
	if refused, ok := asRefusal(err); ok {
		j.fileFault(Fault{Code: CodeFile, Line: refused.line, Message: refused.message})
	} else if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	} else {
		rd.ID = src.id()
		j.atEnd(src)
	}
	rd.Detected = Detected{Encoding: src.encoding, Newline: src.newline()}
	if j.lay != nil {
		rd.Header, rd.Detected.Columns, rd.Detected.Delimiter = j.lay.written, j.lay.names, string(rune(j.lay.delim))
	}
	rd.Faults, rd.FaultCount = j.faults.sorted(), j.faults.count
	rd.Warnings, rd.WarningCount = j.warnings.sorted(), j.warnings.count
	rd.Unusable = j.unusable
	return rd, nil
}

func (s *scan[T]) readRows(recs *records) error {
	s.begin()
	for {
		rec, err := recs.next()
		if err == io.EOF {
			return s.flush()
		} else if err != nil {
			return err
		}
		if s.emptyRow(&rec) {
			continue
		}
		if s.n++; s.n > s.lim.Rows {
			s.n--
			return refuseFile(rec.line, "the file has more than %d rows; split it into several", s.lim.Rows)
		}
		if faults := s.row(&rec); faults != nil {
			if s.bad != nil {
				s.bad(s.turnDown(&rec, faults))
			}
			continue
		}
		if s.lay.short {
			continue // there is nothing to make of it
		}
		if err := s.take(&rec); err != nil {
			return err
		}
	}
}

func (s *scan[T]) begin() {
	s.rows = append(make([][]string, 0, chunk+1), s.lay.names)
}

// take puts a good row up for decoding. Its cells outlive rec.
func (s *scan[T]) take(rec *record) error {
	w := len(rec.cells)
	if cap(s.slab)-len(s.slab) < w {
		s.slab = make([]string, 0, chunk*w)
	}
	s.slab = append(s.slab, rec.cells...)
	cells := s.slab[len(s.slab)-w : len(s.slab) : len(s.slab)]
	s.rows = append(s.rows, cells)
	s.records = append(s.records, Record[T]{N: s.n, Line: rec.line, Cells: cells, sheet: rec.sheet, lay: s.lay})
	if len(s.records) == chunk {
		return s.flush()
	}
	return nil
}

// flush decodes what is held and hands it to the caller.
func (s *scan[T]) flush() error {
	if len(s.records) == 0 {
		return nil
	}
	out := s.values[:len(s.records)]
	if err := gocsv.UnmarshalDecoder(decoder(s.rows), &out); err != nil {
		return fmt.Errorf("line %d: %w", s.records[0].Line, err)
	}
	for i := range s.records {
		s.records[i].Values = out[i]
		s.good(&s.records[i])
	}
	s.records, s.rows = s.records[:0], s.rows[:1]
	return nil
}

// A decoder gives gocsv rows that are cut and judged already.
type decoder [][]string

func (d decoder) GetCSVRows() ([][]string, error) { return d, nil }

// turnDown keeps of a bad row what is needed to tell of it and to give it back.
func (s *judge) turnDown(rec *record, faults []Fault) TurnedDown {
	td := TurnedDown{N: s.n, Line: rec.line, Cells: slices.Clone(rec.cells), Faults: faults}
	for i, c := range td.Cells {
		td.Cells[i] = strings.Clone(c)
		if cards(c) != nil && !s.isID(i, len(td.Cells)) {
			td.Cells[i] = cardRemoved
		}
	}
	if rec.fault != "" {
		td.Raw = hideCards(strings.TrimSuffix(string(rec.raw), "\n"))
	}
	return td
}

// isID: the cell at place i, in a row of width cells, is in a column of ids.
func (s *judge) isID(i, width int) bool {
	return width == len(s.lay.written) && s.lay.of[i] >= 0 && s.lay.table.Columns[s.lay.of[i]].ID
}

// currencyOf is the currency of a row, or "" if it names none.
func (l *layout) currencyOf(cells []string) portone.Currency {
	if l.currency < 0 {
		return ""
	}
	c, _ := portone.ParseCurrency(cells[l.currency])
	return c
}
