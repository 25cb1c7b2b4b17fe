package portonetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Script says what goes wrong. Its text form is described in doc.go; Parse reads
// it and String writes it. The zero value is a PortOne without faults.
type Script struct {
	Faults []Fault
	Quirks []Quirk
}

// BadDay is a script with every way of losing a refund's answer, at rates far above
// any that a gateway would survive. For proofs, and for trying the program by hand.
const BadDay = `
post 10% 429 retry-after=1
post 2% 500-before
post 2% drop-before
post 5% 500-after
post 4% timeout-after
post 1% cut, post 0.5% cut-chunked, post 0.5% cut-close
post 2% reset-after
post 1% html-after
get 2% 503
get 2% 429
lag 10% 300ms
empty-ids 20%
`

// A Share is a part of 10,000. 0 stands for no share: always.
type Share int

// A Fault is what happens to some requests of one route, in place of the answer.
type Fault struct {
	Route  Route
	Share  Share
	Order  string // "": every order
	First  int    // the nth request of its order and route, from 1; 0: any
	Last   int    // 0 with First: and all after it
	Action Action
}

// Kind names what an action does.
type Kind string

const (
	KindStatus     Kind = "status" // written as the status itself: 429
	KindHTML       Kind = "html"   // 200 with a page of HTML
	KindEmpty      Kind = "empty"  // 200 with no body
	KindOdd        Kind = "odd"    // 200 with JSON of another shape
	KindExpired    Kind = "expired"
	KindTimeout    Kind = "timeout" // no answer until the sender is gone or MaxHang is over
	KindDrop       Kind = "drop"    // the connection is closed without an answer
	KindReset      Kind = "reset"   // … is reset
	KindSlow       Kind = "slow"    // the right answer, late
	KindCut        Kind = "cut"     // carried out; the answer ends early, against its Content-Length
	KindCutChunked Kind = "cut-chunked"
	KindCutClose   Kind = "cut-close" // … without any length, as in HTTP/1.0
)

// When is before or after the refund was made.
type When string

const (
	Before When = "before"
	After  When = "after"
)

// An Action is one fault. Which fields count depends on its kind; Parse checks that.
type Action struct {
	Kind       Kind
	Status     int  // of KindStatus
	When       When // "" on routes that make nothing: nothing is carried out
	Code       string
	Reason     string
	RetryAfter string // as in the header, or date+30s: the HTTP date at that distance; "": no header
	Type       string // Content-Type; "": application/json
	Body       string
	HasBody    bool
	For        time.Duration // of timeout and slow
	At         int           // bytes of the body before a cut; -1: half of it
}

// QuirkKind names a way in which PortOne's answers are strange without being wrong.
type QuirkKind string

const (
	QuirkLag           QuirkKind = "lag" // made now, listed later
	QuirkEmptyIDs      QuirkKind = "empty-ids"
	QuirkEmptyPSPIDs   QuirkKind = "empty-psp-ids"
	QuirkLowerCurrency QuirkKind = "lower-currency"
	QuirkOffsetDates   QuirkKind = "offset-dates"
	QuirkExtraFields   QuirkKind = "extra-fields"
	QuirkInQueue       QuirkKind = "in-queue"
	QuirkShuffle       QuirkKind = "shuffle"
	QuirkStatusMessage QuirkKind = "status-message"

	// Of channels:
	QuirkNoEcho    QuirkKind = "no-echo"
	QuirkNoPartial QuirkKind = "no-partial"
	QuirkNoSecond  QuirkKind = "no-second"
	QuirkNoRefund  QuirkKind = "no-refund"
)

// A Quirk strikes a share of refunds (of answers: shuffle, status-message), or all
// of a channel.
type Quirk struct {
	Kind    QuirkKind
	Share   Share
	Order   string        // "": every order
	Lag     time.Duration // of lag
	Channel string        // of the kinds of channels
}

// SetScript replaces the script, for all that comes from now on.
func (s *Server) SetScript(script Script) { s.script.Store(&script) }

// Script is the one in force.
func (s *Server) Script() Script { return *s.script.Load() }

// fault finds what happens to a request. Faults without a share come first, as
// written. The shares of the others are added up against one draw, which depends on
// nothing but the seed, the order, the route and the request's number there: so what
// happens to a request does not depend on those that run beside it.
func (s *Script) fault(seed uint64, route Route, ref string, nth int) *Fault {
	matches := func(f *Fault) bool {
		return f.Route == route && (f.Order == "" || f.Order == ref) &&
			nth >= f.First && (f.First == 0 || f.Last == 0 || nth <= f.Last)
	}
	for i := range s.Faults {
		if f := &s.Faults[i]; f.Share == 0 && matches(f) {
			return f
		}
	}
	drawn, sum := draw(seed, "fault", ref, string(route), nth), Share(0)
	for i := range s.Faults {
		if f := &s.Faults[i]; f.Share > 0 && matches(f) {
			if sum += f.Share; drawn < sum {
				return f
			}
		}
	}
	return nil
}

// quirk finds the quirk of a kind that strikes, in the same way.
func (s *Script) quirk(seed uint64, kind QuirkKind, ref, salt string, n int) *Quirk {
	sum, drawn := Share(0), Share(-1)
	for i := range s.Quirks {
		q := &s.Quirks[i]
		if q.Kind != kind || q.Order != "" && q.Order != ref {
			continue
		}
		if q.Share == 0 {
			return q
		}
		if drawn < 0 {
			drawn = draw(seed, string(kind), ref, salt, n)
		}
		if sum += q.Share; drawn < sum {
			return q
		}
	}
	return nil
}

// channel tells whether a quirk of channels holds for one.
func (s *Script) channel(kind QuirkKind, channel string) bool {
	for _, q := range s.Quirks {
		if q.Kind == kind && q.Channel == channel {
			return true
		}
	}
	return false
}

// String is the script as Parse reads it, a clause a line.
func (s Script) String() string {
	var b strings.Builder
	for _, f := range s.Faults {
		b.WriteString(f.String() + "\n")
	}
	for _, q := range s.Quirks {
		b.WriteString(q.String() + "\n")
	}
	return b.String()
}

func (f Fault) String() string {
	words := append([]string{string(f.Route)}, f.Share.words()...)
	if f.Order != "" {
		words = append(words, "order="+f.Order)
	}
	switch {
	case f.First > 0 && f.Last == f.First:
		words = append(words, fmt.Sprintf("nth=%d", f.First))
	case f.First > 0 && f.Last == 0:
		words = append(words, fmt.Sprintf("nth=%d..", f.First))
	case f.First > 0:
		words = append(words, fmt.Sprintf("nth=%d..%d", f.First, f.Last))
	}
	return strings.Join(append(words, f.Action.String()), " ")
}

func (q Quirk) String() string {
	if q.Channel != "" {
		return string(q.Kind) + " " + q.Channel
	}
	words := append([]string{string(q.Kind)}, q.Share.words()...)
	if q.Order != "" {
		words = append(words, "order="+q.Order)
	}
	if q.Lag > 0 {
		words = append(words, q.Lag.String())
	}
	return strings.Join(words, " ")
}

func (a Action) String() string {
	name := string(a.Kind)
	if a.Kind == KindStatus {
		name = strconv.Itoa(a.Status)
	}
	if a.When != "" && a.When != a.usualWhen() {
		name += "-" + string(a.When)
	}
	words := []string{name}
	option := func(name, value string, given bool) {
		if given {
			words = append(words, name+"="+value)
		}
	}
	option("code", quote(a.Code), a.Code != "")
	option("reason", quote(a.Reason), a.Reason != "")
	option("retry-after", quote(a.RetryAfter), a.RetryAfter != "")
	option("type", quote(a.Type), a.Type != "")
	option("body", strconv.Quote(a.Body), a.HasBody)
	option("for", a.For.String(), a.For > 0)
	option("at", strconv.Itoa(a.At), a.At >= 0 && a.Kind.cuts())
	return strings.Join(words, " ")
}

// usualWhen is the one that goes without saying on the route that makes refunds;
// "" where it must be said.
func (a Action) usualWhen() When {
	switch {
	case a.Kind.cuts():
		return After
	case a.Kind == KindExpired, a.Kind == KindStatus && a.Status >= 300 && a.Status < 500:
		return Before
	}
	return ""
}

func (k Kind) cuts() bool { return k == KindCut || k == KindCutChunked || k == KindCutClose }

func (n Share) words() []string {
	if n == 0 {
		return nil
	}
	s := fmt.Sprintf("%d.%02d", n/100, n%100)
	return []string{strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"}
}

// quote leaves a value of plain characters as it is.
func quote(v string) string {
	for _, r := range v {
		if r <= ' ' || r > '~' || r == '"' || r == ',' {
			return strconv.Quote(v)
		}
	}
	return v
}
