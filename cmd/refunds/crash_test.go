package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

// TestProcesses is what befalls real processes. They mostly wait, so all are run at once.
func TestProcesses(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, p := range []struct {
		name string
		test func(*testing.T)
	}{
		{"paused sender", testPausedSender},
		{"paused at the journal", testPausedAtJournal},
		{"terminated", testTerminated},
		{"PostgreSQL stops", testPostgresStops},
		{"COMMITs cut off", testCommitsCutOff},
	} {
		all.Go(func() { t.Run(p.name, p.test) })
	}
	all.Wait()
}

// A sender is stopped with its POST on the way, for so long that another instance concludes
// that the refund is absent and, under retry, sends it again. When it goes on, its
// token has expired. Where PortOne takes expired tokens all the same the refund is made
// twice: so this test would see it.
func testPausedSender(t *testing.T) {
	var all sync.WaitGroup
	for _, tt := range []struct {
		name     string
		noExpiry bool // PortOne takes expired tokens
		policy   string
		other    string // what the other instance does
		posts    int
		made     int
		status   string
	}{
		{"issue", false, "retry", "issue", 2, 1, "issued"},
		{"resolve", false, "quarantine", "resolve", 1, 0, "quarantined"},
		{"expired tokens are taken", true, "retry", "issue", 2, 2, "issued"},
	} {
		story := func(t *testing.T) {
			sim := portonetest.New(portonetest.Config{IgnoreExpiry: tt.noExpiry})
			defer sim.Close()
			file, _ := killFile(t, sim, rand.New(rand.NewPCG(1, 1)), 1)
			if err := sim.Start(""); err != nil {
				t.Fatal(err)
			}
			env := append(processEnv(sim, t.TempDir()), "REFUNDS_ON_ABSENT="+tt.policy)
			h := newHeld(t, strings.TrimPrefix(sim.URL(), "http://"))
			first := exec.Command(os.Args[0], "issue", "--no-wait", file)
			first.Env = append(env, "PORTONE_BASE_URL=http://"+h.addr)
			if err := first.Start(); err != nil {
				t.Fatal(err)
			}
			<-h.caught
			if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			results := filepath.Join(t.TempDir(), "other.csv")
			if tt.other == "issue" {
				if out, code := run(t, env, "issue", "--results", results, file); code != exitClean {
					t.Errorf("the other instance: exit %d\n%s", code, out)
				}
			} else {
				waitFor(t, "resolve to conclude", func() bool { _, code := run(t, env, "resolve"); return code == exitFindings })
			}
			if err := first.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			close(h.release)
			_ = first.Wait() // whatever it makes of it
			waitFor(t, "the POST", func() bool {
				p := sim.Truth()
				return len(p.Requests) > 0 && answered(p) == 1+min(1, strings.Count(tt.policy, "retry"))
			})
			if n := len(sim.Made("")); n != tt.made {
				t.Errorf("made %d times, want %d", n, tt.made)
			}
			if out, code := run(t, env, "issue", "--results", results, file); code == exitTrouble {
				t.Errorf("issued again: exit %d\n%s", code, out)
			}
			lines, err := readCSV(results)
			if err != nil || len(lines) != 1 || lines[0]["status"] != tt.status {
				t.Errorf("results %v, %v", lines, err)
			}
			if n := len(sim.Made("")); n != tt.made {
				t.Errorf("in the end made %d times, want %d", n, tt.made)
			}
		}
		all.Go(func() { t.Run(tt.name, story) })
	}
	all.Wait()
}

// A sender is stopped as soon as its journal has the attempt's line, while it waits for its turn
// of the pace and has written nothing. Another instance concludes meanwhile and, under
// retry, sends; the first then goes on, and sees by itself that it is too late.
func testPausedAtJournal(t *testing.T) {
	tries, before := 2, atomic.Int32{}
	if *prove {
		tries = 8
	}
	var all sync.WaitGroup
	for n := range tries {
		all.Go(func() {
			sim := portonetest.New(portonetest.Config{})
			defer sim.Close()
			file, byMarker := killFile(t, sim, rand.New(rand.NewPCG(1, uint64(n))), 1)
			if err := sim.Start(""); err != nil {
				t.Error(err)
				return
			}
			home := t.TempDir()
			env := append(processEnv(sim, home), "REFUNDS_ON_ABSENT=retry")
			first := exec.Command(os.Args[0], "issue", file)
			first.Env = append(env, "PORTONE_RATE=4", "PORTONE_BURST=1")
			if err := first.Start(); err != nil {
				t.Error(err)
				return
			}
			for {
				if b, err := os.ReadFile(filepath.Join(home, "journal")); err == nil && bytes.Contains(b, []byte(`"attempt":`)) {
					break
				}
				time.Sleep(time.Millisecond)
			}
			_ = first.Process.Signal(syscall.SIGSTOP) // it may have ended
			time.Sleep(20 * time.Millisecond)         // what was written comes
			if sim.Posts("") == 0 {
				before.Add(1)
			}
			out, code := run(t, env, "issue", file)
			_ = first.Process.Signal(syscall.SIGCONT)
			_ = first.Wait()
			if n := len(sim.Made("")); n != 1 || code != exitClean {
				t.Errorf("exit %d, made %d times\n%s", code, n, out)
			}
			endsRight(t, sim, env, file, byMarker)
		})
	}
	all.Wait()
	t.Logf("%d of %d were stopped before their POST", before.Load(), tries)
	if before.Load() == 0 {
		t.Error("this proves nothing")
	}
}

// answered counts the refund POSTs that were dealt with.
func answered(p portonetest.Truth) (n int) {
	for _, r := range p.Requests {
		if r.Route == portonetest.RoutePost && r.Took > 0 {
			n++
		}
	}
	return n
}

// SIGTERM in the middle, several times: what is in flight is finished and recorded.
func testTerminated(t *testing.T) {
	sim := portonetest.New(portonetest.Config{Seed: *seed, Script: portonetest.MustParse(portonetest.BadDay), MaxHang: time.Second})
	defer sim.Close()
	rnd := rand.New(rand.NewPCG(*seed, 2))
	file, byMarker := killFile(t, sim, rnd, 60)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env := processEnv(sim, t.TempDir())
	for range 3 {
		posts := sim.Posts("")
		c := exec.Command(os.Args[0], "issue", file)
		c.Env = append(env, "PORTONE_CONCURRENCY=4")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "some POSTs", func() bool { return sim.Posts("") > posts+rnd.IntN(10) })
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		if code := c.ProcessState.ExitCode(); code != exitIncomplete {
			t.Errorf("exit %d, want %d", code, exitIncomplete)
		}
		lines, err := readCSV(strings.TrimSuffix(file, ".csv") + ".results.csv")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l["status"] == "sending" {
				t.Errorf("left as sending: %v", l)
			}
		}
	}
	endsRight(t, sim, env, file, byMarker)
}

// One file given 20 times at once: each row is sent once.
func TestTwentyAtOnce(t *testing.T) {
	engines := []string{"postgres"}
	if *prove {
		engines = append(engines, "sqlite")
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			sim := portonetest.New(portonetest.Config{})
			defer sim.Close()
			const rows = 40
			file, byMarker := killFile(t, sim, rand.New(rand.NewPCG(1, 3)), rows)
			if err := sim.Start(""); err != nil {
				t.Fatal(err)
			}
			env := append(processEnv(sim, t.TempDir()), "PORTONE_TIMEOUT=5s", "PORTONE_TOKEN_TTL=10s") // they starve each other
			if engine == "postgres" {
				env = append(env, "DATABASE_URL="+ledgertest.Migrated(t))
			}
			var all sync.WaitGroup
			for n := range 20 {
				all.Go(func() {
					c := exec.Command(os.Args[0], "issue", file)
					c.Env = env
					if out, err := c.CombinedOutput(); err != nil {
						t.Errorf("instance %d: %v\n%s", n, err, out)
					}
				})
			}
			all.Wait()
			if n := sim.Posts(""); n != rows {
				t.Errorf("%d POSTs for %d rows", n, rows)
			}
			judge(t, sim, strings.TrimSuffix(file, ".csv")+".results.csv", byMarker, rows)
		})
	}
}

// endsRight lets the file go on to its end and judges every row.
func endsRight(t *testing.T, sim *portonetest.Server, env []string, file string, byMarker map[string]string) {
	t.Helper()
	out, code := run(t, env, "issue", file)
	if code != exitClean && code != exitFindings {
		t.Fatalf("issue: exit %d\n%s", code, out)
	}
	judge(t, sim, strings.TrimSuffix(file, ".csv")+".results.csv", byMarker, len(byMarker))
}
