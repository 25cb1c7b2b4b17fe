package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// NightStale is how long a night's holder may be silent before it counts as dead.
const NightStale = 5 * time.Minute

// Night runs the reconciliation of one business date, once: ran is false where another
// process has it or it was run before. A run that was stopped, or that could not be
// reported, gives the night back, to be taken up again; one that could not read some
// orders does not, since the next night's window holds those again.
func (r *Reconciler) Night(ctx context.Context, n Nights, date Date, zone *time.Location, report func(context.Context, Run) error) (run Run, ran bool, err error) {
	w, err := ActivityWindow(date, date, zone)
	if err != nil {
		return Run{}, false, err
	}
	owner := rand.Text()
	if ran, err = n.ClaimNight(ctx, date, owner, time.Now(), NightStale); err != nil || !ran {
		return Run{}, false, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	beatCtx, stop := context.WithCancel(groupCtx)
	group.Go(func() error { return beat(beatCtx, n, date, owner) })
	group.Go(func() error {
		defer stop()
		var err error
		run, err = r.Run(groupCtx, w)
		if err == nil { // also of a run that was stopped
			err = report(context.WithoutCancel(ctx), run)
		}
		return err
	})
	err = group.Wait()
	id := run.ID
	if err != nil || run.Stopped != "" {
		id = ""
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if endErr := n.FinishNight(end, date, owner, id, time.Now()); endErr != nil && err == nil {
		err = fmt.Errorf("end the night of %s: %w", date, endErr)
	}
	return run, true, err
}

// beat gives signs of life until ctx ends. A night that somebody else has taken over
// is left to them, which stops this run.
func beat(ctx context.Context, n Nights, date Date, owner string) error {
	tick := time.NewTicker(NightStale / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			ours, err := n.BeatNight(ctx, date, owner, now)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				continue // the ledger may be back before the night counts as dead; if not, the run fails by itself
			case !ours:
				return fmt.Errorf("the night of %s was taken over by another process", date)
			}
		}
	}
}
