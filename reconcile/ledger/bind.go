package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"refunds/portone"
)

// Bind gives the ledger to one environment and client key at its first use, and
// later refuses every other: ErrBound, with both sides named.
func (d *DB) Bind(ctx context.Context, env portone.Environment, clientKey string) error {
	hash := sha256.Sum256([]byte(clientKey))
	type binding struct {
		Environment portone.Environment `db:"environment"`
		SHA256      string              `db:"client_key_sha256"`
		End         string              `db:"client_key_end"`
	}
	us := binding{env, hex.EncodeToString(hash[:]), end(clientKey)}
	var its binding
	const query = `SELECT environment, client_key_sha256, client_key_end FROM binding`
	err := d.write(ctx, func(t tx) error {
		found, err := t.get(ctx, &its, query)
		if err != nil || found {
			return err
		}
		now := time.Now()
		n, err := t.exec(ctx, `INSERT INTO binding (one, environment, client_key_sha256, client_key_end, bound_at)
			VALUES (1, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, us.Environment, us.SHA256, us.End, at(now))
		if err != nil {
			return err
		}
		if n == 1 {
			its = us
			return t.log(ctx, event{at: now, kind: "bound", data: map[string]any{"environment": us.Environment, "client_key_end": us.End}})
		}
		_, err = t.get(ctx, &its, query) // another process was first
		return err
	})
	if err != nil {
		return fmt.Errorf("bind the ledger: %w", err)
	}
	if its != us {
		return &Unusable{ErrBound, fmt.Sprintf(
			"the ledger at %s belongs to %s with the client key that ends in %s, not to %s with the one that ends in %s; "+
				"set REFUNDS_HOME or DATABASE_URL to a ledger of your own for it, or set PORTONE_ENVIRONMENT and PORTONE_CLIENT_KEY back",
			d.where, its.Environment, its.End, us.Environment, us.End)}
	}
	return nil
}

// end is as much of a key as people are shown: the last 4 characters of one that has more than 8.
func end(key string) string {
	r := []rune(key)
	if len(r) <= 8 {
		return "…"
	}
	return string(r[len(r)-4:])
}
