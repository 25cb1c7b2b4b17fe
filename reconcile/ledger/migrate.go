package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// provider runs the engine's own folder of migrations.
func (d *DB) provider() (*goose.Provider, error) {
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.engine == postgres {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(l))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, d.w.DB, files, options...)
}

// version is the schema's, 0 for an empty database. It changes nothing: the program's
// role in PostgreSQL may not create tables.
func (d *DB) version(ctx context.Context) (v int64, err error) {
	there := `SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'`
	if d.engine == postgres {
		there = `SELECT count(to_regclass('goose_db_version'))`
	}
	var n int
	if err := d.w.GetContext(ctx, &n, there); err != nil || n == 0 {
		return 0, err
	}
	return v, d.w.GetContext(ctx, &v, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`)
}

// known is the newest version that this program has.
func known(p *goose.Provider) int64 {
	s := p.ListSources()
	return s[len(s)-1].Version
}

func (d *DB) checkVersion(ctx context.Context) error {
	p, err := d.provider()
	if err != nil {
		return err
	}
	v, err := d.version(ctx)
	if err != nil {
		return unreachable(d.where, err)
	}
	return d.compare(v, known(p))
}

func (d *DB) compare(v, known int64) error {
	switch {
	case v > known:
		return &Unusable{ErrNewer, fmt.Sprintf(
			"the ledger at %s has schema version %d, and this program knows versions up to %d; use the newer program that made it", d.where, v, known)}
	case v < known:
		return &Unusable{ErrOld, fmt.Sprintf(
			"the ledger at %s has schema version %d, and this program needs version %d; run: refunds migrate", d.where, v, known)}
	}
	return nil
}

// migrate may run in several processes at once. In PostgreSQL a lock lets them in
// one by one; in SQLite a loser's migration fails as a whole, and it goes on from what the
// winner has done by then.
func (d *DB) migrate(ctx context.Context) (from, to int64, err error) {
	p, err := d.provider()
	if err != nil {
		return 0, 0, err
	}
	from, err = d.version(ctx)
	if err != nil {
		return 0, 0, unreachable(d.where, err)
	}
	if err := d.compare(from, known(p)); err == nil || errors.Is(err, ErrNewer) {
		return from, from, err
	}
	var failed error
	for try := range 20 {
		_, failed = p.Up(ctx)
		to, err = d.version(ctx)
		if err == nil && to == known(p) {
			return from, to, nil
		}
		if d.engine != sqliteEngine || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Duration(1+try) * 10 * time.Millisecond)
	}
	return from, to, unreachable(d.where, fmt.Errorf("its schema can't be brought from version %d to %d: %w", from, known(p), errors.Join(failed, err)))
}
