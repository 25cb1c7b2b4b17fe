package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"refunds/bulk"
)

// progress tells a person how a run goes: a bar on a terminal, a plain line now and then elsewhere.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil: not a terminal
	total int
	start time.Time

	mu     sync.Mutex
	states map[string]bulk.State // by marker, of this run
	until  map[string]time.Time  // of the unknown ones
	paused string
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, start: time.Now(), states: map[string]bulk.State{}, until: map[string]time.Time{}}
	if terminal(out) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// terminal tells whether w is one, or r in an interface of its own.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *progress) observe(s bulk.Settlement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[s.Marker] = s.State
	delete(p.until, s.Marker)
	if s.State == bulk.Unknown || s.State == bulk.Sending {
		p.until[s.Marker] = s.Until
	}
}

func (p *progress) pause(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = why
}

// line is where the run stands, in one line, and how many rows are settled.
func (p *progress) line() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := map[bulk.State]int{}
	settled := 0
	for _, s := range p.states {
		counts[s]++
		switch s {
		case bulk.Planned, bulk.Sending, bulk.Unknown:
		default:
			settled++
		}
	}
	var parts []string
	for _, s := range []bulk.State{bulk.Issued, bulk.Pending, bulk.Refused, bulk.Failed, bulk.Quarantined} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, counts[s]))
		}
	}
	if len(p.until) > 0 {
		var last time.Time
		for _, t := range p.until {
			if t.After(last) {
				last = t
			}
		}
		parts = append(parts, fmt.Sprintf("unknown %d (waiting until %s at the latest; Ctrl-C is safe)", len(p.until), last.Local().Format("15:04:05")))
	}
	if p.paused != "" {
		parts = append(parts, "sending pauses: "+p.paused)
	}
	return strings.Join(parts, ", "), settled
}

// show keeps telling until ctx ends.
func (p *progress) show(ctx context.Context) {
	every := 5 * time.Second
	if p.bar != nil {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			if p.bar != nil {
				_ = p.bar.Finish()
			}
			return
		case <-tick.C:
		}
		line, settled := p.line()
		switch {
		case p.bar != nil:
			p.bar.Describe(line)
			_ = p.bar.Set(settled)
		case line != last:
			fmt.Fprintf(p.out, "%d of %d rows settled (%.1f/s): %s\n", settled, p.total, float64(settled)/time.Since(p.start).Seconds(), line)
			last = line
		}
	}
}
