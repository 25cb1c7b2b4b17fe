package reports

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"refunds/portone"
	"refunds/reconcile"
)

const (
	manifestName = "manifest.json"
	sumsName     = "SHA256SUMS"
)

// A manifest says what the folder holds. It does not list itself or SHA256SUMS,
// which lists it.
type manifest struct {
	Run           string              `json:"run"`
	Environment   portone.Environment `json:"environment"`
	Verdict       reconcile.Verdict   `json:"verdict"`
	Totals        orderCounts         `json:"orders"`
	Discrepancies int                 `json:"open_discrepancies"`
	Previous      *previousRun        `json:"previous_manifest"` // null: this is the first report
	Files         []file              `json:"files"`
}

type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// A previousRun is the report before this one in the same folder: whoever keeps one
// manifest can tell whether an earlier report was changed.
type previousRun struct {
	Run    string `json:"run"`
	SHA256 string `json:"sha256"`
}

// previousManifest finds the latest report before runID; run ids sort by time. Nil: there is none.
func previousManifest(root, runID string) (*previousRun, error) {
	entries, err := os.ReadDir(root) // sorted by name
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(entries) {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() >= runID {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, e.Name(), manifestName))
		if errors.Is(err, os.ErrNotExist) {
			continue // not a report
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		return &previousRun{e.Name(), hex.EncodeToString(sum[:])}, nil
	}
	return nil, nil
}

// A folder is a report while it is written, under its hidden name.
type folder struct {
	dir   string
	files []file
}

// A writer writes one file, and counts and hashes what it writes. Its first error
// stays, and comes back from close.
type writer struct {
	*bufio.Writer
	f    *os.File
	hash hash.Hash
	n    int64
}

type tee struct{ w *writer }

func (t tee) Write(p []byte) (int, error) {
	t.w.hash.Write(p)
	t.w.n += int64(len(p))
	return t.w.f.Write(p)
}

// write adds one file, which is on the disk when it returns.
func (f *folder) write(name string, fill func(*writer) error) error {
	out, err := os.OpenFile(filepath.Join(f.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	w := &writer{f: out, hash: sha256.New()}
	w.Writer = bufio.NewWriterSize(tee{w}, 1<<16)
	err = fill(w)
	err = cmp.Or(err, w.Flush())
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f.files = append(f.files, file{name, w.n, hex.EncodeToString(w.hash.Sum(nil))})
	return nil
}

// rename gives the folder its name, durably.
func (f *folder) rename(dir string) error {
	if err := os.Chmod(f.dir, 0o750); err != nil {
		return err
	}
	if err := syncDir(f.dir); err != nil {
		return err
	}
	if err := os.Rename(f.dir, dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func sortedFiles(files []file) []file {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.Name, b.Name) })
	return files
}

func writeJSON(w *writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
