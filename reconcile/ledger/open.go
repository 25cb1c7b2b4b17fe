package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// DB is the ledger database. It is safe for use by several goroutines, and by
// several processes beside each other.
type DB struct {
	engine engine
	where  string   // for people; no password
	r      *sqlx.DB // for read
	w      *sqlx.DB // for write; the same in PostgreSQL
}

// Options are how the ledger is opened. The zero value is right for most.
type Options struct {
	// MaxConns is the most connections to PostgreSQL; 0 is 16.
	MaxConns int
	// ConnectTimeout is how long Open waits for PostgreSQL; 0 is 5 seconds.
	ConnectTimeout time.Duration
	// ReadOnly opens a SQLite ledger without creating or migrating it.
	ReadOnly bool
}

// busyTimeout is how long SQLite waits for another process's transaction. Taking in
// 100,000 rows holds it for seconds.
const busyTimeout = 30 * time.Second

// Open opens the ledger at rawURL, "sqlite:PATH" or "postgres://…". SQLite is created
// (the folder for its owner only, 0700, the file 0600) and migrated; PostgreSQL is
// neither: Migrate does that. An error that a person must mend is an *Unusable.
func Open(ctx context.Context, rawURL string, o Options) (*DB, error) {
	d, err := connect(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	if d.engine == sqliteEngine && !o.ReadOnly {
		_, _, err = d.migrate(ctx)
	} else {
		err = d.checkVersion(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Migrate brings the ledger at rawURL to this program's schema and tells the versions
// before and after. Two at once are fine. A newer schema is left alone: ErrNewer.
func Migrate(ctx context.Context, rawURL string) (from, to int64, err error) {
	d, err := connect(ctx, rawURL, Options{})
	if err != nil {
		return 0, 0, err
	}
	from, to, err = d.migrate(ctx)
	return from, to, errors.Join(err, d.Close())
}

// Close waits for what is under way.
func (d *DB) Close() error {
	err := d.w.Close()
	if d.r != d.w {
		err = errors.Join(err, d.r.Close())
	}
	return err
}

// Ping tells whether the ledger answers.
func (d *DB) Ping(ctx context.Context) error { return d.r.PingContext(ctx) }

// String is where the ledger is, without a password.
func (d *DB) String() string { return d.where }

func connect(ctx context.Context, rawURL string, o Options) (*DB, error) {
	e, where, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if e == postgres {
		return connectPostgres(ctx, where, o)
	}
	return connectSQLite(ctx, where, o)
}

func connectPostgres(ctx context.Context, rawURL string, o Options) (*DB, error) {
	cfg, err := pq.NewConfig(rawURL)
	if err != nil {
		return nil, &Unusable{ErrURL, "DATABASE_URL has a setting that PostgreSQL's driver does not know (it is not shown, as it may hold a password)"}
	}
	timeout := o.ConnectTimeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = timeout
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = "refunds"
	}
	cfg.BinaryParameters = true // a query with arguments is then one round trip, not two
	c, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, unreachable(shown(rawURL), err)
	}
	conns := o.MaxConns
	if conns <= 0 {
		conns = 16
	}
	db := sqlx.NewDb(sql.OpenDB(c), "postgres")
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	d := &DB{engine: postgres, where: shown(rawURL), r: db, w: db}

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var commit string
	if err := db.GetContext(ctx, &commit, "SELECT current_setting('synchronous_commit')"); err != nil {
		return nil, errors.Join(unreachable(d.where, err), db.Close())
	}
	if commit == "off" {
		return nil, errors.Join(&Unusable{ErrUnreachable, fmt.Sprintf(
			"PostgreSQL at %s loses commits in a crash, since synchronous_commit is off; set it to on for this database or role", d.where)}, db.Close())
	}
	return d, nil
}

func connectSQLite(ctx context.Context, path string, o Options) (*DB, error) {
	if !o.ReadOnly {
		if err := createFile(path); err != nil {
			return nil, unreachable(path, err)
		}
	}
	// The readers' transactions are deferred, as the driver begins what is read-only;
	// the writer takes its lock at BEGIN, so that it never fails half-way for want of it.
	pragmas := url.Values{
		"_txlock": {"immediate"},
		"_dqs":    {"0"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "recursive_triggers(ON)",
		},
	}
	if o.ReadOnly {
		pragmas = url.Values{"mode": {"ro"}, "_dqs": {"0"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}}
	}
	dsn := "file://" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + pragmas.Encode()
	open := func(conns int) (*sqlx.DB, error) {
		c, err := sqlite.NewConnector(dsn)
		if err != nil {
			return nil, unreachable(path, err)
		}
		db := sqlx.NewDb(sql.OpenDB(c), "sqlite")
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		if err := patientPing(ctx, db); err != nil {
			return nil, errors.Join(unreachable(path, err), db.Close())
		}
		return db, nil
	}
	if o.ReadOnly {
		r, err := open(4)
		return &DB{engine: sqliteEngine, where: path, r: r, w: r}, err
	}
	w, err := open(1) // SQLite has one writer: let ours queue here, in their order, not in its busy loop
	if err != nil {
		return nil, err
	}
	r, err := open(4)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &DB{engine: sqliteEngine, where: path, r: r, w: w}, nil
}

// patientPing opens a first connection. Of several processes that switch a new file to WAL at once
// SQLite turns some away without waiting, whatever the busy time-out says.
func patientPing(ctx context.Context, db *sqlx.DB) error {
	for end := time.Now().Add(busyTimeout); ; {
		err := db.PingContext(ctx)
		if err == nil || !changedNothing(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(time.Duration(5+rand.IntN(20)) * time.Millisecond):
		}
	}
}

// createFile makes an empty file for its owner, and its folder, where there is none.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func unreachable(where string, err error) error {
	cure := "see that it runs and that DATABASE_URL is right"
	if !strings.HasPrefix(where, "postgres:") {
		cure = "see that it is a ledger of this program and that you may write there, or set REFUNDS_HOME or DATABASE_URL to another place"
	}
	return &Unusable{ErrUnreachable, fmt.Sprintf("the ledger at %s can't be opened: %v; %s", where, err, cure)}
}
