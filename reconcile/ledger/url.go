package ledger

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"
)

// engine is which database holds the ledger.
type engine int

const (
	sqliteEngine engine = iota
	postgres
)

func (e engine) rebind(query string) string {
	if e == postgres {
		return sqlx.Rebind(sqlx.DOLLAR, query)
	}
	return query
}

const knownForms = "known forms are sqlite:PATH and postgres://USER:PASSWORD@HOST:PORT/DATABASE"

// parseURL tells the engine and where the ledger is: SQLite's absolute path, or the
// URL as it came. What it says of a fault never shows a password.
func parseURL(raw string) (engine, string, error) {
	bad := func(format string, args ...any) (engine, string, error) {
		return 0, "", &Unusable{ErrURL, fmt.Sprintf(format, args...) + "; " + knownForms}
	}
	scheme, rest, ok := strings.Cut(raw, ":")
	switch {
	case raw == "":
		return bad("DATABASE_URL is empty")
	case !ok:
		return bad("DATABASE_URL does not say which kind of database")
	case scheme == "postgres" || scheme == "postgresql":
		if _, err := url.Parse(raw); err != nil || !strings.HasPrefix(rest, "//") {
			// What net/url says may hold a part of the password.
			return bad("DATABASE_URL can't be read as a URL of PostgreSQL (in a password, %%-encode what is not a letter or digit)")
		}
		return postgres, raw, nil
	case scheme != "sqlite":
		if len(scheme) > 20 || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
			scheme = "…" // not a scheme, so perhaps a secret
		}
		return bad("DATABASE_URL begins with %q, a kind of database that this program does not know", scheme+":")
	case rest == "" || strings.HasPrefix(rest, ":memory:"):
		return bad("DATABASE_URL names no file; a ledger must outlive the program")
	case strings.HasPrefix(rest, "//"):
		if rest = rest[2:]; !strings.HasPrefix(rest, "/") {
			return bad("DATABASE_URL has // before a relative path; write sqlite:%s", rest)
		}
	}
	path, err := filepath.Abs(rest)
	if err != nil {
		return bad("the folder of %s is unknown: %v", rest, err)
	}
	return sqliteEngine, path, nil
}

// shown is a PostgreSQL URL without user, password and settings.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "postgres://…"
	}
	host := u.Host
	if host == "" {
		host = u.Query().Get("host")
	}
	return "postgres://" + host + u.Path
}
