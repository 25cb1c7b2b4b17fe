package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"refunds/portone/portonetest"
	"refunds/reconcile"
	"refunds/reconcile/ledger"
)

func TestLastDue(t *testing.T) {
	for _, tt := range []struct{ schedule, zone, now, want string }{
		{"0 2 * * *", "UTC", "2026-11-21T02:00:00Z", "2026-11-20"},
		{"0 2 * * *", "UTC", "2026-11-21T01:59:59Z", "2026-11-19"}, // not due yet
		{"0 2 * * *", "UTC", "2026-11-21T23:59:59Z", "2026-11-20"},
		{"0 0 * * *", "UTC", "2026-11-21T00:00:00Z", "2026-11-20"}, // at midnight itself
		{"0 2 * * *", "Asia/Seoul", "2026-11-20T17:00:00Z", "2026-11-20"},
		{"0 2 * * *", "Asia/Seoul", "2026-11-20T16:59:00Z", "2026-11-19"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-27"}, // 02:30 did not exist that day
		{"30 2 * * *", "Europe/Berlin", "2026-03-30T12:00:00Z", "2026-03-29"},
		{"0 6 * * 1", "UTC", "2026-11-21T12:00:00Z", "2026-11-15"}, // Mondays: Sunday is the last that has struck
	} {
		schedule, err := cron.ParseStandard(tt.schedule)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastDue(schedule, now.In(zone), zone); string(got) != tt.want {
			t.Errorf("%q in %s at %s: %s, want %s", tt.schedule, tt.zone, tt.now, got, tt.want)
		}
	}
}

// A serve that starts catches up the nights that were missed, each once, whatever
// other serves there are and however often it starts again.
func TestServeCatchesUp(t *testing.T) {
	env, home := serveEnv(t)
	db, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(home, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	last := reconcile.Yesterday(time.Now(), time.UTC)
	if ours, err := db.ClaimNight(t.Context(), last.Add(-3), "earlier", time.Now(), time.Hour); err != nil || !ours {
		t.Fatal(ours, err)
	}
	if err := db.FinishNight(t.Context(), last.Add(-3), "earlier", finishedRun(t, db), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	a, b := serve(t, env), serve(t, env)
	for _, date := range []reconcile.Date{last.Add(-2), last.Add(-1), last} {
		waitFor(t, "the night of "+string(date), func() bool {
			return strings.Count(a.said()+b.said(), "activity on "+string(date)) >= 1
		})
	}
	var health map[string]string
	resp, err := http.Get(a.url(t) + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil || resp.StatusCode != 200 || health["ledger"] != "ok" {
		t.Errorf("healthz: %d, %v, %v", resp.StatusCode, health, err)
	}
	for _, s := range []*served{a, b} {
		s.stop(t)
	}
	c := serve(t, env)
	c.url(t)
	time.Sleep(500 * time.Millisecond)
	c.stop(t)
	out := a.said() + b.said() + c.said()
	if n := strings.Count(out, "activity on"); n != 3 {
		t.Errorf("%d nights were run, want 3:\n%s", n, out)
	}
	folders, err := filepath.Glob(filepath.Join(home, "reports", "2*", "report.html"))
	if err != nil || len(folders) != 3 {
		t.Errorf("reports %v, %v", folders, err)
	}
}

// finishedRun is a run to end a night with.
func finishedRun(t *testing.T, db *ledger.DB) string {
	t.Helper()
	r := reconcile.Run{ID: "earlier", Environment: "sandbox", Window: reconcile.AllWindow(time.UTC), StartedAt: time.Now()}
	if _, _, err := db.BeginRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.FinishedAt, r.Verdict = time.Now(), reconcile.Clean
	if _, err := db.FinishRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func serveEnv(t *testing.T) (env []string, home string) {
	t.Helper()
	sim := portonetest.New(portonetest.Config{})
	t.Cleanup(func() { _ = sim.Close() })
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	home = t.TempDir()
	return []string{
		childEnv + "=1", "PATH=" + os.Getenv("PATH"), "PORTONE_BASE_URL=" + sim.URL(), "PORTONE_CLIENT_KEY=" + sim.ClientKey(),
		"PORTONE_SECRET_KEY=" + string(sim.SecretKey()), "REFUNDS_HOME=" + home, "REFUNDS_SCHEDULE=* * * * *", "REFUNDS_LISTEN=127.0.0.1:0",
	}, home
}

// served is one serve process.
type served struct {
	cmd *exec.Cmd
	out string
	end chan struct{}
}

func serve(t *testing.T, env []string) *served {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := &served{cmd: exec.Command(os.Args[0], "serve"), out: log.Name(), end: make(chan struct{})}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = env, log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.end) }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.end })
	return s
}

func (s *served) said() string {
	b, _ := os.ReadFile(s.out)
	return string(b)
}

var servedAt = regexp.MustCompile(`http://[0-9.:]+`)

func (s *served) url(t *testing.T) (url string) {
	t.Helper()
	waitFor(t, "serve to say its address", func() bool { url = servedAt.FindString(s.said()); return url != "" })
	return url
}

func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.end:
	case <-time.After(20 * time.Second):
		t.Fatalf("serve does not stop:\n%s", s.said())
	}
	if code := s.cmd.ProcessState.ExitCode(); code != exitClean {
		t.Errorf("serve: exit %d\n%s", code, s.said())
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Ctrl-C finishes and records what is in flight, begins nothing new, and says how to go on.
func TestInterrupt(t *testing.T) {
	sim := portonetest.New(portonetest.Config{Script: portonetest.MustParse("post slow-before for=150ms")})
	defer sim.Close()
	env, home := serveEnv(t)
	var file strings.Builder
	file.WriteString("instruction_id,order_ref,amount,currency,reason\n")
	for _, ref := range strings.Fields("A B C D E F G H I J K L M N O P Q R S T") {
		if err := sim.AddOrders(portonetest.Order{OrderRef: ref, Amount: vnd(1000), Channel: "MOMOPAY"}); err != nil {
			t.Fatal(err)
		}
		file.WriteString("RF-" + ref + "," + ref + ",100,VND,Late\n")
	}
	if err := sim.Start(""); err != nil {
		t.Fatal(err)
	}
	env = append(env, "PORTONE_BASE_URL="+sim.URL(), "PORTONE_CONCURRENCY=2", "PORTONE_RATE=1000")
	name := filepath.Join(home, "refunds.csv")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "issue", name)
	cmd.Env = env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "some refunds", func() bool { return len(sim.Made("")) >= 3 })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(bufio.NewReader(stderr))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitIncomplete || !strings.Contains(string(said), "goes on where it stopped") {
		t.Errorf("exit %d:\n%s", code, said)
	}
	made := len(sim.Made(""))
	if made < 3 || made > 8 {
		t.Errorf("%d refunds were made by a run that was stopped after 3", made)
	}
	lines, err := readCSV(filepath.Join(home, "refunds.results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, l := range lines {
		counts[l["status"]]++
	}
	if counts["issued"] != made || counts["planned"] != 20-made {
		t.Errorf("%d made, results %v", made, counts)
	}
	if out, code := run(t, env, "issue", name); code != exitClean || sim.Posts("") != 20 {
		t.Errorf("issued again: exit %d, %d POSTs\n%s", code, sim.Posts(""), out)
	}
}
