package bulk

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestResultsPaths(t *testing.T) {
	for _, c := range []struct{ input, flag, results, rejects string }{
		{"a/x.csv", "", "a/x.results.csv", "a/x.rejects.csv"},
		{"a/x.CSV", "", "a/x.results.csv", "a/x.rejects.csv"},
		{"x.txt", "", "x.txt.results.csv", "x.txt.rejects.csv"},
		{".csv", "", ".csv.results.csv", ".csv.rejects.csv"},
		{"x.rejects.csv", "", "x.rejects.results.csv", "x.rejects.rejects.csv"},
		{"a/x.csv", "b/out.csv", "b/out.csv", "b/out.rejects.csv"},
		{"a/x.csv", "b/out.results.csv", "b/out.results.csv", "b/out.rejects.csv"},
		{"a/x.rejects.csv", "./a/x.results.csv", "./a/x.results.csv", "a/x.rejects.rejects.csv"},
		{"a/x.csv", "out", "out", "out.rejects.csv"},
	} {
		results, rejects := ResultsPaths(c.input, c.flag)
		if results != c.results || rejects != c.rejects {
			t.Errorf("%s, %q: got %s, %s", c.input, c.flag, results, rejects)
		}
	}
}

func TestWriteResultsAndRejects(t *testing.T) {
	input := "Reason;Order ID;Amount;Currency\r\n" +
		"Late;27TcA;10.5;USD\r\n" +
		"'=1+1;27TcB;70000;vnd\r\n" +
		"Late;27TcC;1,5;USD\r\n" +
		"Late;27TcD\r\n" +
		"\"a;b\";27TcE;1;USD\r\n" +
		"5\" pipe;27TcF;1;USD\r\n" +
		"Late;27TcG;1;USD;x;y\r\n"
	f := mustRead(t, "in.csv", []byte(input))
	at := time.Date(2026, 11, 21, 14, 5, 6, 7, time.FixedZone("KST", 9*3600))
	results := []Result{
		{N: 1, Status: Issued, RefundID: "rf1", PSPRefundID: "-5", PortoneStatus: "SUCCESS", Attempts: 1, Message: "made", SentAt: at, SettledAt: at},
		{N: 2, Status: Refused, Attempts: 1, ReasonCode: "4070", Message: "=not\nallowed", SentAt: at, SettledAt: at},
		{N: 5, Status: Quarantined, Attempts: 1, SentAt: at},
	}
	dir := t.TempDir()
	resultsPath, rejectsPath := ResultsPaths(filepath.Join(dir, "in.csv"), "")
	if err := WriteResults(resultsPath, f, results); err != nil {
		t.Fatal(err)
	}
	if err := WriteRejects(rejectsPath, f, results); err != nil {
		t.Fatal(err)
	}
	want := "Reason;Order ID;Amount;Currency;status;refund_id;psp_refund_id;portone_status;attempts;reason_code;message;sent_at;settled_at\r\n" +
		"Late;27TcA;10.5;USD;issued;rf1;-5;SUCCESS;1;;made;2026-11-21T05:05:06Z;2026-11-21T05:05:06Z\r\n" +
		"'=1+1;27TcB;70000;vnd;refused;;;;1;4070;'=not\\nallowed;2026-11-21T05:05:06Z;2026-11-21T05:05:06Z\r\n" +
		"Late;27TcC;1,5;USD;refused;;;;0;bad_cell;\"line 4, amount (C4): \"\"1,5\"\" uses a comma for decimals; write 1.5\";;\r\n" +
		"Late;27TcD;;;refused;;;;0;bad_row;\"line 5: the row has 2 cells, but the header has 4; add what is missing\";;\r\n" +
		"\"a;b\";27TcE;1;USD;quarantined;;;;1;;;2026-11-21T05:05:06Z;\r\n" +
		"\"5\"\" pipe\";27TcF;1;USD;refused;;;;0;bad_row;\"line 7: \"\"5\"\" pipe;27TcF;1;USD\"\" has a double quote inside of a text; write it twice and the whole text in double quotes, or take it out\";;\r\n" +
		"Late;27TcG;1;USD;refused;;;;0;bad_row;\"line 8: the row has 6 cells, but the header has 4; if a text has the delimiter in it, put the text in double quotes | further cells: x, y\";;\r\n"
	if d := cmp.Diff(want, readString(t, resultsPath)); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
	wantRejects := "Reason;Order ID;Amount;Currency\r\n" +
		"'=1+1;27TcB;70000;vnd\r\n" +
		"Late;27TcC;1,5;USD\r\n" +
		"Late;27TcD\r\n" +
		"5\" pipe;27TcF;1;USD\r\n" +
		"Late;27TcG;1;USD;x;y\r\n"
	if d := cmp.Diff(wantRejects, readString(t, rejectsPath)); d != "" {
		t.Errorf("rejects (-want +got):\n%s", d)
	}
	again := mustRead(t, "in.rejects.csv", []byte(wantRejects))
	if len(again.Rows) != 1 || again.Rows[0].Instruction != f.Rows[1].Instruction || len(again.TurnedDown) != 4 {
		t.Errorf("the rejects read back as %s", verdict(again))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func readString(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func issued(f *File) (results []Result) {
	for _, row := range f.Rows {
		results = append(results, Result{N: row.N, Status: Issued, Attempts: 1})
	}
	return results
}

func TestUnusableHasNoResults(t *testing.T) {
	f := mustRead(t, "in.csv", []byte(head+"27TcA,10,USD,Late\n27TcB,10,USD,\"Late\n"))
	path := filepath.Join(t.TempDir(), "out.csv")
	for _, write := range []func(string, *File, []Result) error{WriteResults, WriteRejects} {
		if err := write(path, f, nil); err == nil || !strings.Contains(err.Error(), "no row") {
			t.Errorf("got %v", err)
		}
	}
}

// TestHeaderComesBackAsWritten: also with a space that is not a plain one in a name.
func TestHeaderComesBackAsWritten(t *testing.T) {
	f := mustRead(t, "in.csv", []byte("Order\u00a0ID,AMOUNT , Currency,refund-reason\n27TcA,10,USD,Late\n"))
	if again := readBack(t, f); f.FaultCount != 0 || !slices.Equal(f.Header, again.Header) || !sameRows(f, again) {
		t.Errorf("%s\nread back:\n%s", verdict(f), verdict(again))
	}
}

func TestNoRejectsNoFile(t *testing.T) {
	f := mustRead(t, "in.csv", []byte(head+"27TcA,10,USD,Late\n"))
	path := filepath.Join(t.TempDir(), "in.rejects.csv")
	refused := []Result{{N: 1, Status: Refused}}
	for _, results := range [][]Result{issued(f), refused, issued(f), issued(f)} {
		if err := WriteRejects(path, f, results); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(path)
		if there := err == nil; there != (results[0].Status == Refused) {
			t.Errorf("after %s: file there: %v", results[0].Status, there)
		}
	}
}

func TestWriteResultsKeepsTheOldFile(t *testing.T) {
	data := []byte(head + "27TcA,10,USD,Late\n27TcB,10,USD,Late\n")
	f := mustRead(t, "in.csv", data)
	dir := t.TempDir()
	input, old := filepath.Join(dir, "in.csv"), filepath.Join(dir, "old.csv")
	link := filepath.Join(dir, "link.csv")
	for path, b := range map[string][]byte{input: data, old: []byte("old")} {
		if err := os.WriteFile(path, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(input, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		results    []Result
		want       string
	}{
		{"a row without result", old, issued(f)[:1], "row 2 has no result"},
		{"a result without row", old, append(issued(f), Result{N: 7}), "3 results for 2 rows"},
		{"the input", input, issued(f), "is the input itself"},
		{"the input by another name", link, issued(f), "is the input itself"},
		{"no such folder", filepath.Join(dir, "none", "x.csv"), issued(f), "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := WriteResults(c.path, f, c.results); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if got := readString(t, input); got != string(data) {
		t.Errorf("the input is now %q", got)
	}
	if got := readString(t, old); got != "old" {
		t.Errorf("the old file is now %q", got)
	}
	if err := WriteResults(old, f, issued(f)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o640 || info.Size() < 100 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestUTF16ComesBackAsUTF8: with a mark, so that Excel reads it as such.
func TestUTF16ComesBackAsUTF8(t *testing.T) {
	data, err := os.ReadFile("testdata/csv/good-utf16le-tab.csv")
	if err != nil {
		t.Fatal(err)
	}
	f := mustRead(t, "in.csv", data)
	path := filepath.Join(t.TempDir(), "out.csv")
	if err := WriteResults(path, f, issued(f)); err != nil {
		t.Fatal(err)
	}
	got := readString(t, path)
	if !strings.HasPrefix(got, "\ufefforder_ref\tamount\t") || !strings.Contains(got, "\t파손\tissued\t") || !strings.HasSuffix(got, "\r\n") {
		t.Errorf("got %q", got)
	}
}

// TestDefuse: what was defused is no formula, and reads back as what it was.
func TestDefuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.SampledFrom([]rune("'=+-@\t\r1.a "))).Draw(t, "cell")
		got := defuse(cell)
		if undefuse(got) != cell {
			t.Fatalf("%q is written %q and read %q", cell, got, undefuse(got))
		}
		if formula(got) && !plainNumber(got) {
			t.Fatalf("%q is written %q", cell, got)
		}
	})
}

// readBack renders f's rows as rejects are, and reads them again.
func readBack(t interface{ Fatal(...any) }, f *File) *File {
	var b bytes.Buffer
	err := f.render(&b, func(w *form) error {
		if err := w.Write(defused(f.Header)); err != nil {
			return err
		}
		for _, row := range f.Rows {
			if err := w.Write(defused(row.Cells)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadFile(f.Name, &b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// sameRows: the same instructions, with the same cells, in the same order.
func sameRows(a, b *File) bool {
	return slices.EqualFunc(a.Rows, b.Rows, func(x, y Row) bool {
		return x.Instruction == y.Instruction && slices.Equal(x.Cells, y.Cells)
	})
}

// TestWrittenReadsBack: whatever cells a good file has, its rows survive being written
// in its own form, and the results' first columns are its cells.
func TestWrittenReadsBack(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab ,;\t\"'=+-@#.0é파ñ")), 1, 20, -1)
	rapid.Check(t, func(t *rapid.T) {
		var in bytes.Buffer
		in.WriteString(rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "mark"))
		w := csv.NewWriter(&in)
		w.Comma = rapid.SampledFrom([]rune(",;\t")).Draw(t, "delimiter")
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		w.Write([]string{"reason", "Order ID", "Amount", "currency", "instruction_id", "description"})
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			w.Write([]string{text.Draw(t, "reason"), rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_-]{0,5}`).Draw(t, "order"),
				rapid.StringMatching(`[1-9][0-9]{0,3}(\.[0-9]{2})?`).Draw(t, "amount"), rapid.SampledFrom([]string{"USD", "eur"}).Draw(t, "currency"),
				rapid.StringMatching(`[!-~]{0,8}`).Draw(t, "id"), text.Draw(t, "description")})
		}
		w.Flush()
		f, err := ReadFile("x.csv", &in, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Rows) == 0 {
			return
		}
		if again := readBack(t, f); !sameRows(f, again) || again.FaultCount != 0 {
			t.Fatalf("%s\nread back:\n%s", verdict(f), verdict(again))
		}
	})
}

// FuzzReadFile: no bytes make the reader fail, and what it takes reads back.
func FuzzReadFile(f *testing.F) {
	files, err := filepath.Glob("testdata/csv/*.csv")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 1000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := mustRead(t, "x.csv", data)
		checkFile(t, file, data)
		if len(file.Rows) == 0 {
			return
		}
		if again := readBack(t, file); !sameRows(file, again) || again.FaultCount != 0 {
			t.Errorf("%s\nread back:\n%s", verdict(file), verdict(again))
		}
	})
}
