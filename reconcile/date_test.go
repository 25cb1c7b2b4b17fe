package reconcile

import (
	"fmt"
	"testing"
	"time"
)

func TestBeginOfDay(t *testing.T) {
	for _, tt := range []struct {
		zone  string
		date  Date
		want  string // in UTC
		hours time.Duration
	}{
		{"UTC", "2026-11-20", "2026-11-20T00:00:00Z", 24},
		{"Asia/Seoul", "2026-11-20", "2026-11-19T15:00:00Z", 24},
		{"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 23},  // clocks go forward at 2
		{"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 25},  // and back at 2
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23}, // there is no midnight
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 25}, // 23 o'clock comes twice
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25},    // midnight comes twice
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0},       // the day that Samoa left out
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 24},
		{"Pacific/Kiritimati", "2026-01-01", "2025-12-31T10:00:00Z", 24},
	} {
		t.Run(fmt.Sprint(tt.zone, " ", tt.date), func(t *testing.T) {
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			w, err := ActivityWindow(tt.date, tt.date, zone)
			if err != nil {
				t.Fatal(err)
			}
			from, to := w.Bounds()
			if got := from.UTC().Format(time.RFC3339); got != tt.want || to.Sub(from) != tt.hours*time.Hour {
				t.Errorf("from %s for %s, want %s for %d h", got, to.Sub(from), tt.want, tt.hours)
			}
		})
	}
}

func TestDates(t *testing.T) {
	for _, bad := range []string{"", "2026-02-29", "2026-1-1", "20260101", "2026-01-01T00:00:00Z", "yesterday"} {
		if d, err := ParseDate(bad); err == nil {
			t.Errorf("%q is read as %s", bad, d)
		}
	}
	if _, err := ActivityWindow("2026-11-21", "2026-11-20", time.UTC); err == nil {
		t.Error("a window may end before it begins")
	}
	if d := Date("2024-02-28").Add(2); d != "2024-03-01" {
		t.Errorf("two days after 2024-02-28 is %s", d)
	}
	if n := Date("2026-11-20").DaysSince("2026-10-31"); n != 20 {
		t.Errorf("%d days", n)
	}
	if got := fmt.Sprint(Missed("2026-10-30", "2026-11-02", []Date{"2026-10-31"})); got != "[2026-10-30 2026-11-01 2026-11-02]" {
		t.Errorf("missed %s", got)
	}
	if d := Yesterday(time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC), time.FixedZone("", 9*3600)); d != "2026-11-20" {
		t.Errorf("yesterday is %s", d)
	}
	if w := OrdersWindow([]string{"b", "a", "b"}, time.UTC); fmt.Sprint(w.Orders) != "[a b]" {
		t.Errorf("orders %v", w.Orders)
	}
}
