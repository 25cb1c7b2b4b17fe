package portonetest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A SyntaxError is the first thing in a script that can't be read.
type SyntaxError struct {
	Line, Column int    // from 1; columns are counted in characters
	Got          string // "" at the end of a clause
	Want         string
}

func (e *SyntaxError) Error() string {
	got := "the clause ends"
	if e.Got != "" {
		got = fmt.Sprintf("%.60q", e.Got)
	}
	return fmt.Sprintf("fault script: line %d, column %d: %s, expected %s", e.Line, e.Column, got, e.Want)
}

// MustParse is Parse for a script that stands in a test. It panics with the error.
func MustParse(text string) Script {
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

// Parse reads a script: clauses, each on a line of its own or behind a comma. Its
// error is a *SyntaxError.
func Parse(text string) (s Script, err error) {
	p := &parser{text: text, shares: map[string]Share{}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *SyntaxError:
			s, err = Script{}, r
		default:
			panic(r)
		}
	}()
	for p.next() {
		head := p.word("a route or a quirk")
		switch name := head.text; {
		case slices.Contains(scriptRoutes, Route(name)):
			s.Faults = append(s.Faults, p.fault(Route(name)))
		case slices.Contains(channelQuirks, QuirkKind(name)), slices.Contains(shareQuirks, QuirkKind(name)):
			s.Quirks = append(s.Quirks, p.quirk(QuirkKind(name)))
		default:
			p.fail(head, "a route ("+list(scriptRoutes)+") or a quirk ("+list(shareQuirks)+"; "+list(channelQuirks)+")")
		}
	}
	return s, nil
}

var (
	scriptRoutes  = []Route{RoutePost, RouteGet, RouteStatus, RouteDetails, RoutePayments}
	channelQuirks = []QuirkKind{QuirkNoEcho, QuirkNoPartial, QuirkNoSecond, QuirkNoRefund}
	shareQuirks   = []QuirkKind{QuirkLag, QuirkEmptyIDs, QuirkEmptyPSPIDs, QuirkLowerCurrency, QuirkOffsetDates,
		QuirkExtraFields, QuirkInQueue, QuirkShuffle, QuirkStatusMessage}
	kinds = []Kind{KindCutChunked, KindCutClose, KindCut, KindHTML, KindEmpty, KindOdd, KindExpired, KindTimeout,
		KindDrop, KindReset, KindSlow}
)

func list[S ~string](names []S) string {
	b := make([]string, len(names))
	for i, n := range names {
		b[i] = string(n)
	}
	return strings.Join(b, ", ")
}

// A word is a run of characters without white space or a comma, but in double quotes.
type word struct {
	text string
	at   int // byte of the script
}

// parser reads one clause at a time. It fails by panic, which ends in Parse.
type parser struct {
	text   string
	pos    int
	clause []word
	end    int              // of the clause
	shares map[string]Share // given away so far, by route or quirk
}

func (p *parser) fail(w word, want string) {
	before := p.text[:w.at]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	panic(&SyntaxError{Line: line, Column: column, Got: w.text, Want: want})
}

// next splits the next clause that is not empty into words. It is false at the end.
func (p *parser) next() bool {
	p.clause = nil
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == ',' || c == '\n':
			p.end = p.pos
			p.pos++
			if len(p.clause) > 0 {
				return true
			}
		case c == ' ' || c == '\t' || c == '\r':
			p.pos++
		default:
			p.clause = append(p.clause, p.scan())
		}
	}
	p.end = p.pos
	return len(p.clause) > 0
}

func (p *parser) scan() word {
	start := p.pos
	for p.pos < len(p.text) && !strings.ContainsRune(", \t\r\n", rune(p.text[p.pos])) {
		if p.text[p.pos] != '"' {
			p.pos++
			continue
		}
		quoted, err := strconv.QuotedPrefix(p.text[p.pos:])
		if err != nil {
			p.fail(word{p.text[p.pos:], p.pos}, "a quoted value that ends on its line, as in Go")
		}
		p.pos += len(quoted)
	}
	return word{p.text[start:p.pos], start}
}

// peek is the next word of the clause, or its end.
func (p *parser) peek() word {
	if len(p.clause) == 0 {
		return word{"", p.end}
	}
	return p.clause[0]
}

func (p *parser) word(want string) word {
	w := p.peek()
	if w.text == "" {
		p.fail(w, want)
	}
	p.clause = p.clause[1:]
	return w
}

func (p *parser) done() {
	if w := p.peek(); w.text != "" {
		p.fail(w, "the end of the clause: a comma or a new line")
	}
}

// option takes the next word if it is name=….
func (p *parser) option(name string) (value word, ok bool) {
	w := p.peek()
	v, ok := strings.CutPrefix(w.text, name+"=")
	if !ok {
		return w, false
	}
	p.clause = p.clause[1:]
	return word{v, w.at + len(name) + 1}, true
}

var (
	shareForm = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,2})?%$`)
	orderForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	nthForm   = regexp.MustCompile(`^([1-9][0-9]{0,8})(?:(\.\.)([1-9][0-9]{0,8})?)?$`)
)

// share takes a share, if there is one; at is where it stands.
func (p *parser) share() (n Share, at word) {
	w := p.peek()
	if !strings.HasSuffix(w.text, "%") {
		return 0, w
	}
	if !shareForm.MatchString(w.text) {
		p.fail(w, "a share such as 10% or 0.25%")
	}
	whole, frac, _ := strings.Cut(strings.TrimSuffix(w.text, "%"), ".")
	v, err := strconv.Atoi(whole + (frac + "00")[:2])
	if err != nil || v == 0 || v > 10_000 {
		p.fail(w, "a share above 0% and up to 100%")
	}
	p.clause = p.clause[1:]
	return Share(v), w
}

// give keeps count of the shares that hold for every request of a route, or every
// refund: more than all of them can't be given away.
func (p *parser) give(of string, n Share, at word) {
	if p.shares[of] += n; p.shares[of] > 10_000 {
		p.fail(at, "shares of "+of+" that add up to at most 100%")
	}
}

func (p *parser) order() string {
	w, ok := p.option("order")
	if ok && !orderForm.MatchString(w.text) {
		p.fail(w, "an order reference of letters, digits, _ and -")
	}
	if !ok {
		return ""
	}
	return w.text
}

func (p *parser) fault(route Route) Fault {
	f := Fault{Route: route}
	share, at := p.share()
	f.Share, f.Order = share, p.order()
	if w, ok := p.option("nth"); ok {
		m := nthForm.FindStringSubmatch(w.text)
		if m == nil {
			p.fail(w, "a number from 1, or numbers such as 2..4 or 2..")
		}
		f.First, _ = strconv.Atoi(m[1]) // at most nine digits
		f.Last, _ = strconv.Atoi(m[3])
		if m[2] == "" {
			f.Last = f.First
		} else if m[3] != "" && f.Last < f.First {
			p.fail(w, "the smaller number first")
		}
	}
	if f.Order == "" && f.First == 0 {
		p.give(string(route), f.Share, at)
	}
	f.Action = p.action(route)
	p.done()
	return f
}

func (p *parser) quirk(kind QuirkKind) Quirk {
	q := Quirk{Kind: kind}
	if slices.Contains(channelQuirks, kind) {
		w := p.word("a channel such as OMISE")
		if !orderForm.MatchString(w.text) {
			p.fail(w, "a channel such as OMISE")
		}
		q.Channel = w.text
		p.done()
		return q
	}
	share, at := p.share()
	q.Share, q.Order = share, p.order()
	if q.Order == "" {
		p.give(string(kind), q.Share, at)
	}
	if kind == QuirkLag {
		q.Lag = p.duration(p.word(durationWanted))
	}
	p.done()
	return q
}

const durationWanted = "a time such as 300ms or 2s, up to 1h"

func (p *parser) duration(w word) time.Duration {
	d, err := time.ParseDuration(w.text)
	if err != nil || d <= 0 || d > time.Hour {
		p.fail(w, durationWanted)
	}
	return d
}

// value is an option's text, quoted as in Go or plain.
func (p *parser) value(w word) string {
	v := w.text
	if strings.HasPrefix(v, `"`) {
		u, err := strconv.Unquote(v)
		if err != nil {
			p.fail(w, "one quoted value")
		}
		return u
	}
	if v == "" || quote(v) != v {
		p.fail(w, "a value of plain characters, or one in double quotes")
	}
	return v
}

// line is a value that goes into a header or a field.
func (p *parser) line(w word) string {
	v := p.value(w)
	if v == "" || strings.ContainsFunc(v, unicode.IsControl) || !utf8.ValidString(v) {
		p.fail(w, "a value that is not empty and has no control characters")
	}
	return v
}
