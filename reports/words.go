package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"refunds/portone"
	"refunds/reconcile"
)

// thousands is a number for people: 1,234,567.
func thousands(n int) string { return group(strconv.Itoa(n)) }

// group sets a comma before every three digits of the whole part.
func group(number string) string {
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "−", number[1:]
	}
	whole, frac, point := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + frac
	}
	return sign + whole
}

// forPeople is an amount without its currency: 1,234.50.
func forPeople(m portone.Money) string { return group(m.String()) }

// signed is a difference with its sign, also where it is more than nothing.
func signed(m portone.Money) string {
	if m.Minor > 0 {
		return "+" + forPeople(m)
	}
	return forPeople(m)
}

// side is what one side says of a refund.
func side(m *portone.Money) string {
	if m == nil {
		return "nothing"
	}
	return forPeople(*m) + " " + string(m.Currency)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func age(days int) string {
	if days == 0 {
		return "first seen today"
	}
	return plural(days, "day", "days")
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// when is when the run ran, in the zone of its business dates.
func when(run reconcile.Run) string {
	zone := run.Window.Location()
	from, to := run.StartedAt.In(zone), run.FinishedAt.In(zone)
	format := "2006-01-02 15:04:05"
	if reconcile.DateOf(from, zone) == reconcile.DateOf(to, zone) {
		return fmt.Sprintf("%s to %s (%s)", from.Format(format), to.Format(time.TimeOnly), zone)
	}
	return fmt.Sprintf("%s to %s (%s)", from.Format(format), to.Format(format), zone)
}

// windowMeans says which orders a window holds, where its name does not.
func windowMeans(k reconcile.WindowKind) string {
	if k == reconcile.Activity {
		return "orders that were paid, refunded or ordered to be refunded then, and those with something still open from before"
	}
	return ""
}

// orders counts the orders of a window in words.
func orders(c orderCounts) string {
	s := plural(c.Total, "order", "orders")
	if c.Total == 0 {
		return s
	}
	s += fmt.Sprintf(", of which %s clean, %s with discrepancies", thousands(c.Clean), thousands(c.Differing))
	if c.Unchecked > 0 {
		s += fmt.Sprintf(", %s not read", thousands(c.Unchecked))
	}
	return s
}

func all(n int) string {
	if n == 1 {
		return "the one order that was compared"
	}
	return "all " + thousands(n) + " orders that were compared"
}

// countWords is how many of a kind, in its heading.
func countWords(n kindCount) string {
	s := thousands(n.open) + " open"
	if n.carried > 0 {
		s += fmt.Sprintf(", of which %s not looked at again", thousands(n.carried))
	}
	if n.resolved > 0 {
		s += fmt.Sprintf(", %s resolved", thousands(n.resolved))
	}
	return s
}

// rest says where the rows are that the page leaves out; "" if it leaves out none.
func rest(n, shown int, file string) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf("The page shows the first %s of %s; all are in %s.", thousands(shown), thousands(n), file)
}
