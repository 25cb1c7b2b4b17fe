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
	us := bindingOf(env, clientKey)
	var its binding
	err := d.write(ctx, func(t tx) error {
		found, err := t.get(ctx, &its, selectBinding)
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
		_, err = t.get(ctx, &its, selectBinding) // another process was first
		return err
	})
	if err != nil {
		return fmt.Errorf("bind the ledger: %w", err)
	}
	return d.compareBinding(us, its)
}

// CheckBound is Bind for one who only reads: a ledger that is bound to nobody is anybody's.
func (d *DB) CheckBound(ctx context.Context, env portone.Environment, clientKey string) error {
	us := bindingOf(env, clientKey)
	its := us
	err := d.read(ctx, func(t tx) error {
		_, err := t.get(ctx, &its, selectBinding)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the ledger's binding: %w", err)
	}
	return d.compareBinding(us, its)
}

// A binding is whom a ledger is for. The key itself is not stored.
type binding struct {
	Environment portone.Environment `db:"environment"`
	SHA256      string              `db:"client_key_sha256"`
	End         string              `db:"client_key_end"`
}

const selectBinding = `SELECT environment, client_key_sha256, client_key_end FROM binding`

func bindingOf(env portone.Environment, clientKey string) binding {
	hash := sha256.Sum256([]byte(clientKey))
	return binding{env, hex.EncodeToString(hash[:]), end(clientKey)}
}

func (d *DB) compareBinding(us, its binding) error {
	if its == us {
		return nil
	}
	return &Unusable{ErrBound, fmt.Sprintf(
		"the ledger at %s belongs to %s with the client key that ends in %s, not to %s with the one that ends in %s; "+
			"set REFUNDS_HOME or DATABASE_URL to a ledger of your own for it, or set PORTONE_ENVIRONMENT and PORTONE_CLIENT_KEY back",
		d.where, its.Environment, its.End, us.Environment, us.End)}
}

// end is as much of a key as people are shown: the last 4 characters of one that has more than 8.
func end(key string) string {
	r := []rune(key)
	if len(r) <= 8 {
		return "…"
	}
	return string(r[len(r)-4:])
}
