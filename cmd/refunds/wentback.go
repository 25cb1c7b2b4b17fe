package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"refunds/bulk"
	"refunds/reconcile/ledger"
)

// openJournal opens the journal beside the ledger. One that is new, or whose content is lost,
// beside a ledger that is not, says so: nobody can tell then whether the ledger lost attempts.
func (a *app) openJournal(ctx context.Context, c config, db *ledger.DB) (*bulk.Journal, error) {
	j, err := bulk.OpenJournal(filepath.Join(c.Home, "journal"))
	if err != nil || !j.Fresh() {
		return j, err
	}
	has, err := db.HasAttempts(ctx)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	now, until := time.Now(), time.Time{}
	if has {
		b := c.rules.Bounds
		until = now.Add(c.TokenTTL + time.Second + b.ClockError + b.MaxProcessing + b.ListLag)
	}
	if err := j.Start(now, until); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// wentBack tells a person that history was lost, or may have been, and what to do.
func (a *app) wentBack(zone *time.Location) func(bulk.WentBack) {
	return func(w bulk.WentBack) {
		until := w.Until.In(zone).Format(time.DateTime)
		const then = "A refund that carries its row's marker is taken over. One that nobody has booked leaves its row quarantined: \"refunds resolve --list\" shows it, and a person decides."
		if w.Attempts == 0 {
			fmt.Fprintf(a.errs, "THE JOURNAL IS NEW, AND THE LEDGER IS NOT. Is this another machine, or was REFUNDS_HOME lost? "+
				"If the ledger is a restored copy too, attempts may be missing from it that nobody knows of. "+
				"So nothing is sent before %s, when every refund made until now must be listed. %s "+
				"Ctrl-C is safe; the same command goes on.\n", until, then)
			return
		}
		wait := fmt.Sprintf("Nothing is sent for their orders before %s, when their refunds must be listed.", until)
		if !time.Now().Before(w.Until) {
			wait = "Their refunds must be listed by now, if they were made."
		}
		fmt.Fprintf(a.errs, "THE LEDGER WENT BACK IN TIME. The journal has %d attempts on %d orders, sent from %s to %s, that the ledger does not have and that are not settled. "+
			"Was a backup restored, or did a failover lose commits? Every open order is read again before anything is sent. %s %s "+
			"Restore a newer ledger if there is one, before you go on; else this needs nothing of you but the quarantined rows. "+
			"It is said until each of the lost attempts is settled; what else the ledger lost (batches, imports, decisions) it can't know: give those again, and run \"refunds reconcile --all\".\n",
			w.Attempts, w.Orders, w.First.In(zone).Format(time.DateTime), w.Last.In(zone).Format(time.DateTime), wait, then)
	}
}
