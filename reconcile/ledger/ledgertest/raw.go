package ledgertest

import (
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// Raw is the database behind the ledger at url, for a test that looks behind its
// methods or does what they would not.
func Raw(t testing.TB, url string) *sqlx.DB {
	t.Helper()
	driver, source := "postgres", url
	if path, is := strings.CutPrefix(url, "sqlite:"); is {
		driver, source = "sqlite", "file:"+path+"?_txlock=immediate&_pragma=foreign_keys(ON)&_pragma=busy_timeout(10000)"
	}
	db, err := sqlx.Open(driver, source)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

// Count is the number that query selects.
func Count(t testing.TB, db *sqlx.DB, query string, args ...any) (n int) {
	t.Helper()
	ok(t, db.Get(&n, db.Rebind(query), args...))
	return n
}
