package ledgertest

import (
	"path/filepath"
	"testing"

	"refunds/reconcile/ledger"
)

// SQLite gives the URL of a fresh SQLite ledger in a folder of the test's own.
func SQLite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "ledger.db") }

// Migrated gives the URL of a fresh PostgreSQL ledger; see Postgres.
func Migrated(t testing.TB, options ...Option) string {
	t.Helper()
	url := Postgres(t, options...)
	if _, _, err := ledger.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return url
}

// Open opens the ledger at url until the test is over.
func Open(t testing.TB, url string) *ledger.DB {
	t.Helper()
	db, err := ledger.Open(t.Context(), url, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Engines are the two, each with how to make a fresh ledger of it.
var Engines = []struct {
	Name  string
	Fresh func(testing.TB) string
}{
	{"sqlite", SQLite},
	{"postgres", func(t testing.TB) string { return Migrated(t) }},
}

// Each runs test with a fresh ledger of each engine.
func Each(t *testing.T, test func(t *testing.T, db *ledger.DB)) {
	for _, e := range Engines {
		t.Run(e.Name, func(t *testing.T) { test(t, Open(t, e.Fresh(t))) })
	}
}
