package portonetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An answer is what goes out for a request, or how nothing does.
type answer struct {
	status int
	body   []byte
	kind   string // Content-Type; "": application/json
	retry  string // Retry-After
	to     string // Location
	drop   bool   // close without a byte
	reset  bool   // reset without a byte
	cut    Kind   // "": whole
	at     int    // bytes of body before the cut
}

const page = "<!DOCTYPE html>\n<html><head><title>Just a moment</title></head><body><h1>One moment, please</h1></body></html>\n"

// answer carries out a request, or not, and makes the answer that fault calls for;
// nil is none.
func (s *Server) answer(c *call, fault *Fault) answer {
	if fault == nil {
		return s.carryOut(c)
	}
	a := fault.Action
	var right answer
	if a.When == After || a.Kind.cuts() {
		right = s.carryOut(c)
	}
	switch a.Kind {
	case KindStatus:
		return s.statusAnswer(c, a, right)
	case KindHTML:
		return answer{status: http.StatusOK, kind: "text/html; charset=utf-8", body: []byte(page)}
	case KindEmpty:
		return answer{status: http.StatusOK}
	case KindOdd:
		return answer{status: http.StatusOK, body: []byte(`{"result":"accepted","data":[]}`)}
	case KindExpired:
		e := unauthorized("the token is expired")
		return answer{status: e.http, body: e.body(false)}
	case KindTimeout:
		hang := s.cfg.MaxHang
		if a.For > 0 {
			hang = a.For
		}
		s.wait(hang, c.gone)
		return answer{drop: true}
	case KindSlow:
		if !s.wait(a.For, nil) {
			return answer{drop: true}
		}
		if a.When != After {
			right = s.carryOut(c)
		}
		return right
	case KindDrop:
		return answer{drop: true}
	case KindReset:
		return answer{reset: true}
	case KindCut, KindCutChunked, KindCutClose:
		right.cut, right.at = a.Kind, a.At
		if right.at < 0 {
			right.at = len(right.body) / 2
		}
		right.at = min(right.at, len(right.body))
		return right
	}
	panic("simulator: no such fault: " + string(a.Kind)) // Parse lets none through
}

// statusAnswer is an answer of one status. Its body is the one asked for, else with
// 2xx what is right (nothing carried out: the list as it is), else an error of PortOne's.
func (s *Server) statusAnswer(c *call, a Action, right answer) answer {
	r := answer{status: a.Status, kind: a.Type, retry: s.retryAfter(a.RetryAfter)}
	switch {
	case a.HasBody:
		r.body = []byte(a.Body)
	case a.Status < 300 && a.When == After:
		r.body = right.body
	case a.Status < 300:
		r.body, _ = s.refunds(c)
	default:
		r.body = faultBody(a).body(s.draws(QuirkStatusMessage, c))
	}
	if a.Status >= 300 && a.Status < 400 {
		r.to = c.Path
	}
	return r
}

func faultBody(a Action) *apiError {
	e := &apiError{code: a.Code, reason: a.Reason, message: http.StatusText(a.Status)}
	if e.code == "" {
		switch {
		case a.Status == http.StatusUnauthorized:
			e.code = "4010"
		case a.Status >= 500:
			e.code = "5000"
		case a.Status >= 400 && a.Status != http.StatusTooManyRequests: // no code is documented for that one
			e.code = "4001"
		}
	}
	if e.reason == "" {
		e.reason = reasons[e.code]
	}
	return e
}

// retryAfter is the header's text: date+30s and date-30s stand for the HTTP date
// at that distance.
func (s *Server) retryAfter(v string) string {
	if d, err := time.ParseDuration(strings.TrimPrefix(v, "date")); err == nil && strings.HasPrefix(v, "date") {
		return s.cfg.Now().Add(d).UTC().Format(http.TimeFormat)
	}
	return v
}

// wholeStatus is the status of an answer that goes out whole, else 0.
func (a answer) wholeStatus() int {
	if a.drop || a.reset || a.cut != "" {
		return 0
	}
	return a.status
}

func (s *Server) write(w http.ResponseWriter, a answer) {
	if a.wholeStatus() == 0 {
		s.breakOff(w, a)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType())
	if a.retry != "" {
		h.Set("Retry-After", a.retry)
	}
	if a.to != "" {
		h.Set("Location", a.to)
	}
	bodiless := a.status == http.StatusNoContent || a.status == http.StatusNotModified
	if !bodiless {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if !bodiless {
		_, _ = w.Write(a.body) // it fails where the sender is gone, which is the sender's right
	}
}

func (a answer) contentType() string {
	if a.kind == "" {
		return "application/json"
	}
	return a.kind
}

// breakOff takes the connection over, sends what is to be sent of a and ends it.
func (s *Server) breakOff(w http.ResponseWriter, a answer) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the connection is closed all the same
	}
	defer conn.Close()
	if a.reset {
		_ = reset(conn) // where it can't be reset it is closed
		return
	}
	if a.cut != "" {
		_ = conn.SetWriteDeadline(time.Now().Add(s.cfg.MaxHang)) // a sender that does not read holds up nobody
		_, _ = conn.Write(a.partial())
	}
}

// partial is the bytes of a cut answer.
func (a answer) partial() []byte {
	line := fmt.Sprintf("%d %s\r\nContent-Type: %s\r\n", a.status, http.StatusText(a.status), a.contentType())
	part := string(a.body[:a.at])
	switch a.cut {
	case KindCutChunked:
		chunk := ""
		if part != "" {
			chunk = fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
		}
		return []byte("HTTP/1.1 " + line + "Transfer-Encoding: chunked\r\n\r\n" + chunk)
	case KindCutClose:
		return []byte("HTTP/1.0 " + line + "\r\n" + part)
	}
	return []byte("HTTP/1.1 " + line + "Content-Length: " + strconv.Itoa(len(a.body)) + "\r\n\r\n" + part)
}
