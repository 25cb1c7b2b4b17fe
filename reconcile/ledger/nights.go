package ledger

import (
	"context"
	"fmt"
	"time"

	"refunds/reconcile"
)

// ClaimNight implements reconcile.Nights.
func (d *DB) ClaimNight(ctx context.Context, date reconcile.Date, owner string, now time.Time, staleAfter time.Duration) (ours bool, err error) {
	err = d.write(ctx, func(t tx) error {
		n, err := t.exec(ctx, `INSERT INTO nights (business_date, owner, claimed_at, beat_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (business_date) DO UPDATE SET owner = excluded.owner, claimed_at = excluded.claimed_at, beat_at = excluded.beat_at
			WHERE nights.finished_at IS NULL AND (nights.beat_at IS NULL OR nights.beat_at < ?)`,
			date, owner, at(now), at(now), at(now.Add(-staleAfter)))
		ours = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claim the night of %s: %w", date, err)
	}
	return ours, nil
}

// BeatNight implements reconcile.Nights.
func (d *DB) BeatNight(ctx context.Context, date reconcile.Date, owner string, now time.Time) (ours bool, err error) {
	err = d.write(ctx, func(t tx) error {
		n, err := t.exec(ctx, `UPDATE nights SET beat_at = ? WHERE business_date = ? AND owner = ? AND finished_at IS NULL`, at(now), date, owner)
		ours = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("hold the night of %s: %w", date, err)
	}
	return ours, nil
}

// FinishNight implements reconcile.Nights.
func (d *DB) FinishNight(ctx context.Context, date reconcile.Date, owner, runID string, now time.Time) error {
	err := d.write(ctx, func(t tx) error {
		if runID == "" {
			_, err := t.exec(ctx, `UPDATE nights SET beat_at = NULL WHERE business_date = ? AND owner = ? AND finished_at IS NULL`, date, owner)
			return err
		}
		_, err := t.exec(ctx, `UPDATE nights SET run_id = ?, finished_at = ? WHERE business_date = ? AND owner = ? AND finished_at IS NULL`,
			runID, at(now), date, owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish the night of %s: %w", date, err)
	}
	return nil
}

// MissedNights implements reconcile.Nights.
func (d *DB) MissedNights(ctx context.Context, last reconcile.Date) ([]reconcile.Date, error) {
	var first reconcile.Date
	var done []reconcile.Date
	err := d.read(ctx, func(t tx) error {
		done = nil
		if _, err := t.get(ctx, &first, `SELECT coalesce(min(business_date), ?) FROM nights`, last); err != nil {
			return err
		}
		return t.all(ctx, &done, `SELECT business_date FROM nights WHERE finished_at IS NOT NULL ORDER BY business_date`)
	})
	if err != nil {
		return nil, fmt.Errorf("read the nights up to %s: %w", last, err)
	}
	return reconcile.Missed(first, last, done), nil
}
