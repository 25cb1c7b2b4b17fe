package ledger

import "context"

// Write is the transaction helper, for tests of when it runs twice.
func (d *DB) Write(ctx context.Context, f func(exec func(query string, args ...any) error) error) error {
	return d.write(ctx, func(t tx) error {
		return f(func(query string, args ...any) error {
			_, err := t.exec(ctx, query, args...)
			return err
		})
	})
}

// Synchronous is SQLite's setting for the connection that writes: 2 is FULL.
func (d *DB) Synchronous(ctx context.Context) (n int, err error) {
	err = d.w.GetContext(ctx, &n, "PRAGMA synchronous")
	return n, err
}
