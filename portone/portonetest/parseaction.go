package portonetest

import (
	"regexp"
	"strconv"
	"strings"
)

var statusForm = regexp.MustCompile(`^[2-5][0-9][0-9]$`)

// action reads what is to happen and its options, in any order, each once.
func (p *parser) action(route Route) Action {
	w := p.word(actionsWanted)
	a := p.actionName(w, route)
	for seen := map[string]bool{}; p.peek().text != ""; {
		w := p.peek()
		name, _, _ := strings.Cut(w.text, "=")
		v, ok := p.option(name)
		if !ok || !optionAllowed(a, name) {
			p.fail(w, optionsWanted(a))
		}
		if seen[name] {
			p.fail(w, name+" only once")
		}
		seen[name] = true
		switch name {
		case "code":
			a.Code = p.line(v)
		case "reason":
			a.Reason = p.line(v)
		case "retry-after":
			a.RetryAfter = p.line(v)
		case "type":
			a.Type = p.line(v)
		case "body":
			a.Body, a.HasBody = p.value(v), true
		case "for":
			a.For = p.duration(v)
		case "at":
			n, err := strconv.Atoi(v.text)
			if err != nil || n < 0 || n > maxBody || strconv.Itoa(n) != v.text {
				p.fail(v, "a number of bytes, from 0")
			}
			a.At = n
		}
	}
	switch {
	case a.HasBody && a.Code+a.Reason != "":
		p.fail(w, "either a body or a code and reason, not both")
	case a.Kind == KindSlow && a.For == 0:
		p.fail(p.peek(), "for= and how long")
	}
	return a
}

const actionsWanted = "an HTTP status from 200 to 599 or one of cut, cut-chunked, cut-close, html, empty, odd, expired, timeout, drop, reset, slow, " +
	"with -before or -after"

// actionName reads the first word: what, and on the route that makes refunds when.
func (p *parser) actionName(w word, route Route) Action {
	a := Action{At: -1}
	rest := ""
	for _, k := range kinds { // the longer names stand first
		if r, ok := strings.CutPrefix(w.text, string(k)); ok && (r == "" || r[0] == '-') {
			a.Kind, rest = k, r
			break
		}
	}
	if a.Kind == "" {
		name, when, cut := strings.Cut(w.text, "-")
		if !statusForm.MatchString(name) {
			p.fail(w, actionsWanted)
		}
		a.Kind = KindStatus
		a.Status, _ = strconv.Atoi(name) // three digits
		if cut {
			rest = "-" + when
		}
	}
	switch {
	case route != RoutePost && rest != "":
		p.fail(w, "neither -before nor -after, since "+string(route)+" makes nothing")
	case route != RoutePost:
	case rest == "":
		if a.When = a.usualWhen(); a.When == "" {
			p.fail(w, w.text+"-before or "+w.text+"-after the refund is made")
		}
	case rest != "-before" && rest != "-after":
		p.fail(w, actionsWanted)
	case a.Kind.cuts() && rest == "-before":
		p.fail(w, string(a.Kind)+" alone: an answer that is cut was on its way")
	default:
		a.When = When(rest[1:])
	}
	return a
}

func optionsOf(a Action) []string {
	switch {
	case a.Kind == KindStatus:
		return []string{"code", "reason", "retry-after", "type", "body"}
	case a.Kind == KindTimeout || a.Kind == KindSlow:
		return []string{"for"}
	case a.Kind.cuts():
		return []string{"at"}
	}
	return nil
}

func optionAllowed(a Action, name string) bool {
	for _, o := range optionsOf(a) {
		if o == name {
			return true
		}
	}
	return false
}

func optionsWanted(a Action) string {
	if o := optionsOf(a); o != nil {
		return "the end of the clause or an option of " + string(a.Kind) + ": " + strings.Join(o, "=, ") + "="
	}
	return "the end of the clause: " + string(a.Kind) + " has no options"
}
