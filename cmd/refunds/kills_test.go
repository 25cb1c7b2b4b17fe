package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

var (
	prove = flag.Bool("prove", false, "run the long form of the kills, and of the rules taken out")
	seed  = flag.Uint64("seed", 1, "of the kills and the faults")
)

// A killing is a world in which the program is killed over and over.
type killing struct {
	pace   pace
	engine string
	policy bulk.Policy
	seed   uint64
	rows   int
	kills  int
}

// A pace is how hard a process goes at it, and how many rows its kills may leave to a person.
type pace struct {
	name        string
	concurrency int
	rate        int
	share       map[bulk.Policy]int // of 10,000 rows
}

// What a kill leaves to a person is what was durable and not yet sent: at most as many as
// are at work at once.
var (
	rush   = pace{"rush", 32, 5000, map[bulk.Policy]int{bulk.Quarantine: 1500}}
	steady = pace{"steady", 4, 200, map[bulk.Policy]int{bulk.Quarantine: 1000, bulk.Retry: 50}}
)

// Killed at any moment, alone and then beside another that issues the same file, against
// a PortOne that does all that one can do: no instruction is refunded twice, none is
// called what it is not, and every row ends in a final word. Of all worlds of a pace and
// policy no more than its share of rows is left to a person.
func TestKills(t *testing.T) {
	t.Parallel()
	var all []killing
	for _, engine := range []string{"sqlite", "postgres"} {
		if !*prove {
			all = append(all, killing{rush, engine, bulk.Quarantine, *seed, 120, 4}, killing{steady, engine, bulk.Retry, *seed, 120, 4})
			continue
		}
		all = append(all, killing{rush, engine, bulk.Quarantine, *seed, 800, 25})
		for n := range uint64(2) {
			all = append(all, killing{steady, engine, bulk.Quarantine, *seed + n, 540, 30}, killing{steady, engine, bulk.Retry, *seed + n, 710, 20})
		}
	}
	type sum struct {
		worlds, rows, kills int
		verdict
	}
	sums := map[string]map[bulk.Policy]sum{rush.name: {}, steady.name: {}}
	var mu sync.Mutex
	var worlds sync.WaitGroup
	for _, k := range all {
		worlds.Go(func() { // they mostly wait, so all at once, whatever -parallel says
			t.Run(fmt.Sprintf("%s/%s/%s/%d", k.pace.name, k.engine, k.policy, k.seed), func(t *testing.T) {
				v := killTest(t, k)
				mu.Lock()
				defer mu.Unlock()
				s := sums[k.pace.name][k.policy]
				sums[k.pace.name][k.policy] = sum{s.worlds + 1, s.rows + k.rows, s.kills + k.kills,
					verdict{s.double + v.double, s.wrong + v.wrong, s.quarantined + v.quarantined}}
			})
		})
	}
	worlds.Wait()
	for _, p := range []pace{rush, steady} {
		for policy, s := range sums[p.name] {
			t.Logf("%-6s %-10s %d worlds, %4d rows, %3d kills: %d double, %d wrong, %d quarantined (%.2f %%)", p.name, policy,
				s.worlds, s.rows, s.kills, s.double, s.wrong, s.quarantined, 100*float64(s.quarantined)/float64(s.rows))
			if *prove && s.quarantined*10_000 > p.share[policy]*s.rows { // the short form has too few rows for a share
				t.Errorf("that is more than %d in 10,000", p.share[policy])
			}
		}
	}
}

// killTest is one world.
func killTest(t *testing.T, k killing) verdict {
	start := time.Now()
	rnd := rand.New(rand.NewPCG(k.seed, 0))
	sim := portonetest.New(portonetest.Config{Seed: k.seed, Script: portonetest.MustParse(portonetest.BadDay), MaxHang: time.Second})
	defer sim.Close()
	file, byMarker := killFile(t, sim, rnd, k.rows)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env := append(processEnv(sim, t.TempDir()), "REFUNDS_ON_ABSENT="+string(k.policy),
		fmt.Sprint("PORTONE_CONCURRENCY=", k.pace.concurrency), fmt.Sprint("PORTONE_RATE=", k.pace.rate))
	if k.engine == "postgres" {
		env = append(env, "DATABASE_URL="+ledgertest.Postgres(t))
		if out, code := run(t, env, "migrate"); code != exitClean {
			t.Fatalf("migrate: exit %d\n%s", code, out)
		}
	}
	done := 0
	for done < k.kills {
		together := 1
		if done >= k.kills/2 {
			together = min(2, k.kills-done)
		}
		left := k.rows - len(sim.Made("")) // spread over all rows: dense kills hit a row's second attempt as well
		n := kill(t, sim, env, file, together, 3*left/(2*(k.kills-done)), rnd)
		if n == 0 {
			t.Fatalf("nothing was left to do after %d kills; this proves too little", done)
		}
		done += n
	}
	t.Logf("%d kills in %v", done, time.Since(start))

	// Then it is let go on, until nothing is left to wait for.
	out, code := run(t, env, "issue", file)
	if code != exitClean && code != exitFindings {
		t.Fatalf("issue: exit %d\n%s", code, out)
	}
	v := judge(t, sim, strings.TrimSuffix(file, ".csv")+".results.csv", byMarker, k.rows)
	t.Logf("%d rows, %d kills, %v in all", k.rows, done, time.Since(start))
	return v
}

// processEnv are settings of a process that reaches sim, with bounds as small as it can bear.
func processEnv(sim *portonetest.Server, home string) []string {
	return []string{
		childEnv + "=1", "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(), "PORTONE_SECRET_KEY=" + string(sim.SecretKey()),
		"PORTONE_RATE=5000", "PORTONE_BURST=50", "PORTONE_TIMEOUT=400ms", "PORTONE_TOKEN_TTL=2s",
		"PORTONE_CLOCK_ERROR=500ms", "PORTONE_MAX_PROCESSING=500ms", "PORTONE_LIST_LAG=500ms", "REFUNDS_HOME=" + home,
		"PATH=" + os.Getenv("PATH"), "GORACE=exitcode=66",
	}
}

// killFile writes a file of rows for one to three refunds an order, and gives the id of
// each instruction by its marker.
func killFile(t *testing.T, sim *portonetest.Server, rnd *rand.Rand, rows int) (string, map[string]string) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("instruction_id,order_ref,amount,currency,reason\n")
	ids := map[string]string{}
	for n, order := 0, 0; n < rows; order++ {
		ref := fmt.Sprintf("27TcJzyjL1y0eNVLEUa8p%06d", order)
		if err := sim.AddOrders(portonetest.Order{OrderRef: ref, Amount: portone.Money{Minor: 1_000_000, Currency: "VND"}, Channel: "MOMOPAY"}); err != nil {
			t.Fatal(err)
		}
		for range min(1+rnd.IntN(3), rows-n) {
			n++
			i := bulk.Instruction{ID: fmt.Sprintf("RF-%05d", n), OrderRef: ref}
			i.Identify(portone.Sandbox, sim.ClientKey())
			ids[i.Marker] = i.ID
			fmt.Fprintf(&b, "%s,%s,%d,VND,Item returned\n", i.ID, ref, 100_000+1000*rnd.IntN(200))
		}
	}
	file := filepath.Join(t.TempDir(), "refunds.csv")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, ids
}

// kill starts so many at once, and kills each after a while: while it starts, or after
// some POSTs, up to most. It gives the number that a kill really ended; one that had
// nothing left to do ended by itself.
func kill(t *testing.T, sim *portonetest.Server, env []string, file string, together, most int, rnd *rand.Rand) (killed int) {
	t.Helper()
	posts := sim.Posts("")
	cmds := make([]*exec.Cmd, together)
	ended := make([]chan error, together)
	for i := range cmds {
		cmds[i] = exec.Command(os.Args[0], "issue", file)
		cmds[i].Env = env
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
		ended[i] = make(chan error, 1)
		go func() { ended[i] <- cmds[i].Wait() }()
	}
	for i, c := range cmds {
		enough := posts + rnd.IntN(1+most)
		for end := time.Now().Add(4 * time.Second); sim.Posts("") < enough && time.Now().Before(end) && len(ended[i]) == 0; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		_ = c.Process.Kill() // it may have ended
		err := <-ended[i]
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == -1:
			killed++
		case errors.As(err, &exit) && exit.ExitCode() == 66:
			t.Error("a data race in the program")
		case err != nil && (!errors.As(err, &exit) || exit.ExitCode() == exitTrouble):
			t.Errorf("issue ended by itself: %v", err)
		}
	}
	return killed
}

func run(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A verdict is how many rows were refunded twice, called what they are not or nothing
// final, and left to a person.
type verdict struct{ double, wrong, quarantined int }

// judge compares what the results file says with what the simulator really did.
func judge(t *testing.T, sim *portonetest.Server, results string, byMarker map[string]string, rows int) (v verdict) {
	t.Helper()
	made := map[string]int{}
	for _, r := range sim.Truth().Refunds {
		id, ok := byMarker[r.Marker]
		if !ok {
			t.Errorf("a refund without a marker of the file: %+v", r)
		}
		made[id]++
	}
	lines, err := readCSV(results)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != rows {
		t.Fatalf("%d lines of results for %d rows", len(lines), rows)
	}
	counts := map[string]int{}
	for _, l := range lines {
		n, s := made[l["instruction_id"]], l["status"]
		counts[s]++
		right := false
		switch s {
		case "issued", "pending":
			right = n == 1
		case "refused", "failed", "held":
			right = n == 0
		case "quarantined":
			v.quarantined++
			right = n <= 1
		}
		if n > 1 {
			v.double++
		}
		if !right {
			v.wrong++
			t.Errorf("%s ends as %q, and was made %d times: %v", l["instruction_id"], s, n, l)
		}
	}
	if len(made) == 0 {
		t.Error("nothing was made; this proves nothing")
	}
	t.Logf("%v", counts)
	return v
}

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }
