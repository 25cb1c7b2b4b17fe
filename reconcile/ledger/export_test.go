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
