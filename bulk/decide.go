package bulk

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"refunds/portone"
)

// A Verdict is what a person found out about a quarantined row.
type Verdict string

const (
	SaysMade    Verdict = "made"     // PortOne made it: the refund named is it
	SaysNotMade Verdict = "not_made" // PortOne made nothing for it
	SaysCancel  Verdict = "cancel"   // PortOne made nothing for it, and nothing shall be made
)

// Reason codes of rows that a person closed. Such a row may be planned again, by a
// decision of its own.
const (
	codeMadeByPerson      = "made_by_person"
	codeNotMadeByPerson   = "not_made_by_person"
	codeReissuedByPerson  = "reissued_by_person"
	codeCancelledByPerson = "cancelled_by_person"
)

// A Ruling is one person's decision about one row, and who made it. It is recorded for good.
type Ruling struct {
	Verdict     Verdict `json:"verdict"`
	Refund      string  `json:"refund,omitempty"`       // of SaysMade: its refund_id, psp_refund_id or identity
	OtherAmount bool    `json:"other_amount,omitempty"` // of SaysMade: it carries the row's marker, with another amount, and that is known
	Reissue     bool    `json:"reissue,omitempty"`      // of SaysNotMade: the row is planned again
	By          string  `json:"by"`                     // as they call themselves
	Note        string  `json:"note"`                   // why
	User        string  `json:"user"`                   // of the operating system
	Host        string  `json:"host"`
}

// A Case is a quarantined row, or one that a person closed, with all that a decision about it rests on.
type Case struct {
	State    OrderState // of its order, without rows of a batch
	Row      OpenRow
	Code     string // why it is what it is
	Message  string
	Since    time.Time // when it became so
	Attempts []Attempt // of the instruction, all revisions, oldest first
}

// AbsentAt is from when on a list shows what any attempt of the row made. Without an attempt
// there is nothing to wait for: the zero time.
func (c Case) AbsentAt() time.Time {
	var at time.Time
	for _, a := range c.Attempts {
		if t := a.AbsentAt(); t.After(at) && a.State != AttemptNotSent {
			at = t
		}
	}
	return at
}

// Candidates are the places in list of the refunds that could be the row's: they carry its
// marker; or, with its amount, they came after its first attempt, are not failed, carry no
// other row's marker, and nobody has booked them.
func (c Case) Candidates(list portone.RefundList) []int {
	var found []int
	for _, i := range unbooked(list, c.State.Bound, c.State.Imported) {
		r := list.Refunds[i]
		if strings.Contains(r.Reason, c.Row.Marker) || r.Amount == c.Row.Amount && !r.Status.Failed() && !c.before(list, i) && c.markerOf(r) == "" {
			found = append(found, i)
		}
	}
	return found
}

// before tells whether refund i of the list stood there before the row's first attempt.
func (c Case) before(list portone.RefundList, i int) bool {
	return len(c.Attempts) > 0 && !slices.Contains(news(c.Attempts[0].Baseline, list), i)
}

// markerOf is another row's marker that the refund carries, or "".
func (c Case) markerOf(r portone.Refund) string {
	for marker := range c.State.Markers {
		if marker != c.Row.Marker && strings.Contains(r.Reason, marker) {
			return marker
		}
	}
	return ""
}

// mayReissue tells of a row that a person closed as not made, or cancelled, or that failed
// without PortOne's ever having made it.
func (c Case) mayReissue() bool {
	failed := []string{codeNotMadeByPerson, "limited", "not_sent", "list_behind", "list_unreadable"}
	return c.State.Open == nil && (c.Row.State == Failed && slices.Contains(failed, c.Code) || c.Row.State == Cancelled && c.Code == codeCancelledByPerson)
}

// A Refusal is why a decision can't be taken, in whole sentences for a person.
type Refusal struct{ text string }

func (r *Refusal) Error() string { return r.text }

func ruledOut(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Decide turns a person's ruling into a settlement, or into a *Refusal where the time has not
// come or the evidence is against it. list is a fresh one, whose reading began at readAt. The
// settlement holds only if the row still is what c has of it.
func Decide(c Case, r Ruling, list portone.RefundList, readAt time.Time) (Settlement, error) {
	switch {
	case strings.TrimSpace(r.By) == "" || strings.TrimSpace(r.Note) == "":
		return Settlement{}, ruledOut("a decision needs --by NAME, who takes it, and --note TEXT, why; both are kept for good")
	case r.Reissue && r.Verdict != SaysNotMade:
		return Settlement{}, ruledOut("--reissue goes with --not-made alone: only what was not made is sent again")
	case c.Row.State != Quarantined && !(c.mayReissue() && r.Reissue):
		return Settlement{}, c.notQuarantined()
	case c.State.Open != nil && c.State.Open.Marker != c.Row.Marker:
		return Settlement{}, ruledOut("another row of order %s has an open attempt, %s; settle that one first", c.Row.OrderRef, c.State.Open.ID)
	}
	if at := c.AbsentAt(); readAt.Before(at) {
		return Settlement{}, ruledOut("it is too early: PortOne may still list this refund until %s. Decide after that", at.UTC().Format(time.DateTime+" MST"))
	}
	if missing := notListed(c.State.Bound, list); missing != nil {
		return Settlement{}, ruledOut("PortOne's list is behind: it does not show refund %s, which the ledger has for this order. Try again later", missing.Identity)
	}
	s := Settlement{
		OrderRef: c.Row.OrderRef, Marker: c.Row.Marker, At: readAt, Version: c.State.Version,
		Ruling: &r, Was: c.Row.State, List: &list,
	}
	if a := c.State.Open; a != nil {
		s.AttemptID, s.From, s.Limited = a.ID, a.State, a.Limited
	}
	var err error
	switch r.Verdict {
	case SaysMade:
		err = c.made(&s, r, list)
	case SaysNotMade, SaysCancel:
		err = c.notMade(&s, r, list)
	default:
		err = ruledOut("say what was found out: --made REFUND, --not-made or --cancel")
	}
	return s, err
}

func (c Case) notQuarantined() error {
	switch c.Row.State {
	case Sending, Unknown:
		return ruledOut("the row is %s: its outcome may still come by itself. refunds resolve reads PortOne's list", c.Row.State)
	case Planned, Held:
		return ruledOut("the row is %s: nothing was sent that needs a decision. Issue its file", c.Row.State)
	}
	return ruledOut("the row is %s and not quarantined; there is nothing to decide", c.Row.State)
}

// made binds the refund named to the row.
func (c Case) made(s *Settlement, r Ruling, list portone.RefundList) error {
	i, err := named(list, r.Refund, c.Row.Marker)
	if err != nil {
		return err
	}
	l, ours := list.Refunds[i], withMarker(list, c.Row.Marker)
	carries := slices.Contains(ours, i)
	switch other := c.markerOf(l); {
	case !slices.Contains(unbooked(list, c.State.Bound, nil), i): // one that an import booked is bound to nobody
		return ruledOut("refund %s is booked for another row already; a refund proves one row", r.Refund)
	case other != "" && !carries:
		return ruledOut("refund %s carries the marker of another row, %s: it is that one's", r.Refund, other)
	case !carries && len(ours) > 0:
		return ruledOut("PortOne lists refund %s with this row's own marker; that one is it, not %s", Identity(list, ours[0], c.Row.Marker), r.Refund)
	case l.Amount.Currency != c.Row.Amount.Currency:
		return ruledOut("refund %s is in %s, the row in %s", r.Refund, l.Amount.Currency, c.Row.Amount.Currency)
	case l.Amount != c.Row.Amount && !carries:
		return ruledOut("refund %s is of %s %s, the row of %s", r.Refund, l.Amount, l.Amount.Currency, c.Row.Amount)
	case l.Amount != c.Row.Amount && !r.OtherAmount:
		return ruledOut("refund %s carries this row's marker, but is of %s %s and the row of %s. If that is known and right, say --other-amount too", r.Refund, l.Amount, l.Amount.Currency, c.Row.Amount)
	case !carries && c.before(list, i):
		return ruledOut("refund %s was listed before this row's first attempt, so it can't be what that made. If it settles the matter all the same, --cancel the row", r.Refund)
	}
	s.Refund, s.Identity, s.Echoed = &l, Identity(list, i, c.Row.Marker), carries
	s.tell(l)
	if s.State != Failed {
		s.ReasonCode = codeMadeByPerson
	}
	said := fmt.Sprintf("%s says that it was made: %s", r.By, r.Note)
	if l.Amount != c.Row.Amount {
		said = fmt.Sprintf("made of %s %s, not of %s; %s", l.Amount, l.Amount.Currency, c.Row.Amount, said)
	}
	s.Message = strings.TrimPrefix(s.Message+"; "+said, "; ")
	if s.AttemptID != "" {
		s.To = AttemptMade
	}
	return nil
}

// notMade closes the row, or plans it again.
func (c Case) notMade(s *Settlement, r Ruling, list portone.RefundList) error {
	if ours := withMarker(list, c.Row.Marker); len(ours) > 0 {
		return ruledOut("PortOne lists a refund with this row's marker, %s: it was made. Say --made with it", Identity(list, ours[0], c.Row.Marker))
	}
	if found := c.Candidates(list); len(found) > 0 {
		name := Identity(list, found[0], "")
		return ruledOut("PortOne lists a refund of this amount that nobody has booked, %q: it may be this row's. If it is, say --made with it. "+
			"If somebody made it elsewhere, book it first (refunds ledger import), and decide then", name)
	}
	if n := len(c.Attempts); n > 0 {
		if gone := total(c.Attempts[0].Baseline).Sub(total(list)); gone.Minor > 0 {
			return ruledOut("PortOne says that %s %s less is left of the order than its refunds explain, so one may be made and not listed. Ask PortOne, or try again later", gone, gone.Currency)
		}
	}
	switch {
	case r.Verdict == SaysCancel:
		s.State, s.ReasonCode, s.Message = Cancelled, codeCancelledByPerson, fmt.Sprintf("%s cancelled it: %s", r.By, r.Note)
	case r.Reissue:
		s.State, s.ReasonCode, s.Message = Planned, codeReissuedByPerson, fmt.Sprintf("to be sent again; %s says that it was not made: %s", r.By, r.Note)
	default:
		s.State, s.ReasonCode, s.Message = Failed, codeNotMadeByPerson, fmt.Sprintf("%s says that it was not made: %s", r.By, r.Note)
	}
	if s.AttemptID != "" {
		s.To = AttemptAbsent
	}
	return nil
}

// total is what the list says is left and what its refunds took, in the order's currency.
func total(list portone.RefundList) portone.Money {
	sum := list.Remaining
	for _, r := range list.Refunds {
		if !r.Status.Failed() && r.Amount.Currency == sum.Currency {
			sum = sum.Add(r.Amount)
		}
	}
	return sum
}

// named finds the one refund of the list that a person calls by name.
func named(list portone.RefundList, name, marker string) (int, error) {
	var found []int
	for i, r := range list.Refunds {
		if name != "" && slices.Contains([]string{r.RefundID, r.PSPRefundID, Identity(list, i, ""), Identity(list, i, marker)}, name) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, ruledOut("PortOne's list of this order, read just now, shows no refund %q; see refunds resolve --list", name)
	}
	return 0, ruledOut("%d refunds of PortOne's list are called %q; name it by its identity, as refunds resolve --list shows it", len(found), name)
}
