package bulk

import (
	"fmt"
	"slices"
	"strings"

	"refunds/portone"
)

// Control is what the giver of a file says that it holds, from another source than the
// file. All rows count, good or not.
type Control struct {
	Rows   int             // 0: not said
	Totals []portone.Money // of each currency; empty: not said
}

// ParseTotal reads a control total such as VND=84000000, in major units.
func ParseTotal(s string) (portone.Money, error) {
	code, amount, ok := strings.Cut(s, "=")
	if !ok {
		return portone.Money{}, fmt.Errorf("control total %.40q: write it as VND=84000000", s)
	}
	currency, err := portone.ParseCurrency(code)
	if err != nil {
		return portone.Money{}, fmt.Errorf("control total %.40q: %w", s, err)
	}
	m, err := portone.ParseMoney(amount, currency)
	if err != nil {
		return portone.Money{}, fmt.Errorf("control total %.40q: %w", s, err)
	}
	return m, nil
}

// Check tells where f and c disagree: nowhere, or no row of f may be issued. Once
// totals are given, a currency of the file without one is a disagreement.
func (c Control) Check(f *File) (faults []Fault) {
	fault := func(format string, a ...any) {
		faults = append(faults, Fault{Code: CodeFile, Message: fmt.Sprintf(format, a...)})
	}
	if rows := f.N - f.notRows; c.Rows != 0 && c.Rows != rows {
		fault("the file has %s, not %d; compare it with the original", plural(rows, "row"), c.Rows)
	}
	if len(c.Totals) == 0 {
		return faults
	}
	if f.unreadable > 0 {
		fault("the totals can't be compared while %s no amount that can be read; mend the file first", pluralHave(f.unreadable))
		return faults
	}
	said := map[portone.Currency]int64{}
	for _, m := range c.Totals {
		if _, twice := said[m.Currency]; twice {
			fault("two control totals were given for %s; give one", m.Currency)
		}
		said[m.Currency] = m.Minor
		if minor := f.claimed[m.Currency]; minor != m.Minor {
			fault("the amounts in %s add up to %s, not %s; compare the file with the original",
				m.Currency, portone.Money{Minor: minor, Currency: m.Currency}, m)
		}
	}
	var unsaid []string
	for currency, minor := range f.claimed {
		if _, ok := said[currency]; !ok {
			unsaid = append(unsaid, fmt.Sprintf("%s %s", currency, portone.Money{Minor: minor, Currency: currency}))
		}
	}
	slices.Sort(unsaid)
	for _, u := range unsaid {
		fault("the file also has %s, for which no control total was given; give one for each currency", u)
	}
	return faults
}

func pluralHave(rows int) string {
	if rows == 1 {
		return "1 row has"
	}
	return fmt.Sprintf("%d rows have", rows)
}
