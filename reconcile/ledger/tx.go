package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// A tx is one transaction. Its queries are written with ? for both engines.
type tx struct {
	x      *sqlx.Tx
	engine engine
}

// write runs f in one transaction and commits it. A nil error means that it is
// durable. After an error of f nothing is changed; after an error of the commit it
// may be or not.
//
// f may run more than once: PostgreSQL breaks a deadlock or a serialization conflict
// by failing one side (40P01, 40001), and SQLite gives up waiting for another
// process (BUSY); a pooled connection may turn out lost at the BEGIN. All of them
// have changed nothing. So f sets what it captures, and never adds to it.
func (d *DB) write(ctx context.Context, f func(tx) error) error {
	return d.repeat(ctx, d.w, &sql.TxOptions{}, f)
}

// read runs f in one transaction that sees one state of the ledger throughout and
// can't change it. f may run more than once, as in write.
func (d *DB) read(ctx context.Context, f func(tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if d.engine == postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	return d.repeat(ctx, d.r, o, f)
}

// maxTries bounds how often a transaction runs. SQLite has waited busyTimeout before each failure.
var maxTries = map[engine]int{postgres: 20, sqliteEngine: 2}

func (d *DB) repeat(ctx context.Context, db *sqlx.DB, o *sql.TxOptions, f func(tx) error) error {
	for try := 1; ; try++ {
		err := d.once(ctx, db, o, f)
		if err == nil || !changedNothing(err) || try >= maxTries[d.engine] {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(time.Duration(1+rand.IntN(1+4*try)) * time.Millisecond): // apart, so that two don't meet again
		}
	}
}

func (d *DB) once(ctx context.Context, db *sqlx.DB, o *sql.TxOptions, f func(tx) error) error {
	x, err := db.BeginTxx(ctx, o)
	if err != nil {
		return notBegun{err}
	}
	defer x.Rollback() // of no effect after the commit
	err = f(tx{x: x, engine: d.engine})
	if err == nil {
		err = x.Commit()
	}
	if end := ctx.Err(); err != nil && end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err) // database/sql only says that the transaction is over
	}
	return err
}

// notBegun is an error of the BEGIN, before which a transaction can't have changed anything.
type notBegun struct{ error }

func (n notBegun) Unwrap() error { return n.error }

// changedNothing tells of a failure after which the engine has certainly undone the
// transaction and running it again may succeed.
func changedNothing(err error) bool {
	if _, is := errors.AsType[notBegun](err); is {
		// A connection of the pool that was lost since its last use; a new one that
		// can't be had (dial) is another matter.
		if e, ok := errors.AsType[*net.OpError](err); ok {
			return e.Op != "dial"
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) {
			return true
		}
	}
	if e, ok := errors.AsType[*pq.Error](err); ok {
		return e.Code == "40001" || e.Code == "40P01"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == 5 // SQLITE_BUSY and its extended codes
	}
	return false
}

// exec tells how many rows it changed.
func (t tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.x.ExecContext(ctx, t.engine.rebind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// get reads one row into dest; found is false when there is none.
func (t tx) get(ctx context.Context, dest any, query string, args ...any) (found bool, err error) {
	err = t.x.GetContext(ctx, dest, t.engine.rebind(query), args...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// all reads every row into dest, a slice.
func (t tx) all(ctx context.Context, dest any, query string, args ...any) error {
	return t.x.SelectContext(ctx, dest, t.engine.rebind(query), args...)
}

// maxParameters is below what one statement may carry: 32766 in SQLite, 65535 in PostgreSQL.
const maxParameters = 16000

// insert adds rows by as few statements as their parameters allow. head ends before
// VALUES, tail comes after them.
func (t tx) insert(ctx context.Context, head string, rows [][]any, tail string) (added int64, err error) {
	for len(rows) > 0 {
		width := len(rows[0])
		n := min(len(rows), maxParameters/width)
		args := make([]any, 0, n*width)
		for _, r := range rows[:n] {
			if len(r) != width {
				return 0, fmt.Errorf("a row of %d values among rows of %d", len(r), width)
			}
			args = append(args, r...)
		}
		one := "(?" + strings.Repeat(", ?", width-1) + ")"
		done, err := t.exec(ctx, head+" VALUES "+one+strings.Repeat(", "+one, n-1)+" "+tail, args...)
		if err != nil {
			return 0, err
		}
		added += done
		rows = rows[n:]
	}
	return added, nil
}

// chunks gives all of s, in order, in parts that one statement can look up.
func chunks[T any](s []T) iter.Seq[[]T] { return slices.Chunk(s, 1000) }

// in is "(?, ?, …)" and the arguments for it, for the values of one chunk.
func in(values []string) (string, []any) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return "(?" + strings.Repeat(", ?", len(values)-1) + ")", args
}

// serialize lets one taker-in of files or imports work at a time, until this
// transaction ends. In SQLite every writer does already.
func (t tx) serialize(ctx context.Context) error {
	if t.engine != postgres {
		return nil
	}
	_, err := t.exec(ctx, "SELECT pg_advisory_xact_lock(7364838219)") // a number of our own, the same in every process
	return err
}
