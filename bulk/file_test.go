package bulk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden verdicts anew")

// TestCorpus holds the verdict on each file of the corpus against its golden one.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/csv/*.csv")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files in the corpus, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f := mustRead(t, path, data)
			got := verdict(f)
			golden := strings.TrimSuffix(path, ".csv") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("another verdict (-want +got):\n%s", d)
			}
			if bad := strings.HasPrefix(filepath.Base(path), "bad-"); bad == f.Accepted(AllOrNothing) {
				t.Errorf("accepted: %v", !bad)
			}
			checkFile(t, f, data)
		})
	}
}

func mustRead(t testing.TB, name string, data []byte) *File {
	t.Helper()
	f, err := ReadFile(name, bytes.NewReader(data), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkFile holds what is true of every file that was read.
func checkFile(t testing.TB, f *File, data []byte) {
	t.Helper()
	sum := sha256.Sum256(data)
	if f.ID != "" && f.ID != hex.EncodeToString(sum[:]) {
		t.Errorf("ID %s is not the hash of the bytes", f.ID)
	}
	if f.ID == "" && f.Accepted(ValidRows) {
		t.Error("accepted without an ID")
	}
	if len(f.Rows)+len(f.TurnedDown) != f.N && !f.Unusable || f.Unusable && len(f.Rows) > 0 {
		t.Errorf("%d rows are not %d good and %d turned down", f.N, len(f.Rows), len(f.TurnedDown))
	}
	n := 0
	if err := f.eachRow(func(got int, _ []string, td *TurnedDown) error {
		if n++; got != n && !f.Unusable {
			t.Errorf("row %d stands where %d belongs", got, n)
		}
		if td != nil && len(td.Faults) == 0 {
			t.Errorf("row %d was turned down without a fault", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if (f.FaultCount == 0) != (len(f.TurnedDown) == 0 && !f.Unusable) {
		t.Errorf("%d faults, %d rows turned down, unusable: %v", f.FaultCount, len(f.TurnedDown), f.Unusable)
	}
	for _, fault := range append(f.Faults[:len(f.Faults):len(f.Faults)], f.Warnings...) {
		if text := fault.String(); visible(text) != text || fault.Message == "" || fault.Code == "" {
			t.Errorf("not fit to be shown: %q", text)
		}
	}
	for _, row := range f.Rows {
		if row.Amount.Minor <= 0 || row.OrderRef+row.MerchantOrderRef == "" || row.Reason == "" || row.Line <= 0 || len(row.Cells) != len(f.Header) {
			t.Errorf("a row that is not good: %+v", row)
		}
	}
}

// verdict is all that was found out about a file, for people to review.
func verdict(f *File) string {
	var b strings.Builder
	switch {
	case f.Accepted(AllOrNothing):
		b.WriteString("accepted\n")
	case f.Accepted(ValidRows):
		b.WriteString("refused, but for its valid rows\n")
	default:
		b.WriteString("refused\n")
	}
	d := f.Detected
	fmt.Fprintf(&b, "%s, delimiter %q, newline %s, columns %q\n", d.Encoding, d.Delimiter, d.Newline, d.Columns)
	fmt.Fprintf(&b, "%d rows, totals", f.N)
	for _, m := range f.Totals {
		fmt.Fprintf(&b, " %s %s", m.Currency, m)
	}
	b.WriteString("\n\n")
	for _, r := range f.Rows {
		fmt.Fprintf(&b, "row %d, line %d: order %q %q, %s %s, %q, %q, %q, %s, id %q\n", r.N, r.Line, r.OrderRef, r.MerchantOrderRef,
			r.Amount.Currency, r.Amount, r.Reason, r.Description, r.Channel, r.Type, r.ID)
	}
	for _, td := range f.TurnedDown {
		fmt.Fprintf(&b, "row %d, line %d: turned down, %s, %q\n", td.N, td.Line, td.Faults[0].Code, td.Cells)
	}
	b.WriteString("\n")
	for _, fault := range f.Faults {
		fmt.Fprintf(&b, "fault   %s: %s\n", fault.Code, fault)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", w.Code, w)
	}
	return b.String()
}
