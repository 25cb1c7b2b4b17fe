package bulk

import (
	"flag"
	"testing"
)

var (
	worldRuns = flag.Int("world.runs", 3000, "how many worlds to play")
	worldSeed = flag.Uint64("world.seed", 0, "play this world alone, and tell all of it")
)

func TestWorld(t *testing.T) {
	if *worldSeed != 0 {
		w := newWorld(*worldSeed, "", &leftOut{})
		w.tracing = true
		v := w.run()
		for _, l := range w.trace {
			t.Log(l)
		}
		t.Log(v.bad(), w.steps)
		return
	}
	var tab [3][2][6]int
	shown := map[string]int{}
	st := 0
	for s := 1; s <= *worldRuns; s++ {
		w := newWorld(uint64(s), "", &leftOut{})
		v := w.run()
		b := 0
		if w.beyond {
			b = 1
		}
		c := &tab[s%3][b]
		c[0]++
		if v.double != "" {
			c[1]++
		}
		if v.wrong != "" {
			c[2]++
		}
		if v.broken != "" {
			c[3]++
		}
		c[4] += v.rows
		c[5] += v.quarantined
		st += w.steps
		if v.bad() != "" && (!w.beyond || v.broken != "" || w.policy == Quarantine) {
			if shown[v.bad()]++; shown[v.bad()] < 4 {
				t.Logf("seed %d %s beyond %v: %s", s, w.policy, w.beyond, v.bad())
			}
		}
	}
	for p := range tab {
		for b := range 2 {
			t.Log(policies[p], b, tab[p][b])
		}
	}
	t.Log("steps", st / *worldRuns, shown)
}
