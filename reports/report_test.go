package reports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func write(t testing.TB, src *told, root string) string {
	t.Helper()
	dir, err := Write(t.Context(), src, src.run.ID, root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func readAll(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestGolden(t *testing.T) {
	for name, src := range map[string]*told{"incomplete": sample(), "clean": clean()} {
		t.Run(name, func(t *testing.T) {
			got := readAll(t, write(t, src, t.TempDir()))
			golden := filepath.Join("testdata", name)
			if *update {
				if err := os.MkdirAll(golden, 0o755); err != nil {
					t.Fatal(err)
				}
				for file, text := range got {
					if err := os.WriteFile(filepath.Join(golden, file), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff(readAll(t, golden), got); diff != "" {
				t.Errorf("run with -update if this is right: %s", diff)
			}
		})
	}
}

func TestSameRunSameBytes(t *testing.T) {
	a, b := readAll(t, write(t, many(400), t.TempDir())), readAll(t, write(t, many(400), t.TempDir()))
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

func TestCells(t *testing.T) {
	got := readAll(t, write(t, sample(), t.TempDir()))
	rows, err := csv.NewReader(strings.NewReader(got["discrepancies.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := "discrepancy_id, kind, severity, order_ref, merchant_order_ref, refund_id, psp_refund_id, instruction_id, currency, ledger_amount, portone_amount, difference, ledger_status, portone_status, first_seen, age_days, state, note"
	if header := strings.Join(rows[0], ", "); header != want {
		t.Errorf("header %s", header)
	}
	for _, r := range rows[1:] {
		for i, cell := range r {
			if cell != "" && strings.ContainsRune("=+@-\t\r", rune(cell[0])) && !isNumber(cell) {
				t.Errorf("%s %s: a spreadsheet takes %q for a formula", r[0], rows[0][i], cell)
			}
		}
	}
	if page := got["report.html"]; strings.Contains(page, "<script") || strings.Contains(page, "http://x\"") || strings.Contains(page, "src=") {
		t.Error("the page carries what a note brought in")
	}
	for cell, want := range map[string]string{"": "", "-1.50": "-1.50", "-1.5-": "'-1.5-", "--1": "'--1", "=1": "'=1", "@a": "'@a", "+1": "'+1", "\ta": "'\ta", "a=": "a=", "-": "'-", "-.5": "'-.5"} {
		if got := defuse(cell); got != want {
			t.Errorf("defuse(%q) is %q, not %q", cell, got, want)
		}
	}
}

func TestCompleteOrAbsent(t *testing.T) {
	root := t.TempDir()
	src := sample()
	src.fail = errors.New("the ledger went away")
	if dir, err := Write(t.Context(), src, src.run.ID, root); !errors.Is(err, src.fail) {
		t.Errorf("Write gave %s, %v", dir, err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("a failed report left %v, %v", entries, err)
	}
	src = sample()
	src.run.Verdict = ""
	if _, err := Write(t.Context(), src, src.run.ID, root); err == nil {
		t.Error("a run that never finished has a report")
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".hidden"} {
		if dir, err := Write(t.Context(), sample(), id, root); err == nil {
			t.Errorf("run %q was written to %s", id, dir)
		}
	}
}

func TestSecondReport(t *testing.T) {
	root := t.TempDir()
	first := sample()
	first.run.ID = "20261119T170000.000000Z-aaaa"
	dir := write(t, first, root)
	second := readAll(t, write(t, sample(), root))
	sum, err := exec.Command("sha256sum", filepath.Join(dir, "manifest.json")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := `"sha256": "` + strings.Fields(string(sum))[0] + `"`; !strings.Contains(second["manifest.json"], want) {
		t.Errorf("the manifest does not name the one before it by %s:\n%s", want, second["manifest.json"])
	}
	if again := write(t, first, root); again != dir { // there already: left as it is
		t.Errorf("written again to %s", again)
	}
	if err := os.Truncate(filepath.Join(dir, "orders.csv"), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), first, first.run.ID, root); err == nil || !strings.Contains(err.Error(), "orders.csv") {
		t.Errorf("a spoilt report was taken for a good one: %v", err)
	}
}

func TestVerify(t *testing.T) {
	path := func(dir, name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
		want  []string // what the problems must name
	}{
		{"whole", func(string) error { return nil }, nil},
		{"a byte changed", func(dir string) error {
			b, err := os.ReadFile(path(dir, "orders.csv"))
			if err != nil {
				return err
			}
			return os.WriteFile(path(dir, "orders.csv"), bytes.Replace(b, []byte("clean"), []byte("Clean"), 1), 0o644)
		}, []string{"orders.csv was changed", "orders.csv was changed"}},
		{"cut short", func(dir string) error { return os.Truncate(path(dir, "report.html"), 100) }, []string{"report.html has 100 bytes", "report.html was changed"}},
		{"one missing", func(dir string) error { return os.Remove(path(dir, "summary.json")) }, []string{"summary.json is missing"}},
		{"one too many", func(dir string) error { return os.WriteFile(path(dir, "note.txt"), nil, 0o644) }, []string{"note.txt does not belong"}},
		{"a folder in it", func(dir string) error { return os.Mkdir(path(dir, "more"), 0o755) }, []string{"more is not a plain file"}},
		{"no manifest", func(dir string) error { return os.Remove(path(dir, "manifest.json")) }, []string{"manifest.json is missing"}},
		{"no sums", func(dir string) error { return os.Remove(path(dir, "SHA256SUMS")) }, []string{"SHA256SUMS is missing"}},
		{"empty sums", func(dir string) error { return os.Truncate(path(dir, "SHA256SUMS"), 0) }, []string{"SHA256SUMS: discrepancies.csv is not", "SHA256SUMS: line 1 can't", "SHA256SUMS: manifest.json is not", "SHA256SUMS: orders.csv", "SHA256SUMS: report.html", "SHA256SUMS: summary.json"}},
		{"another manifest", func(dir string) error { return os.WriteFile(path(dir, "manifest.json"), []byte("{}"), 0o644) }, []string{"manifest.json can't be read", "manifest.json was changed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, sample(), t.TempDir())
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			problems, err := Verify(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != len(tt.want) {
				t.Fatalf("problems %q, want %q", problems, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(problems[i], want) {
					t.Errorf("problem %q, want %q", problems[i], want)
				}
			}
			cmd := exec.Command("sha256sum", "-c", "--quiet", "SHA256SUMS")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); tt.want == nil && err != nil {
				t.Errorf("sha256sum -c: %v\n%s", err, out)
			}
		})
	}
	if _, err := Verify(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was verified")
	}
}

func TestVerdictSentences(t *testing.T) {
	empty := clean()
	empty.orders, empty.run.Sums = nil, nil
	stopped := sample()
	stopped.run.Stopped = "it was stopped before it had read every order"
	odd := sample()
	odd.run.Environment = "staging"
	for _, tt := range []struct {
		name string
		src  *told
		want []string
	}{
		{"clean", clean(), []string{"✓ Clean", "LIVE: real money", "<p>Our ledger and PortOne agree on the refunds of the one order that was compared.</p>", "Every order of the window was read."}},
		{"empty", empty, []string{"✓ Clean", "No order falls in this window", "No refund stood on either side."}},
		{"incomplete", sample(), []string{"■ Incomplete", "SANDBOX: no real money", "3 of 13 orders could not be read", "the ledger has no such order", "1 of those open now is on an order that this run did not look at"}},
		{"stopped", stopped, []string{"The run ended early: it was stopped"}},
		{"many", many(600), []string{"▲ Discrepancies found", "600 discrepancies on 600 orders.", "1,200 orders, ledger and PortOne agree"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := readAll(t, write(t, tt.src, t.TempDir()))["report.html"]
			for _, want := range tt.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		})
	}
	if _, err := Write(t.Context(), odd, odd.run.ID, t.TempDir()); err == nil {
		t.Error("an environment that is none was written")
	}
}
