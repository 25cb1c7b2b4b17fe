package bulk

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// resultColumns follow the input's own in the results file.
var resultColumns = []string{"status", "refund_id", "psp_refund_id", "portone_status", "attempts", "reason_code", "message", "sent_at", "settled_at"}

// ResultsPaths is where the results and the rejects of an input belong: beside it, or
// where resultsFlag, unless "", says, and the rejects beside that. For another folder,
// give filepath.Join(folder, filepath.Base(input)) as the input. The rejects never go
// where the input is, not even when that is itself a rejects file.
func ResultsPaths(input, resultsFlag string) (results, rejects string) {
	if resultsFlag == "" {
		stem := cutSuffixFold(input, ".csv")
		return stem + ".results.csv", stem + ".rejects.csv"
	}
	rejects = cutSuffixFold(cutSuffixFold(resultsFlag, ".csv"), ".results") + ".rejects.csv"
	if filepath.Clean(rejects) == filepath.Clean(input) {
		_, rejects = ResultsPaths(input, "")
	}
	return resultsFlag, rejects
}

func cutSuffixFold(s, suffix string) string {
	if n := len(s) - len(suffix); n > 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n]
	}
	return s
}

// WriteResults replaces the file at path by f's rows and what became of each: the
// input's columns in its order and delimiter, then resultColumns; one line for each
// row, also those turned down, in the input's order. It is UTF-8, with a byte order mark where
// the input had one (so also for UTF-16), and with the input's line ends. There must
// be a result for each good row. The old file stays whole until the new one is durable;
// a failure leaves the old one.
func WriteResults(path string, f *File, results []Result) error {
	byN, err := resultsByN(f, results)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := f.mayReplace(path); err != nil {
		return err
	}
	return f.replace(path, func(w *form) error {
		if err := w.Write(append(defused(f.Header), resultColumns...)); err != nil {
			return err
		}
		return f.eachRow(func(n int, cells []string, td *TurnedDown) error {
			res := byN[n]
			if td != nil {
				res = Result{N: n, Status: Refused, ReasonCode: td.Faults[0].Code, Message: td.message(len(f.Header))}
			}
			line := defused(fit(cells, len(f.Header)))
			return w.Write(append(line, defused(resultCells(res))...))
		})
	})
}

// WriteRejects replaces the file at path by the rows that were refused or turned down, and have not
// been given again,
// in the input's own form and no column more, so that it can be mended and given back;
// why they were refused stands in the results file, in the same order. A row that could
// not be cut into cells is written as it came. Without such rows there is no file: one
// of an earlier run is removed.
func WriteRejects(path string, f *File, results []Result) error {
	byN, err := resultsByN(f, results)
	if err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	none := len(f.TurnedDown) == 0
	for _, r := range byN {
		none = none && (r.Status != Refused || r.GivenAgain)
	}
	if none {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old rejects: %w", err)
		}
		return nil
	}
	return f.replace(path, func(w *form) error {
		if err := w.Write(defused(f.Header)); err != nil {
			return err
		}
		return f.eachRow(func(n int, cells []string, td *TurnedDown) error {
			switch {
			case td == nil && (byN[n].Status != Refused || byN[n].GivenAgain):
				return nil
			case td != nil && td.Raw != "":
				return w.raw(td.Raw)
			}
			return w.Write(defused(cells))
		})
	})
}

// resultsByN demands a result for each good row and none for others.
func resultsByN(f *File, results []Result) (map[int]Result, error) {
	if f.Unusable {
		return nil, errors.New("no row of the input may be used")
	}
	byN := make(map[int]Result, len(results))
	for _, r := range results {
		byN[r.N] = r
	}
	for _, row := range f.Rows {
		if _, ok := byN[row.N]; !ok {
			return nil, fmt.Errorf("row %d has no result", row.N)
		}
	}
	if len(byN) != len(f.Rows) {
		return nil, fmt.Errorf("%d results for %d rows", len(byN), len(f.Rows))
	}
	return byN, nil
}

// eachRow calls do for all rows in the file's order; td is nil for a good one.
func (f *File) eachRow(do func(n int, cells []string, td *TurnedDown) error) error {
	good, bad := f.Rows, f.TurnedDown
	for len(good)+len(bad) > 0 {
		var err error
		if len(bad) == 0 || len(good) > 0 && good[0].N < bad[0].N {
			err = do(good[0].N, good[0].Cells, nil)
			good = good[1:]
		} else {
			err = do(bad[0].N, bad[0].Cells, &bad[0])
			bad = bad[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// message is all faults of the row on one line, and the cells for which the header has
// no column.
func (td *TurnedDown) message(width int) string {
	var parts []string
	for _, fault := range td.Faults {
		parts = append(parts, fault.String())
	}
	if len(td.Cells) > width {
		parts = append(parts, "further cells: "+visible(strings.Join(td.Cells[width:], ", ")))
	}
	return strings.Join(parts, " | ")
}

func resultCells(r Result) []string {
	return []string{string(r.Status), visible(r.RefundID), visible(r.PSPRefundID), visible(r.PortoneStatus), strconv.Itoa(r.Attempts),
		r.ReasonCode, visible(r.Message), stamp(r.SentAt), stamp(r.SettledAt)}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// fit cuts or fills up a row to the header's width.
func fit(cells []string, width int) []string {
	out := make([]string, width)
	copy(out, cells)
	return out
}

// defused is a copy of cells that no spreadsheet takes for formulas.
func defused(cells []string) []string {
	out := make([]string, len(cells), len(cells)+len(resultColumns))
	for i, c := range cells {
		out[i] = defuse(c)
	}
	return out
}

// defuse puts a ' before what a spreadsheet would take for a formula, a plain number
// excepted, and undefuse takes it off again. A cell that has such marks already gets
// one more, so that what was written always reads back as what it was.
func defuse(cell string) string {
	if !formula(strings.TrimLeft(cell, "'")) || cell[0] != '\'' && plainNumber(cell) {
		return cell
	}
	return "'" + cell
}

func undefuse(cell string) string {
	if cell != "" && cell[0] == '\'' && formula(strings.TrimLeft(cell, "'")) {
		return cell[1:]
	}
	return cell
}

func formula(cell string) bool { return cell != "" && strings.IndexByte("=+-@\t\r", cell[0]) >= 0 }

func plainNumber(cell string) bool {
	return cell[0] == '-' && decimalForm.MatchString(cell[1:])
}

// replace writes a file in f's form and puts it in place of the one at path.
func (f *File) replace(path string, write func(*form) error) (err error) {
	out, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
		renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if cleanup := out.Cleanup(); err == nil && cleanup != nil {
			err = cleanup
		}
	}()
	if err := f.render(out, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// A form writes lines as f had them.
type form struct {
	*csv.Writer
	under *bufio.Writer
}

// raw writes a line as it is.
func (w *form) raw(text string) error {
	w.Flush() // so that it comes after what was written before
	w.under.WriteString(text)
	if w.UseCRLF {
		w.under.WriteByte('\r')
	}
	return w.under.WriteByte('\n')
}

// render writes in f's delimiter and line ends, with a byte order mark where f had one.
func (f *File) render(out io.Writer, write func(*form) error) error {
	if f.Detected.Delimiter == "" {
		return errors.New("the input has no header")
	}
	under := bufio.NewWriterSize(out, 1<<16)
	if f.Detected.Encoding != "UTF-8" {
		under.WriteString("\ufeff")
	}
	w := &form{csv.NewWriter(under), under}
	w.Comma = rune(f.Detected.Delimiter[0])
	w.UseCRLF = f.Detected.Newline == "CRLF"
	if err := write(w); err != nil {
		return err
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return under.Flush()
}

// mayReplace keeps the input itself from being written over by its results, whatever
// path leads to it.
func (f *File) mayReplace(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() != f.Size {
		return nil // nothing to lose there, or something else
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("look at %s before writing there: %w", path, err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return fmt.Errorf("look at %s before writing there: %w", path, err)
	}
	if hex.EncodeToString(h.Sum(nil)) == f.ID {
		return fmt.Errorf("%s is the input itself; name another file for its results", path)
	}
	return nil
}
