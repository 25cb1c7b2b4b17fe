package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
)

// caseSheet is a quarantined row on paper: what a person decides on.
type caseSheet struct {
	ledger.Case
	list   *portone.RefundList // PortOne's, as of readAt; nil: none was ever read
	readAt time.Time
	fresh  bool // read just now, not out of the ledger
	whole  bool // with everything that was kept as evidence
	zone   *time.Location
}

// last takes the list that the ledger saw last.
func (s *caseSheet) last() {
	for _, look := range slices.Backward(s.Looks) {
		if l, ok := readList(look.Raw, s.Row.Amount.Currency); ok {
			s.list, s.readAt = &l, look.At
			return
		}
	}
	if n := len(s.Attempts); n > 0 {
		s.list, s.readAt = &s.Attempts[n-1].Baseline, s.Attempts[n-1].StartedAt
	}
}

// readList reads a list that was kept as it came.
func readList(raw []byte, c portone.Currency) (portone.RefundList, bool) {
	a := portone.Classify(200, raw, c)
	return a.List, a.Class == portone.Listed
}

func (s caseSheet) at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(s.zone).Format(time.DateTime)
}

func (s caseSheet) String() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	row := s.Row
	say("%s  %s %s of order %s  %s since %s: %s", printable(s.Handle()), row.Amount, row.Amount.Currency, row.OrderRef, row.State, s.at(s.Since), s.Code)
	say("  %s", printable(s.Message))
	say("  from %s line %d (batch %s), marker %s", printable(s.FileName), s.Line, bulk.ShortID(s.BatchID), row.Marker)
	for _, a := range s.Attempts {
		s.attempt(say, a)
	}
	if len(s.Attempts) == 0 {
		say("  the ledger has no attempt of it")
	}
	if s.whole {
		for _, look := range s.Looks {
			l, ok := readList(look.Raw, row.Amount.Currency)
			if !ok {
				say("  list recorded %s, which can't be read: %s", s.at(look.At), printable(string(look.Raw)))
				continue
			}
			say("  list recorded %s: %s", s.at(look.At), s.brief(l))
		}
	}
	switch {
	case s.list == nil:
		say("  PortOne's list of the order was never read")
	case s.fresh:
		say("  PortOne's list now, read %s: %s", s.at(s.readAt), s.brief(*s.list))
		s.refunds(say)
	default:
		say("  PortOne's list as read last, %s: %s", s.at(s.readAt), s.brief(*s.list))
		s.refunds(say)
	}
	if s.Held > 0 {
		say("  %d rows of the order are held behind it", s.Held)
	}
	return b.String()
}

func (s caseSheet) attempt(say func(string, ...any), a bulk.Attempt) {
	say("  attempt %d (%s): sent %s, could be taken until %s, must be listed by %s", a.N, a.State, s.at(a.StartedAt), s.at(a.TokenExpires), s.at(a.AbsentAt()))
	switch {
	case a.AnsweredAt.IsZero():
		say("    no answer was recorded")
	case a.HTTPStatus == 0:
		say("    %s: %s", s.at(a.AnsweredAt), printable(a.Message))
	default:
		say("    answered %s: HTTP %d %s %s", s.at(a.AnsweredAt), a.HTTPStatus, printable(a.Code), printable(a.Message))
	}
	if !s.whole {
		return
	}
	if raw, ok := s.Answers[a.ID]; ok {
		say("    the answer as it came: %s", printable(string(raw)))
	}
	say("    sent: %s", printable(string(a.Body)))
	say("    baseline before it: %s", s.brief(a.Baseline))
}

// brief is a list on one line.
func (s caseSheet) brief(l portone.RefundList) string {
	var parts []string
	for _, r := range l.Refunds {
		parts = append(parts, fmt.Sprintf("%s %s", r.Amount, printable(string(r.Status))))
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	return fmt.Sprintf("%s %s left; refunds: %s", l.Remaining, l.Remaining.Currency, strings.Join(parts, ", "))
}

// refunds is the list, one refund a line, with what each is to this row.
func (s caseSheet) refunds(say func(string, ...any)) {
	candidates := s.Candidates(*s.list)
	for i, r := range s.list.Refunds {
		what := ""
		switch {
		case strings.Contains(r.Reason, s.Row.Marker):
			what = "  <- carries this row's marker"
		case slices.Contains(candidates, i):
			what = "  <- candidate: this amount, and nobody has booked it"
		}
		say("    %s  %s %s %s  %s  %q%s", quoteID(bulk.Identity(*s.list, i, s.Row.Marker)), r.Amount, r.Amount.Currency, printable(string(r.Status)), s.at(r.Date), r.Reason, what)
	}
}

// advice is what a person can do now, by the very rule that a decision is judged by.
func (s caseSheet) advice(now time.Time) string {
	var b strings.Builder
	b.WriteString("  what you can do, when PortOne's portal has told you what happened:\n")
	if s.list == nil {
		b.WriteString("    set PORTONE_CLIENT_KEY and PORTONE_SECRET_KEY, and look again\n")
		return b.String()
	}
	who := bulk.Ruling{By: "NAME", Note: "TEXT"}
	offer := func(r bulk.Ruling, flags, means string) (refused error) {
		if _, err := bulk.Decide(s.Case.Case, r, *s.list, now); err != nil {
			return err
		}
		fmt.Fprintf(&b, "    refunds resolve %s %s --by NAME --note TEXT   %s\n", quoteID(s.Handle()), flags, means)
		return nil
	}
	var why []string
	for _, i := range s.Candidates(*s.list) {
		id := bulk.Identity(*s.list, i, s.Row.Marker)
		r := who
		r.Verdict, r.Refund = bulk.SaysMade, id
		flags := "--made " + quoteID(id)
		if s.list.Refunds[i].Amount != s.Row.Amount {
			r.OtherAmount, flags = true, flags+" --other-amount"
		}
		if err := offer(r, flags, "it is this refund"); err != nil {
			why = append(why, err.Error())
		}
	}
	for _, o := range []struct {
		verdict      bulk.Verdict
		reissue      bool
		flags, means string
	}{
		{bulk.SaysNotMade, false, "--not-made", "it was not made"},
		{bulk.SaysNotMade, true, "--not-made --reissue", "it was not made, and is to be sent again"},
		{bulk.SaysCancel, false, "--cancel", "it was not made, and shall not be"},
	} {
		r := who
		r.Verdict, r.Reissue = o.verdict, o.reissue
		if err := offer(r, o.flags, o.means); err != nil {
			why = append(why, err.Error())
		}
	}
	for n, w := range why {
		if !slices.Contains(why[:n], w) {
			fmt.Fprintf(&b, "    not now: %s\n", printable(w))
		}
	}
	return b.String()
}

// quoteID is an id as it can be typed in a shell.
func quoteID(id string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:/@%+=", r)
	}
	if id != "" && !strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return id
	}
	return "'" + strings.ReplaceAll(printable(id), "'", `'\''`) + "'"
}

// printable is text from outside as a terminal may show it, on one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
