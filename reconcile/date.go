package reconcile

import (
	"fmt"
	"sort"
	"time"
)

// A Date is a business date, written 2026-11-20. Dates compare as strings.
type Date string

// ParseDate refuses what is not a day of the calendar.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("%q is not a date such as 2026-11-20", s)
	}
	return Date(s), nil
}

// DateOf is the date that t has in zone.
func DateOf(t time.Time, zone *time.Location) Date { return Date(t.In(zone).Format(time.DateOnly)) }

// Add is n days later; of a date that is none it is nothing sensible.
func (d Date) Add(n int) Date {
	return Date(d.noon().AddDate(0, 0, n).Format(time.DateOnly))
}

// DaysSince counts the days from earlier to d.
func (d Date) DaysSince(earlier Date) int {
	return int(d.noon().Sub(earlier.noon()) / (24 * time.Hour))
}

func (d Date) noon() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d))
	return t.Add(12 * time.Hour)
}

// Begin is the first instant of d in zone. It is not always midnight, which some zones skip
// or have twice when their clocks change; a day that a zone skipped altogether begins
// when the next one does, and is empty. So from d.Begin to d.Add(1).Begin days leave no
// gap and never overlap.
func (d Date) Begin(zone *time.Location) time.Time {
	const hours = 40 // no zone is further from UTC than 15 hours
	from := d.noon().Add(-hours * time.Hour)
	n := sort.Search(2*hours*3600, func(n int) bool {
		return DateOf(from.Add(time.Duration(n)*time.Second), zone) >= d
	})
	return from.Add(time.Duration(n) * time.Second).In(zone)
}
