package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rooms says which of our packages each one may import outside its tests. Imports
// follow the data, and never go back.
var rooms = map[string][]string{
	"portone":                     {},
	"portone/portonetest":         {"portone"},
	"bulk":                        {"portone"},
	"reconcile":                   {"portone", "bulk"},
	"reconcile/ledger":            {"portone", "bulk", "reconcile"},
	"reconcile/ledger/ledgertest": {"portone", "bulk", "reconcile", "reconcile/ledger"},
	"reports":                     {"portone", "bulk", "reconcile"},
	"testdata":                    {},
	"cmd/refunds":                 {"portone", "portone/portonetest", "bulk", "reconcile", "reconcile/ledger", "reports", "testdata"},
}

func TestImportsFollowTheData(t *testing.T) {
	const root = "../.."
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		room := filepath.ToSlash(rel)
		may, ok := rooms[room]
		if !ok {
			t.Errorf("%s is in no room of the table", path)
			return nil
		}
		seen[room] = true
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			of, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "refunds/")
			if ours && !slices.Contains(may, of) {
				t.Errorf("%s imports %s: %s may not know of it", path, of, room)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("the room %s of the table has no code", room)
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	may := strings.Fields("LICENSE Makefile README.md bulk cmd go.mod go.sum portone reconcile reports testdata bin refunds-data")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(may, e.Name()) {
			t.Errorf("%s stands at the top level; it has no room there", e.Name())
		}
	}
}
