package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// rules are those that must not be taken out unnoticed, by the first part of the names of
// the files under testdata/removed.
var rules = map[string]string{
	"slot":          "one open attempt per order",
	"baseline":      "a baseline that shows what is booked, and still holds at T1",
	"marker":        "the marker is looked for",
	"wait":          "no absence before its time",
	"conservation":  "what is left is accounted for",
	"unknown-first": "a refusal after an unknown proves nothing",
	"token":         "a token ends",
	"redirects":     "no redirects",
	"getbody":       "nothing lets net/http send again",
	"limited":       "a list is read after a 429",
	"t1":            "T1 is durable before the POST",
	"bound":         "a refund proves one instruction",
	"formula":       "formulas are defused",
	"manifest":      "the manifest's hashes are held",
}

// A removal takes a rule out of the program, and names the tests that must then fail.
type removal struct {
	name, rule string
	pkg, run   string // the package, by its path from the root, and a pattern of its tests
	edits      []edit
}

// An edit is a text that stands once in a file, and what to put in its place.
type edit struct{ path, old, new string }

// Whoever takes a rule out of the program is told by a test: each removal compiles, and makes a
// test fail that passes without it. The short form takes those of portone alone, whose
// tests are built at once.
func TestRemoved(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	all := removals(t)
	var rows [][3]string
	var mu sync.Mutex
	whole := map[string]func() error{} // a package's test binary from the program as it is
	bin := t.TempDir()
	for _, r := range all {
		whole[r.pkg] = sync.OnceValue(func() error { return buildTests(t.Context(), root, r.pkg, testBinary(bin, r.pkg), "") })
	}
	t.Run("rule", func(t *testing.T) { // a group: it ends when all of it has
		for _, r := range all {
			mutated, err := r.apply(root, t.TempDir())
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				continue
			}
			if !*prove && r.pkg != "./portone" {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				if err := whole[r.pkg](); err != nil {
					t.Fatal(err)
				}
				if failed, err := runTests(t.Context(), root, r, testBinary(bin, r.pkg)); err != nil || failed != "" {
					t.Fatalf("nothing is removed, and yet %q fails: %v", failed, err)
				}
				without := testBinary(t.TempDir(), r.pkg)
				if err := buildTests(t.Context(), root, r.pkg, without, mutated); err != nil {
					t.Fatalf("this removal proves nothing, since it does not compile: %v", err)
				}
				failed, err := runTests(t.Context(), root, r, without)
				if err != nil {
					t.Fatal(err)
				}
				if failed == "" {
					t.Errorf("%s is taken out, and no test of %s -run %s notices", rules[r.rule], r.pkg, r.run)
				}
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, [3]string{r.name, rules[r.rule], cmp.Or(failed, "NOBODY")})
			})
		}
	})
	slices.SortFunc(rows, func(a, b [3]string) int { return cmp.Compare(a[0], b[0]) })
	var table strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&table, "\n%-24s %-60s %s", row[0], row[1], row[2])
	}
	t.Logf("removed, which rule, noticed by:%s", &table)
}

// removals reads testdata/removed. Each file begins with a sentence, a line "package …" and a line
// "run …"; then come pairs of files: a path with the old text, and "by" with the new one.
// Texts are taken without the newline at their end.
func removals(t *testing.T) (all []removal) {
	t.Helper()
	paths, err := filepath.Glob("testdata/removed/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	missing := maps.Clone(rules)
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := removal{name: strings.TrimSuffix(filepath.Base(path), ".txtar")}
		r.rule, _, _ = strings.Cut(r.name, ".")
		lines := strings.Split(string(a.Comment), "\n")
		if rules[r.rule] == "" || len(lines) != 4 || len(a.Files) == 0 || len(a.Files)%2 != 0 {
			t.Fatalf("%s is not a removal of any rule: a sentence, package, run, and pairs of texts", path)
		}
		r.pkg, r.run = strings.TrimPrefix(lines[1], "package "), strings.TrimPrefix(lines[2], "run ")
		for f := range slices.Chunk(a.Files, 2) {
			r.edits = append(r.edits, edit{f[0].Name, strings.TrimSuffix(string(f[0].Data), "\n"), strings.TrimSuffix(string(f[1].Data), "\n")})
		}
		delete(missing, r.rule)
		all = append(all, r)
	}
	for rule := range missing {
		t.Errorf("no file takes the rule %q out", rule)
	}
	return all
}

// apply writes the changed files into dir, and gives the overlay that puts them in place.
func (r removal) apply(root, dir string) (overlay string, err error) {
	texts := map[string]string{}
	for _, e := range r.edits {
		if _, ok := texts[e.path]; !ok {
			b, err := os.ReadFile(filepath.Join(root, e.path))
			if err != nil {
				return "", err
			}
			texts[e.path] = string(b)
		}
		if n := strings.Count(texts[e.path], e.old); n != 1 {
			return "", fmt.Errorf("this removal no longer applies: renew it; %s has the text %d times, not once:\n%s", e.path, n, e.old)
		}
		texts[e.path] = strings.Replace(texts[e.path], e.old, e.new, 1)
	}
	var o struct{ Replace map[string]string }
	o.Replace = map[string]string{}
	for path, text := range texts {
		there := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(there, []byte(text), 0o600); err != nil {
			return "", err
		}
		o.Replace[filepath.Join(root, path)] = there
	}
	b, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

func testBinary(dir, pkg string) string { return filepath.Join(dir, filepath.Base(pkg)+".test") }

// buildTests builds what go test would run; overlay may be "".
func buildTests(ctx context.Context, root, pkg, out, overlay string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay="+overlay, "-o", out, pkg)
	cmd.Dir = root
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c %s: %w\n%s", pkg, err, b)
	}
	return nil
}

var (
	failedTest = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	passedTest = regexp.MustCompile(`(?m)^ *--- PASS: `)
)

// runTests gives the name of the first test, in its innermost form, that fails; "": none. That no
// test ran, or that the binary ended in another way, is an error.
func runTests(ctx context.Context, root string, r removal, bin string) (failed string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.v", "-test.run="+r.run, "-test.timeout=1m")
	cmd.Dir = filepath.Join(root, r.pkg)
	cmd.Env = append(os.Environ(), "RAPID_NOFAILFILE=1") // its failures are wanted: they leave nothing behind
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch all := failedTest.FindAllSubmatch(b, -1); {
	case err == nil && !passedTest.Match(b):
		return "", fmt.Errorf("no test of %s is called %s", r.pkg, r.run)
	case err == nil:
		return "", nil
	case !errors.As(err, &exit) || len(all) == 0:
		return "", fmt.Errorf("no test failed, and yet: %w\n%s", err, b)
	default:
		for _, m := range all {
			if name := string(m[1]); failed == "" || strings.HasPrefix(name, failed+"/") {
				failed = name
			}
		}
		return failed, nil
	}
}
