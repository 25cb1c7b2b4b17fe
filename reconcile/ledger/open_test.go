package ledger_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"refunds/reconcile/ledger"
	"refunds/reconcile/ledger/ledgertest"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		kind      error
		want      string
	}{
		{"empty", "", ledger.ErrURL, "DATABASE_URL is empty"},
		{"no kind", "ledger.db", ledger.ErrURL, "known forms are sqlite:PATH and postgres://"},
		{"another kind", "mysql://u:hunter2@h/d", ledger.ErrURL, `begins with "mysql:"`},
		{"a password where the kind belongs", "S3cret/hunter2:x@h", ledger.ErrURL, `begins with "…:"`},
		{"no path", "sqlite:", ledger.ErrURL, "names no file"},
		{"memory", "sqlite::memory:", ledger.ErrURL, "must outlive the program"},
		{"a relative path after //", "sqlite://a/b", ledger.ErrURL, "write sqlite:a/b"},
		{"a password with a slash", "postgres://u:hunter2/x@h/d", ledger.ErrURL, "%-encode"},
		{"a setting that is none", "postgres://u:hunter2@h/d?sslmode=hunter2", ledger.ErrURL, "setting"},
		{"no slashes", "postgres:hunter2", ledger.ErrURL, "can't be read"},
		{"no database", "sqlite:" + file, ledger.ErrUnreachable, "not a database"},
		{"a file for a folder", "sqlite:" + file + "/ledger.db", ledger.ErrUnreachable, "not a directory"},
		{"a folder for a file", "sqlite:" + dir, ledger.ErrUnreachable, "is a directory"},
	} {
		db, err := ledger.Open(t.Context(), c.url, ledger.Options{})
		var unusable *ledger.Unusable
		if !errors.Is(err, c.kind) || !errors.As(err, &unusable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if db != nil {
			t.Errorf("%s: opened", c.name)
		}
	}
}

// TestPostgresDown opens where nobody listens, where nobody answers, and where the
// password is wrong or the database missing.
func TestPostgresDown(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	defer silent.Close()
	missing := strings.Replace(ledgertest.Postgres(t), "@/", "@/not-", 1)
	for _, c := range []struct{ name, url, want string }{
		{"nobody listens", "postgres://u:hunter2@" + closed.Addr().String() + "/d?sslmode=disable", "postgres://" + closed.Addr().String() + "/d can't be opened: "},
		{"nobody answers", "postgres://u:hunter2@" + silent.Addr().String() + "/d?sslmode=disable", "postgres://" + silent.Addr().String() + "/d can't be opened: "},
		{"no such database", missing, "does not exist"},
	} {
		start := time.Now()
		_, err := ledger.Open(t.Context(), c.url, ledger.Options{ConnectTimeout: time.Second})
		if !errors.Is(err, ledger.ErrUnreachable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") ||
			!strings.Contains(err.Error(), "see that it runs") {
			t.Errorf("%s: %v", c.name, err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: it took %v", c.name, took)
		}
	}
}

// TestPostgresGoesDown kills the connections under an open ledger: what it was doing
// fails, and what comes next goes on.
func TestPostgresGoesDown(t *testing.T) {
	url := ledgertest.Migrated(t)
	db := ledgertest.Open(t, url)
	if _, err := db.Batches(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := ledgertest.Raw(t, url)
	if _, err := raw.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Batches(t.Context()); err != nil {
		t.Errorf("after its connections were lost: %v", err)
	}
}

func TestLostCommits(t *testing.T) {
	url := ledgertest.Migrated(t) + "&synchronous_commit=off"
	_, err := ledger.Open(t.Context(), url, ledger.Options{})
	if !errors.Is(err, ledger.ErrUnreachable) || !strings.Contains(err.Error(), "synchronous_commit is off") {
		t.Error(err)
	}
}

// TestVersions opens ledgers that are older and newer than the program.
func TestVersions(t *testing.T) {
	for _, e := range ledgertest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			url := e.Fresh(t)
			ledgertest.Open(t, url)
			from, to, err := ledger.Migrate(t.Context(), url)
			if err != nil || from != to || to < 1 {
				t.Errorf("migrate what is migrated: from %d to %d: %v", from, to, err)
			}
			raw := ledgertest.Raw(t, url)
			if _, err := raw.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`); err != nil {
				t.Fatal(err)
			}
			if _, err := ledger.Open(t.Context(), url, ledger.Options{}); !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), "schema version 999") {
				t.Errorf("open a newer ledger: %v", err)
			}
			if _, _, err := ledger.Migrate(t.Context(), url); !errors.Is(err, ledger.ErrNewer) {
				t.Errorf("migrate a newer ledger: %v", err)
			}
		})
	}
	_, err := ledger.Open(t.Context(), ledgertest.Postgres(t), ledger.Options{})
	if !errors.Is(err, ledger.ErrOld) || !strings.Contains(err.Error(), "run: refunds migrate") {
		t.Errorf("open an empty PostgreSQL: %v", err)
	}
}

// TestMigrateAtOnce lets several processes' worth of handles find an empty database.
func TestMigrateAtOnce(t *testing.T) {
	for name, url := range map[string]string{"sqlite": ledgertest.SQLite(t), "postgres": ledgertest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if _, _, err := ledger.Migrate(context.Background(), url); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			ledgertest.Open(t, url)
			if n := ledgertest.Count(t, ledgertest.Raw(t, url), `SELECT count(*) FROM goose_db_version WHERE version_id = 1`); n != 1 {
				t.Errorf("migration 1 ran %d times", n)
			}
		})
	}
}

// What is committed outlives a loss of power only so; nothing short of one would show it.
func TestSQLiteIsDurable(t *testing.T) {
	db := ledgertest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"))
	if n, err := db.Synchronous(t.Context()); err != nil || n < 2 {
		t.Errorf("PRAGMA synchronous is %d (%v), not FULL", n, err)
	}
}

func TestSQLiteFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder?", "a%20#b", "ledger.db")
	ledgertest.Open(t, "sqlite:"+path)
	for p, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600} {
		i, err := os.Stat(p)
		if err != nil {
			t.Error(err)
			continue
		}
		if i.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v", p, i.Mode().Perm(), want)
		}
	}
	t.Chdir(t.TempDir())
	ledgertest.Open(t, "sqlite:refunds-data/ledger.db")
	if _, err := os.Stat("refunds-data/ledger.db"); err != nil {
		t.Error(err)
	}
}
