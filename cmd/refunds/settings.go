package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"refunds/bulk"
	"refunds/portone"
)

// settings are all the program can be told: flags, each with an environment variable.
// Secrets come by environment or file alone, so they are not flags.
type settings struct {
	BaseURL       string        `name:"base-url" env:"PORTONE_BASE_URL" default:"https://api.portone.cloud" help:"Where PortOne is." group:"portone"`
	Environment   string        `env:"PORTONE_ENVIRONMENT" default:"sandbox" help:"sandbox, or live: real money, which must be said." group:"portone"`
	Rate          float64       `env:"PORTONE_RATE" default:"20" help:"Calls a second, of all calls of the key together." group:"portone"`
	Burst         int           `env:"PORTONE_BURST" default:"1" help:"Calls that may go out at once." group:"portone"`
	Concurrency   int           `env:"PORTONE_CONCURRENCY" default:"16" help:"Orders worked on side by side; fewer where the rate is too low for so many." group:"portone"`
	Timeout       time.Duration `env:"PORTONE_TIMEOUT" default:"30s" help:"Time limit of one call." group:"portone"`
	TokenTTL      time.Duration `name:"token-ttl" env:"PORTONE_TOKEN_TTL" default:"60s" help:"Life of a call's token; at least the time limit + 1s." group:"portone"`
	ClockError    time.Duration `env:"PORTONE_CLOCK_ERROR" default:"5s" help:"Largest difference between PortOne's clock and ours." group:"portone"`
	MaxProcessing time.Duration `env:"PORTONE_MAX_PROCESSING" default:"5m" help:"Longest that PortOne works on a request it took." group:"portone"`
	ListLag       time.Duration `env:"PORTONE_LIST_LAG" default:"10m" help:"Longest until a refund that was made stands in the list." group:"portone"`

	OnAbsent string `env:"REFUNDS_ON_ABSENT" default:"quarantine" help:"When a refund's outcome is unknown and it has not turned up: quarantine, retry-if-capped or retry." group:"refunds"`
	Probe    string `env:"REFUNDS_PROBE" placeholder:"FILE" type:"path" help:"Findings of refunds probe that another ledger's folder holds (default: probe.json in the home folder)." group:"refunds"`
	Breaker  string `env:"REFUNDS_BREAKER" default:"10,50%" help:"Pause sending after so many unknown outcomes in a row, or percent of the last 100." group:"refunds"`
	Home     string `env:"REFUNDS_HOME" default:"refunds-data" help:"Folder of the ledger, stored uploads, results and reports." group:"refunds"`
	Database string `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"The ledger: sqlite:PATH (default: ledger.db in the home folder) or postgres://…" group:"refunds"`
	Timezone string `env:"REFUNDS_TIMEZONE" default:"UTC" help:"Time zone of the business day, such as Asia/Seoul." group:"refunds"`
	Schedule string `env:"REFUNDS_SCHEDULE" default:"0 2 * * *" help:"When serve reconciles the day before, as cron writes it, in the time zone." group:"refunds"`
	Verbose  bool   `short:"v" help:"Say what is done on the way." group:"refunds"`

	env func(string) string // os.Getenv, or a test's
}

// config is settings, checked: what the rooms get.
type config struct {
	settings
	rules     bulk.Rules
	breaker   bulk.BreakerRule
	zone      *time.Location
	schedule  cron.Schedule
	clientKey string
	secretKey portone.Secret
}

// check reads the settings into a config before anything is opened. The error names every
// fault, one a line. Without needKeys the keys may be missing.
func (s settings) check(needKeys bool) (config, error) {
	c := config{settings: s}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	switch portone.Environment(s.Environment) {
	case portone.Sandbox, portone.Live:
	default:
		fault("PORTONE_ENVIRONMENT is %q; say sandbox or live", s.Environment)
	}
	switch bulk.Policy(s.OnAbsent) {
	case bulk.Quarantine, bulk.RetryIfCapped, bulk.Retry:
	default:
		fault("REFUNDS_ON_ABSENT is %q; say quarantine, retry-if-capped or retry", s.OnAbsent)
	}
	if !(s.Rate > 0 && s.Rate <= 1e5) || s.Burst < 1 || s.Burst > 1e5 || s.Concurrency < 1 || s.Concurrency > 10_000 {
		fault("PORTONE_RATE, PORTONE_BURST and PORTONE_CONCURRENCY must be above zero and sane (now %g, %d, %d)", s.Rate, s.Burst, s.Concurrency)
	}
	if s.Timeout <= 0 || s.ClockError < 0 || s.MaxProcessing < 0 || s.ListLag < 0 {
		fault("PORTONE_TIMEOUT must be above zero, and PORTONE_CLOCK_ERROR, PORTONE_MAX_PROCESSING and PORTONE_LIST_LAG not below it")
	}
	if s.TokenTTL < s.Timeout+time.Second {
		fault("PORTONE_TOKEN_TTL is %s; it must be at least the time limit + 1s, %s, so that a call can't outlive its token", s.TokenTTL, s.Timeout+time.Second)
	}
	if spare := s.TokenTTL - s.Timeout; s.Rate > 0 && s.Rate*spare.Seconds() < 2 {
		fault("PORTONE_RATE is %g: a call would wait for its turn longer than its token lives; raise PORTONE_TOKEN_TTL (now %s) or the rate", s.Rate, s.TokenTTL)
	} else {
		// Those who wait before a call must not outlast its token.
		c.Concurrency = min(c.Concurrency, max(1, int(s.Rate*spare.Seconds()/2)))
	}
	c.rules = bulk.Rules{
		Environment: portone.Environment(s.Environment), OnAbsent: bulk.Policy(s.OnAbsent), Timeout: s.Timeout,
		Bounds: bulk.Bounds{ClockError: s.ClockError, MaxProcessing: s.MaxProcessing, ListLag: s.ListLag},
	}
	var err error
	if c.breaker, err = bulk.ParseBreakerRule(s.Breaker); err != nil {
		fault("REFUNDS_BREAKER: %w", err)
	}
	if c.zone, err = time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
		fault("REFUNDS_TIMEZONE is %q; write an IANA name such as UTC or Asia/Seoul", s.Timezone)
	}
	if c.schedule, err = cron.ParseStandard(s.Schedule); err != nil {
		fault("REFUNDS_SCHEDULE is %q: %w; write five fields such as 0 2 * * *", s.Schedule, err)
	} else if c.schedule.Next(time.Now()).IsZero() {
		fault("REFUNDS_SCHEDULE is %q, which never comes", s.Schedule)
	}
	if s.Home == "" {
		fault("REFUNDS_HOME is empty; name a folder")
	}
	if s.Database == "" {
		c.Database = "sqlite:" + filepath.Join(s.Home, "ledger.db")
	}
	if needKeys {
		for _, key := range []struct {
			name string
			to   func(string)
		}{
			{"PORTONE_CLIENT_KEY", func(v string) { c.clientKey = v }},
			{"PORTONE_SECRET_KEY", func(v string) { c.secretKey = portone.Secret(v) }},
		} {
			value, err := s.secret(key.name)
			if err != nil {
				errs = append(errs, err)
			}
			key.to(value)
		}
	}
	return c, errors.Join(errs...)
}

// secret reads a setting that must not stand on a command line: from the environment,
// or from the file that NAME_FILE names, without the newline at its end.
func (s settings) secret(name string) (string, error) {
	value, file := s.env(name), s.env(name+"_FILE")
	switch {
	case value != "" && file != "":
		return "", fmt.Errorf("%s and %s_FILE are both set; unset one", name, name)
	case file != "":
		b, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return "", fmt.Errorf("%s_FILE: %w", name, err)
		}
		value = strings.TrimRight(string(b), "\r\n")
	}
	if value == "" {
		return "", fmt.Errorf("%s is not set; set it, or %s_FILE to a file that holds it", name, name)
	}
	return value, nil
}
