package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

// PostgreSQL is stopped at once in the middle of issuing, and started again: the run goes on, or
// the same command does.
func testPostgresStops(t *testing.T) {
	stops, rows := 1, 40
	if *prove {
		stops, rows = 4, 160
	}
	dsn, stop, start := ledgertest.Stoppable(t)
	sim := portonetest.New(portonetest.Config{Seed: *seed, Script: portonetest.MustParse("post slow-after for=20ms, post 5% 500-after, lag 20% 200ms")})
	defer sim.Close()
	rnd := rand.New(rand.NewPCG(*seed, 4))
	file, byMarker := killFile(t, sim, rnd, rows)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env := append(processEnv(sim, t.TempDir()), "DATABASE_URL="+dsn, "PORTONE_CONCURRENCY=4")
	var c *exec.Cmd
	ended := make(chan struct{})
	close(ended)
	stopped := 0
	for over := false; stopped < stops && !over; {
		enough := sim.Posts("") + 1 + rnd.IntN(rows/stops/2)
		for sim.Posts("") < enough && !over {
			select {
			case <-ended:
				if c != nil && c.ProcessState.ExitCode() <= exitFindings {
					over = true
					continue
				}
				c, ended = exec.Command(os.Args[0], "issue", file), make(chan struct{})
				c.Env = env
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				go func() { _ = c.Wait(); close(ended) }()
			case <-time.After(time.Millisecond):
			}
		}
		if !over {
			stop()
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
			start()
			stopped++
		}
	}
	<-ended
	if code := c.ProcessState.ExitCode(); code < exitClean || code > exitIncomplete {
		t.Errorf("exit %d", code)
	}
	t.Logf("%d times stopped", stopped)
	if stopped <= stops/2 {
		t.Error("this proves too little")
	}
	endsRight(t, sim, env, file, byMarker)
}

// A connection to PostgreSQL ends at every seventh or so COMMIT, before or after it was carried out,
// and the program can't know which: nothing is sent twice or lost, and it goes on.
func testCommitsCutOff(t *testing.T) {
	rows, every := 30, 14
	if *prove {
		rows, every = 300, 7
	}
	dsn, err := url.Parse(ledgertest.Migrated(t))
	if err != nil {
		t.Fatal(err)
	}
	cutter := newCutter(t, filepath.Join(dsn.Query().Get("host"), ".s.PGSQL.5432"))
	sim := portonetest.New(portonetest.Config{Seed: *seed, Script: portonetest.MustParse("post 5% 500-after, lag 20% 200ms")})
	defer sim.Close()
	file, byMarker := killFile(t, sim, rand.New(rand.NewPCG(*seed, 5)), rows)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env := append(processEnv(sim, t.TempDir()), "PORTONE_CONCURRENCY=4", "PORTONE_RATE=200",
		fmt.Sprintf("DATABASE_URL=postgres://refunds@%s%s?sslmode=disable", cutter.addr, dsn.Path))
	for code := -1; code != exitClean && code != exitFindings; {
		posts := sim.Posts("")
		c := exec.Command(os.Args[0], "issue", file)
		c.Env = env
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		for sim.Posts("") == posts { // while it starts, an error is for a person to see
			select {
			case <-ended:
				posts = -1
			case <-time.After(time.Millisecond):
			}
		}
		cutter.cut(every)
		<-ended
		cutter.cut(0)
		if code = c.ProcessState.ExitCode(); code < exitClean || t.Context().Err() != nil {
			t.Fatalf("exit %d", code)
		}
	}
	before, after := cutter.cuts()
	t.Logf("%d COMMITs cut off before, %d after they were carried out", before, after)
	if before < rows/15 || after < rows/15 {
		t.Error("this proves too little")
	}
	endsRight(t, sim, env, file, byMarker)
}
