package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"refunds/reconcile"
)

type serveCmd struct {
	Listen string `env:"REFUNDS_LISTEN" default:"127.0.0.1:8080" help:"Address for /healthz."`
}

func (c *serveCmd) Help() string {
	return `Every night, at REFUNDS_SCHEDULE in REFUNDS_TIMEZONE, it reconciles the business date before and writes the report. A night is keyed by its date in the ledger: it runs once, however many processes serve it and however often they restart, and one that was missed is caught up. Every minute it settles unknown outcomes that are due. It sends no refund.

Stop it with Ctrl-C or SIGTERM: what it is at is recorded first.`
}

// settleEvery is how often outcomes that are due are looked at.
const settleEvery = "@every 1m"

func (c *serveCmd) Run(ctx context.Context, a *app) (err error) {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	s := &server{app: a, room: r, log: a.log}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; name another address with --listen", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}

	log := cron.PrintfLogger(slog.NewLogLogger(a.log.Handler(), slog.LevelError))
	jobs := cron.New(cron.WithLocation(r.zone), cron.WithLogger(cron.DiscardLogger),
		cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger), cron.Recover(log)))
	night := jobs.Schedule(r.schedule, cron.FuncJob(func() { s.nights(ctx) }))
	if _, err := jobs.AddFunc(settleEvery, func() { s.settle(ctx) }); err != nil {
		return err
	}
	// The night of a process that died counts as its own until it is stale; look again then.
	if _, err := jobs.AddJob(fmt.Sprintf("@every %s", reconcile.NightStale), jobs.Entry(night).WrappedJob); err != nil {
		return err
	}
	var group sync.WaitGroup
	var webErr error
	group.Go(func() { webErr = web.Serve(listener) })
	group.Go(func() { jobs.Entry(night).WrappedJob.Run() }) // catches up what was missed
	jobs.Start()
	fmt.Fprintf(a.out, "serving (%s): nights at %q %s, next %s; http://%s/healthz\n", r.rules.Environment, r.Schedule, r.Timezone,
		r.schedule.Next(time.Now().In(r.zone)).Format(time.RFC3339), listener.Addr())

	<-ctx.Done()
	fmt.Fprintln(a.out, "stopping; what is under way is recorded first")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = web.Shutdown(end)
	<-jobs.Stop().Done()
	group.Wait()
	if !errors.Is(webErr, http.ErrServerClosed) {
		err = errors.Join(err, webErr)
	}
	return err
}

// server is the scheduled job and its health.
type server struct {
	app  *app
	room *room
	log  *slog.Logger

	mu   sync.Mutex
	last reconcile.Run // the latest night of this process
	fail string        // why the latest night could not be run; "" if it could
}

// nights reconciles every business date that is due and was not yet, oldest first.
func (s *server) nights(ctx context.Context) {
	missed, err := s.room.db.MissedNights(ctx, lastDue(s.room.schedule, time.Now(), s.room.zone))
	for _, date := range missed {
		if err != nil || ctx.Err() != nil {
			break
		}
		err = s.night(ctx, date)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = ""
	if err != nil && ctx.Err() == nil {
		s.fail = err.Error()
		s.log.Error("a night was not reconciled; it is tried again in a few minutes", "error", err)
	}
}

func (s *server) night(ctx context.Context, date reconcile.Date) error {
	_, _, err := s.app.reconciler(s.room).Night(ctx, s.room.db, date, s.room.zone, func(ctx context.Context, run reconcile.Run) error {
		s.mu.Lock()
		s.last = run
		s.mu.Unlock()
		dir, err := writeReport(ctx, s.room, run)
		if err != nil {
			return fmt.Errorf("the report of %s: %w", date, err)
		}
		fmt.Fprintf(s.app.out, "%s\nreport: %s\n", runLine(run), dir)
		return nil
	})
	return err
}

// lastDue is the latest business date whose night has come: the first time that the
// schedule strikes after the date has ended.
func lastDue(schedule cron.Schedule, now time.Time, zone *time.Location) reconcile.Date {
	date := reconcile.Yesterday(now, zone)
	for range 32 { // a schedule of once a month at the most
		if !schedule.Next(date.Add(1).Begin(zone).Add(-time.Second)).After(now) {
			break
		}
		date = date.Add(-1)
	}
	return date
}

// settle looks at the unknown outcomes that are due.
func (s *server) settle(ctx context.Context) {
	looked, unread, err := s.room.issuer.Resolve(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		s.log.Error("unknown outcomes were not looked at; they are in a minute", "error", err)
	}
	if looked > 0 {
		s.log.Info("unknown outcomes looked at", "orders", looked, "unread", unread)
	}
}

// health answers 200 while the ledger can be read, and tells of the latest night.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Status string `json:"status"`
		Ledger string `json:"ledger"`
		Night  string `json:"night,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	s.mu.Lock()
	a := answer{Status: "ok", Ledger: "ok", Error: s.fail}
	if s.last.ID != "" {
		a.Night = fmt.Sprintf("%s: %s", s.last.Window, s.last.Verdict)
	}
	s.mu.Unlock()
	code := http.StatusOK
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.room.db.Ping(ctx); err != nil {
		a.Status, a.Ledger, code = "unwell", "can't be read", http.StatusServiceUnavailable
		s.log.Error("health: the ledger can't be read", "error", err)
	}
	if a.Error != "" {
		a.Status, code = "unwell", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a)
}
