package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"refunds/bulk"
	"refunds/portone"
	"refunds/portone/portonetest"
	"refunds/reconcile/ledger/ledgertest"
)

var (
	prove = flag.Bool("prove", false, "run the long form of the kills")
	seed  = flag.Uint64("seed", 1, "of the kills and the faults")
)

// Killed at any moment, alone and then beside another that issues the same file, against
// a PortOne that does all that one can do: no instruction is refunded twice, none is
// called what it is not, and every row ends in a final word.
func TestKills(t *testing.T) {
	rows, kills := 200, 8
	if *prove {
		rows, kills = 800, 25
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { killTest(t, engine, rows, kills) })
	}
}

func killTest(t *testing.T, engine string, rows, kills int) {
	start := time.Now()
	rnd := rand.New(rand.NewPCG(*seed, 0))
	sim := portonetest.New(portonetest.Config{Seed: *seed, Script: portonetest.MustParse(portonetest.BadDay), MaxHang: time.Second})
	defer sim.Close()
	file, byMarker := killFile(t, sim, rnd, rows)
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	env := []string{
		childEnv + "=1", "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(), "PORTONE_SECRET_KEY=" + string(sim.SecretKey()),
		"PORTONE_RATE=5000", "PORTONE_BURST=50", "PORTONE_CONCURRENCY=32", "PORTONE_TIMEOUT=400ms", "PORTONE_TOKEN_TTL=2s",
		"PORTONE_CLOCK_ERROR=500ms", "PORTONE_MAX_PROCESSING=500ms", "PORTONE_LIST_LAG=500ms", "REFUNDS_HOME=" + home,
		"PATH=" + os.Getenv("PATH"), "GORACE=exitcode=66",
	}
	if engine == "postgres" {
		env = append(env, "DATABASE_URL="+ledgertest.Postgres(t))
		if out, code := run(t, env, "migrate"); code != exitClean {
			t.Fatalf("migrate: exit %d\n%s", code, out)
		}
	}
	done := 0
	for done < kills {
		together := 1
		if done >= kills/2 {
			together = 2
		}
		done += kill(t, env, file, together, rnd)
	}
	t.Logf("%d kills in %v", done, time.Since(start))

	// Then it is let go on, until nothing is left to wait for.
	out, code := run(t, env, "issue", file)
	if code != exitClean && code != exitFindings {
		t.Fatalf("issue: exit %d\n%s", code, out)
	}
	judge(t, sim, strings.TrimSuffix(file, ".csv")+".results.csv", byMarker, rows)
	t.Logf("%d rows, %d kills, %v in all\n%s", rows, done, time.Since(start), out)
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

// kill starts so many at once, and kills each after a while. It gives the number that
// a kill really ended.
func kill(t *testing.T, env []string, file string, together int, rnd *rand.Rand) (killed int) {
	t.Helper()
	cmds := make([]*exec.Cmd, together)
	for i := range cmds {
		cmds[i] = exec.Command(os.Args[0], "issue", file)
		cmds[i].Env = env
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cmds {
		time.Sleep(time.Duration(100+rnd.IntN(400)) * time.Millisecond)
		_ = c.Process.Kill() // it may have ended
		err := c.Wait()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == -1:
			killed++
		case errors.As(err, &exit) && exit.ExitCode() == 66:
			t.Error("a data race in the program")
		case err != nil && (!errors.As(err, &exit) || exit.ExitCode() == exitTrouble):
			t.Errorf("issue ended by itself: %v", err)
		default:
			killed++ // it had nothing left to do; count it, or this would never end
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

// judge compares what the results file says with what the simulator really did.
func judge(t *testing.T, sim *portonetest.Server, results string, byMarker map[string]string, rows int) {
	t.Helper()
	made := map[string]int{}
	for _, r := range sim.Truth().Refunds {
		id, ok := byMarker[r.Marker]
		if !ok {
			t.Errorf("a refund without a marker of the file: %+v", r)
		}
		made[id]++
	}
	b, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != rows+1 {
		t.Fatalf("%d lines of results for %d rows", len(lines)-1, rows)
	}
	id, status := column(t, lines[0], "instruction_id"), column(t, lines[0], "status")
	counts := map[string]int{}
	for _, l := range lines[1:] {
		n, s := made[l[id]], l[status]
		counts[s]++
		switch {
		case n > 1:
			t.Errorf("%s was refunded %d times", l[id], n)
		case (s == "issued" || s == "pending") && n == 0:
			t.Errorf("%s is called %s and was not made: %v", l[id], s, l)
		case (s == "refused" || s == "failed" || s == "held") && n > 0:
			t.Errorf("%s is called %s and was made: %v", l[id], s, l)
		case s == "planned" || s == "sending" || s == "unknown" || s == "":
			t.Errorf("%s ends as %q: %v", l[id], s, l)
		}
	}
	if q := counts["quarantined"]; q*100 > 15*rows {
		t.Errorf("%d of %d rows are quarantined, more than 15 %%", q, rows)
	}
	if len(made) == 0 {
		t.Error("nothing was made; this proves nothing")
	}
	t.Logf("%v", counts)
}

func column(t *testing.T, header []string, name string) int {
	t.Helper()
	for i, h := range header {
		if h == name {
			return i
		}
	}
	t.Fatalf("no column %s in %v", name, header)
	return -1
}

func vnd(n int64) portone.Money { return portone.Money{Minor: n, Currency: "VND"} }
