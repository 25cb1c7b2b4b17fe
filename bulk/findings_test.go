package bulk

import (
	"strings"
	"testing"
	"time"
)

func TestFindingsBear(t *testing.T) {
	good := func() *Findings {
		return &Findings{At: t0, ClientKeySHA: KeySHA("key"), ExpiredRefused: Yes, ExpiredBy: 6 * time.Second, Lag: time.Second, Dated: true,
			ClockLow: -time.Second, ClockHigh: time.Second}
	}
	for _, tt := range []struct {
		name string
		with func(*Findings)
		age  time.Duration
		want string // of the error; "": they bear it
	}{
		{"as assumed", func(*Findings) {}, 0, ""},
		{"30 days old", func(*Findings) {}, 30 * 24 * time.Hour, ""},
		{"older", func(*Findings) {}, 30*24*time.Hour + time.Second, "counts for 30 days"},
		{"of tomorrow", func(*Findings) {}, -24 * time.Hour, "counts for 30 days"},
		{"another key", func(f *Findings) { f.ClientKeySHA = KeySHA("other") }, 0, "another client key"},
		{"expired tokens are taken", func(f *Findings) { f.ExpiredRefused = No }, 0, "expired token"},
		{"nobody knows", func(f *Findings) { f.ExpiredRefused = DontKnow }, 0, "expired token"},
		{"no word of it", func(f *Findings) { f.ExpiredRefused = "" }, 0, "expired token"},
		{"tried with an older token", func(f *Findings) { f.ExpiredBy = time.Minute }, 0, "younger may be taken"},
		{"never listed", func(f *Findings) { f.Lag = -1 }, 0, "never came"},
		{"listed late", func(f *Findings) { f.Lag = 11 * time.Minute }, 0, "PORTONE_LIST_LAG"},
		{"no date", func(f *Findings) { f.Dated, f.ClockLow, f.ClockHigh = false, time.Hour, time.Hour }, 0, ""},
		{"its clock is behind", func(f *Findings) { f.ClockLow, f.ClockHigh = -time.Minute, -6*time.Second }, 0, "PORTONE_CLOCK_ERROR"},
		{"its clock is ahead", func(f *Findings) { f.ClockLow, f.ClockHigh = time.Hour, time.Hour }, 0, "PORTONE_CLOCK_ERROR"},
		{"it worked on it for long", func(f *Findings) { f.ClockLow, f.ClockHigh = time.Minute, 2*time.Minute }, 0, ""},
	} {
		f := good()
		tt.with(f)
		err := f.Bear(bounds, KeySHA("key"), t0.Add(tt.age))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := (*Findings)(nil).Bear(bounds, KeySHA("key"), t0); err == nil {
		t.Error("no findings bear it")
	}
}
