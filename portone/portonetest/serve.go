package portonetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds what is read of a request; more is a request cut off there.
const maxBody = 1 << 20

// A call is one request on its way through the Server.
type call struct {
	*Request        // under the truth's lock, but for what never changes after begin
	key      string // of the path
	header   http.Header
	claims   claims // of the token
	badToken string // why its form or signature is wrong, ""
	body     []byte
	gone     <-chan struct{} // closed when the sender is gone
}

// serve carries out one request: it writes it down, then answers it as the script
// will have it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	defer s.calls.Done()
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.control(w, r)
		return
	}
	start := time.Now()
	c := s.receive(r)
	fault := s.script.Load().fault(s.cfg.Seed, c.Route, c.OrderRef, c.Nth)
	if fault != nil {
		s.truth.update(func() { c.Fault = fault.Action.String() })
	}
	a := answer{drop: true}
	if s.wait(s.cfg.Delay, nil) {
		a = s.answer(c, fault)
	}
	s.finish(c, a, time.Since(start)) // first, so that whoever has the answer finds it in the truth
	s.write(w, a)
}

func (s *Server) finish(c *call, a answer, took time.Duration) {
	status := a.wholeStatus()
	s.truth.end(c.Request, status, took)
	s.log.Debug("request", "route", c.Route, "order_ref", c.OrderRef, "nth", c.Nth, "fault", c.Fault,
		"http_status", status, "code", c.Code, "refund", c.Refund, "took", took)
}

// receive reads a request to its end and writes it down.
func (s *Server) receive(r *http.Request) *call {
	at := s.cfg.Now()
	route, ref, key := routeOf(r.Method, r.URL.EscapedPath())
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // a cut body fails to parse later
	if route == RouteDetails {
		var b struct {
			OrderRef string `json:"order_ref"`
		}
		_ = json.Unmarshal(body, &b) // details answers a body that can't be read
		ref = b.OrderRef
	}
	q := &Request{At: at, Method: r.Method, Path: r.URL.EscapedPath(), Route: route, OrderRef: ref}
	claims, badToken := readToken(r.Header.Get("Authorization"), []byte(s.cfg.SecretKey))
	if claims.Exp != 0 {
		q.TokenExp = time.Unix(claims.Exp, 0)
	}
	if !s.cfg.DropBodies {
		q.Body = string(body)
	}
	s.truth.begin(q)
	return &call{Request: q, key: key, header: r.Header, claims: claims, badToken: badToken, body: body, gone: r.Context().Done()}
}

// carryOut does what the request asks for and makes PortOne's answer to it.
func (s *Server) carryOut(c *call) answer {
	if refusal := s.authorize(c); refusal != nil {
		return s.refusal(c, refusal)
	}
	var body []byte
	var refusal *apiError
	switch c.Route {
	case RoutePost:
		body, refusal = s.refund(c)
	case RouteGet:
		body, refusal = s.refunds(c)
	case RouteStatus:
		body, refusal = s.status(c)
	case RouteDetails:
		body, refusal = s.details(c)
	case RoutePayments:
		body, refusal = s.payments(c)
	default:
		refusal = &apiError{http: http.StatusNotFound, message: "there is nothing at this path for this method"}
	}
	if refusal != nil {
		return s.refusal(c, refusal)
	}
	return answer{status: http.StatusOK, body: body}
}

func (s *Server) refusal(c *call, e *apiError) answer {
	s.truth.update(func() { c.Code = e.code })
	return answer{status: e.http, body: e.body(s.draws(QuirkStatusMessage, c))}
}

// draws tells whether a quirk of answers strikes this one.
func (s *Server) draws(k QuirkKind, c *call) bool {
	return s.script.Load().quirk(s.cfg.Seed, k, c.OrderRef, string(c.Route), c.Nth) != nil
}
