package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Verify tells whether a report folder is as it was written: every file of its
// manifest there, of the right size and hash, nothing besides them, and SHA256SUMS
// saying the same. Each problem is a sentence that names its file; none is a whole report.
// That the manifest itself was not rewritten to fit is for a copy of it, or of the next
// report's previous_manifest, to show. An error means that the folder could not be read.
func Verify(dir string) (problems []string, err error) {
	there, err := hashFiles(dir, &problems)
	if err != nil {
		return nil, fmt.Errorf("verify the report in %s: %w", dir, err)
	}
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	known := map[string]bool{manifestName: true, sumsName: true}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	var m manifest
	switch {
	case errors.Is(err, os.ErrNotExist):
		say("%s is missing", manifestName)
	case err != nil:
		return nil, fmt.Errorf("verify the report in %s: %w", dir, err)
	default:
		if err := json.Unmarshal(b, &m); err != nil || len(m.Files) == 0 {
			say("%s can't be read as a manifest", manifestName)
		}
	}
	for _, want := range m.Files {
		known[want.Name] = true
		got, ok := there[want.Name]
		switch {
		case !ok:
			say("%s is missing", want.Name)
		case got.Size != want.Size:
			say("%s has %d bytes, and should have %d", want.Name, got.Size, want.Size)
		case got.SHA256 != want.SHA256:
			say("%s was changed: its SHA-256 is not the manifest's", want.Name)
		}
	}
	for name := range there {
		switch {
		case len(m.Files) == 0:
			known[name] = true // nobody says what belongs here
		case !known[name]:
			say("%s does not belong to the report", name)
		}
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		say("%s is missing", sumsName)
	case err != nil:
		return nil, fmt.Errorf("verify the report in %s: %w", dir, err)
	default:
		checkSums(string(sums), there, known, say)
	}
	slices.Sort(problems)
	return slices.Compact(problems), nil
}

// checkSums holds SHA256SUMS against the files: a line for each but itself, and no other.
func checkSums(text string, there map[string]file, known map[string]bool, say func(string, ...any)) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		say("%s is cut off", sumsName)
	}
	listed := map[string]bool{}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		got, isThere := there[name]
		switch {
		case !ok || len(sum) != 2*sha256.Size:
			say("%s: line %d can't be read", sumsName, n+1)
		case !known[name] || name == sumsName || listed[name]:
			say("%s: line %d names %s, which has no place there", sumsName, n+1, name)
		case isThere && got.SHA256 != sum:
			say("%s was changed: its SHA-256 is not the one in %s", name, sumsName)
		}
		listed[name] = true
	}
	for name := range known {
		if name != sumsName && !listed[name] {
			say("%s: %s is not listed", sumsName, name)
		}
	}
}

// hashFiles reads every file of dir. What is no regular file is a problem.
func hashFiles(dir string, problems *[]string) (map[string]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]file{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			*problems = append(*problems, e.Name()+" is not a plain file")
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		files[e.Name()] = file{e.Name(), n, hex.EncodeToString(h.Sum(nil))}
	}
	return files, nil
}
