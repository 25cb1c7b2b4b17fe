package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"refunds/portone/portonetest"
)

// The disk is full where results and reports go: the run says so, the ledger is right, and the
// same command writes the files when there is room again.
func TestDiskFull(t *testing.T) {
	sim := portonetest.New(portonetest.Config{})
	defer sim.Close()
	const rows = 30
	file, byMarker := killFile(t, sim, rand.New(rand.NewPCG(1, 6)), rows)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	home, disk := t.TempDir(), smallDisk(t)
	env := processEnv(sim, home)
	results := filepath.Join(disk, "out.csv")
	free := fill(t, disk)

	out, code := run(t, env, "issue", "--results", results, file)
	if code != exitTrouble || !strings.Contains(out, "no space left on device") || !strings.Contains(out, "the ledger has them all") {
		t.Errorf("issue on a full disk: exit %d\n%s", code, out)
	}
	if n := len(sim.Made("")); n != rows {
		t.Errorf("%d of %d refunds were made", n, rows)
	}
	if _, err := os.Stat(results); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a results file, though it can't be whole: %v", err)
	}
	free()
	if out, code := run(t, env, "issue", "--results", results, file); code != exitClean {
		t.Errorf("issued again: exit %d\n%s", code, out)
	}
	judge(t, sim, results, byMarker, rows)
	if n := sim.Posts(""); n != rows {
		t.Errorf("%d POSTs for %d rows", n, rows)
	}

	if err := os.Symlink(filepath.Join(disk, "reports"), filepath.Join(home, "reports")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(disk, "reports"), 0o700); err != nil {
		t.Fatal(err)
	}
	free = fill(t, disk)
	out, code = run(t, env, "reconcile", "--all")
	if code != exitTrouble || !strings.Contains(out, "no space left on device") {
		t.Errorf("reconcile on a full disk: exit %d\n%s", code, out)
	}
	if left, err := os.ReadDir(filepath.Join(disk, "reports")); err != nil || len(left) > 0 {
		t.Errorf("a part of a report is left: %v, %v", left, err)
	}
	free()
	if out, code := run(t, env, "reconcile", "--all"); code != exitClean {
		t.Errorf("reconciled again: exit %d\n%s", code, out)
	}
	folders, err := filepath.Glob(filepath.Join(disk, "reports", "2*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("reports %v, %v", folders, err)
	}
	if out, code := run(t, env, "verify", folders[0]); code != exitClean {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
}

// smallDisk is a disk of the test's own, which takes root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("mount a small disk: %v; this test needs root, or the right to mount", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on a disk, until free is called.
func fill(t *testing.T, disk string) (free func()) {
	t.Helper()
	name := filepath.Join(disk, "full")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}
