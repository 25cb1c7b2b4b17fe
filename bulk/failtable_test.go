package bulk_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"refunds/bulk"
)

// A failpoint is one case: a process that is struck once.
type failpoint struct {
	stop   place // where it stands still first, so that another is first with the outcome; zero: nowhere
	at     place
	blow   blow
	long   time.Duration // of a pause
	policy bulk.Policy
}

func (f failpoint) String() string {
	return fmt.Sprintf("%s/%s", f.where(), f.blow)
}

// where is a line's name in the table.
func (f failpoint) where() string {
	when := "before"
	switch {
	case f.at.bytes != "":
		when = string(f.at.bytes) + " of"
	case f.at.after:
		when = "after"
	}
	order := "first"
	switch {
	case f.at.order == "":
		order = "run"
	case f.at.order[len(f.at.order)-4:] == fmt.Sprintf("%04d", middle):
		order = "middle"
	case f.at.order[len(f.at.order)-4:] == fmt.Sprintf("%04d", barred):
		order = "last"
	}
	return fmt.Sprintf("%-10s %-6s %s %s %d", f.policy, order, when, f.at.kind, f.at.nth)
}

// failpoints are the cases at places: each before and after, each blow, and the POST cut off.
func failpoints(places []place, pauses map[blow]time.Duration) (all []failpoint) {
	for _, policy := range []bulk.Policy{bulk.Quarantine, bulk.Retry} {
		for _, at := range places {
			cut := []place{at, at}
			cut[1].after = true
			if at.kind == bulk.DoSend {
				for _, p := range []part{nothing, aByte, half, most, whole} {
					cut = append(cut, place{order: at.order, kind: doWire, nth: at.nth, bytes: p})
				}
			}
			for _, at := range cut {
				for _, b := range []blow{crash, fail, pause, stall} {
					if at.kind != bulk.DoJournal || !at.after || b != fail { // a line that is written has no outcome to be lost
						f := failpoint{at: at, blow: b, long: pauses[b], policy: policy}
						if at.kind == bulk.DoRecall {
							f.stop, f.long = place{order: at.order, kind: bulk.DoSend, nth: 1, after: true}, pauses[stall]
						}
						all = append(all, f)
					}
				}
			}
		}
	}
	return all
}

// few takes one case of each kind of step and blow, of another row and policy each time.
func few(all []failpoint) (some []failpoint) {
	type kind struct {
		at   place
		blow blow
	}
	var kinds []kind
	of := map[kind][]failpoint{}
	for _, f := range all {
		k := kind{f.at, f.blow}
		k.at.order = ""
		if f.at.nth > 1 {
			continue
		}
		if of[k] == nil {
			kinds = append(kinds, k)
		}
		of[k] = append(of[k], f)
	}
	for n, k := range kinds {
		some = append(some, of[k][n%len(of[k])])
	}
	return some
}

// nthOf takes every nth case.
func nthOf(all []failpoint, n int) (some []failpoint) {
	for i := 0; i < len(all); i += n {
		some = append(some, all[i])
	}
	return some
}

// A table is what came of the cases: a line for each place, a column for each blow.
type table struct {
	mu    sync.Mutex
	cases map[string]map[blow]string
	n     int
	wrong int
}

func (t *table) set(f failpoint, counts map[bulk.State]int, failed bool) {
	var words []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[s], s))
	}
	text := strings.Join(words, ", ")
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed {
		t.wrong++
		text = "WRONG: " + text
	}
	if t.cases == nil {
		t.cases = map[string]map[blow]string{}
	}
	if t.cases[f.where()] == nil {
		t.cases[f.where()] = map[blow]string{}
	}
	t.cases[f.where()][f.blow] = text
	t.n++
}

func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d cases, %d wrong\n", t.n, t.wrong)
	line := func(where string, cells map[blow]string) {
		fmt.Fprintf(&b, "%-40s", where)
		for _, blow := range []blow{crash, fail, pause, stall} {
			fmt.Fprintf(&b, " %-42s", cells[blow])
		}
		b.WriteByte('\n')
	}
	line("struck", map[blow]string{crash: "crash", fail: "error", pause: "pause", stall: "stall"})
	for _, where := range slices.Sorted(maps.Keys(t.cases)) {
		line(where, t.cases[where])
	}
	return b.String()
}
