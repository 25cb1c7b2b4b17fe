package bulk

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var (
	worldRuns = flag.Int("world.runs", 6000, "how many simulated worlds to play")
	worldSeed = flag.Uint64("world.seed", 0, "play the world of this seed alone, and tell all that happens in it")
)

// Every row's last word is the truth, and no refund is made twice, as long as PortOne keeps to the
// bounds; beyond them no refund is made twice under the default policy, and some are under
// the one that rests on the bounds.
func TestWorld(t *testing.T) {
	if *worldSeed != 0 {
		replay(t, *worldSeed)
		return
	}
	var (
		mu    sync.Mutex
		sums  tally
		parts = 4 * runtime.GOMAXPROCS(0)
	)
	t.Run("seeds", func(t *testing.T) {
		for part := range parts {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				var sum tally
				for seed := 1 + part; seed <= *worldRuns; seed += parts {
					w := newWorld(uint64(seed), "", &leftOut{})
					v := w.run()
					sum.add(w, v)
					if !w.tolerable(v) {
						told(t, w, v)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				sums.merge(sum)
			})
		}
	})
	t.Log(sums.String())
	if risky := sums[2][1]; risky.doubles == 0 && risky.runs >= 500 {
		t.Errorf("beyond the bounds %s made no double in %d worlds; such worlds prove nothing", Retry, risky.runs)
	}
}

// tolerable tells whether a world may end like that. Beyond the bounds the policies that send
// again may refund twice, and then tell it wrongly; the default may do neither.
func (w *simWorld) tolerable(v finding) bool {
	if w.beyond && w.policy != Quarantine {
		return v.broken == ""
	}
	return v.bad() == ""
}

// told fails the test with a seed, what is left of it after shrinking, and how to see it again.
func told(t *testing.T, w *simWorld, v finding) {
	small, l := shrink(w, v)
	t.Errorf("seed %d, policy %s, beyond the bounds %t: %s\nshrunk, without %s:\n%s\nall of it: make prove SEED=%d",
		w.seed, w.policy, w.beyond, v.bad(), l, strings.Join(small.trace, "\n"), w.seed)
	if t.Failed() && *worldSeed == 0 {
		t.FailNow() // one is enough to look at
	}
}

// replay tells all of one world, and, if it is bad, what it shrinks to.
func replay(t *testing.T, seed uint64) {
	w := newWorld(seed, "", &leftOut{})
	w.tracing = true
	v := w.run()
	t.Logf("seed %d, policy %s, beyond the bounds %t, event hash %016x\n%s\n%d rows, %d quarantined; %s", seed, w.policy, w.beyond, w.hash,
		strings.Join(w.trace, "\n"), v.rows, v.quarantined, orNothing(v.bad()))
	switch {
	case !w.tolerable(v):
		told(t, w, v)
	case v.bad() != "":
		small, l := shrink(w, v)
		t.Logf("shrunk, without %s:\n%s", l, strings.Join(small.trace, "\n"))
	}
}

func orNothing(bad string) string {
	if bad == "" {
		return "nothing is wrong"
	}
	return bad
}

// shrink leaves out of a bad world what it can while it stays bad in the same way: first whole
// kinds of mischief, then single strikes, as long as that helps.
func shrink(w *simWorld, v finding) (*simWorld, *leftOut) {
	l := &leftOut{}
	play := func(l leftOut, tracing bool) (*simWorld, bool) {
		s := newWorld(w.seed, w.naive, &l)
		s.tracing = tracing
		again := s.run()
		return s, (again.double != "") == (v.double != "") && (again.wrong != "") == (v.wrong != "") && (again.broken != "") == (v.broken != "")
	}
	for shrunk := true; shrunk; {
		shrunk = false
		now, _ := play(*l, false)
		for m := range timing {
			less := *l
			if less.kinds |= 1 << m; less.kinds == l.kinds {
				continue
			}
			if _, bad := play(less, false); bad {
				*l, shrunk = less, true
			}
		}
		for n := range min(now.struck, len(l.strikes)*64) {
			less := *l
			if less.drop(n); less.strikes == l.strikes {
				continue
			}
			if s, bad := play(less, false); bad && s.steps <= now.steps {
				*l, shrunk = less, true
				now = s
			}
		}
	}
	s, _ := play(*l, true)
	return s, l
}

func (l *leftOut) String() string {
	var names []string
	for m := range mischiefs {
		if l.kinds>>m&1 == 1 {
			names = append(names, mischiefNames[m])
		}
	}
	return strings.Join(names, ", ")
}

// The same seed plays the same world, event for event, whatever runs beside it.
func TestWorldIsReplayed(t *testing.T) {
	const seeds = 300
	hashes := func() (all [seeds]uint64) {
		var group sync.WaitGroup
		for part := range 3 {
			group.Go(func() {
				for seed := part; seed < seeds; seed += 3 {
					w := newWorld(uint64(seed+1), "", &leftOut{})
					w.run()
					all[seed] = w.hash
				}
			})
		}
		group.Wait()
		return all
	}
	first := hashes()
	different := map[uint64]bool{}
	for _, h := range first {
		different[h] = true
	}
	if len(different) != seeds {
		t.Errorf("%d worlds have %d hashes", seeds, len(different))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(n)
		if hashes() != first {
			t.Errorf("GOMAXPROCS=%d gives other hashes", n)
		}
	}
}

// The proof can see the crime: issuers as one writes them in an afternoon refund twice in it, within
// the bounds, soon.
func TestWorldSeesNaiveIssuers(t *testing.T) {
	for _, naive := range []string{retryOnError, lookOnce} {
		t.Run(naive, func(t *testing.T) {
			const worlds = 1000
			first, doubles := 0, 0
			for seed := 1; seed <= worlds; seed++ {
				w := newWorld(uint64(seed), naive, &leftOut{})
				v := w.run()
				if v.broken != "" {
					t.Fatalf("seed %d: %s", seed, v.broken)
				}
				if v.double == "" {
					continue
				}
				if doubles++; first == 0 {
					first = seed
				}
			}
			t.Logf("a refund is made twice in %d of %d worlds, first in seed %d", doubles, worlds, first)
			if doubles < worlds/20 {
				t.Errorf("%d doubles in %d worlds; a proof that can't see these sees nothing", doubles, worlds)
			}
		})
	}
}

// tally counts worlds by policy, and within or beyond the bounds.
type tally [len(policies)][2]struct{ runs, doubles, wrong, rows, quarantined, held int }

func (y *tally) add(w *simWorld, v finding) {
	in := 0
	if w.beyond {
		in = 1
	}
	c := &y[w.seed%uint64(len(policies))][in]
	c.runs++
	if v.double != "" {
		c.doubles++
	}
	if v.wrong != "" {
		c.wrong++
	}
	c.rows += v.rows
	c.quarantined += v.quarantined
	c.held += v.held
}

func (y *tally) merge(other tally) {
	for p := range y {
		for b := range y[p] {
			c, o := &y[p][b], other[p][b]
			c.runs += o.runs
			c.doubles += o.doubles
			c.wrong += o.wrong
			c.rows += o.rows
			c.quarantined += o.quarantined
			c.held += o.held
		}
	}
}

func (y *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-16s %-7s %9s %9s %9s %9s %12s %6s\n", "policy", "bounds", "worlds", "doubles", "wrong", "rows", "quarantined", "held")
	for in, bounds := range [2]string{"kept", "broken"} {
		for p, policy := range policies {
			c := y[p][in]
			share := func(n int) string { // in tenths of a percent, rounded down
				m := n * 1000 / max(1, c.rows)
				return fmt.Sprintf("%d.%d %%", m/10, m%10)
			}
			fmt.Fprintf(&b, "%-16s %-7s %9d %9d %9d %9d %12s %6s\n", policy, bounds, c.runs, c.doubles, c.wrong, c.rows, share(c.quarantined), share(c.held))
		}
	}
	return b.String()
}
