package portonetest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"refunds/portone"
)

// Truth is what really happened, for a test to compare with.
type Truth struct {
	Requests []Request `json:"requests"` // in the order in which they came
	Refunds  []Refund  `json:"refunds"`  // in the order in which they were made
}

// A Request is one that came, whatever became of it. One that is still at work has
// neither Status nor Took yet. Whoever has read an answer finds it in the truth.
type Request struct {
	N        int       `json:"n"` // 1 is the first that came
	At       time.Time `json:"at"`
	Method   string    `json:"method"`
	Path     string    `json:"path"` // as it came, escaped
	Route    Route     `json:"route"`
	OrderRef string    `json:"order_ref,omitempty"` // of the path; of a status request the merchant's
	Nth      int       `json:"nth"`                 // of this route and OrderRef, from 1
	Body     string    `json:"body,omitempty"`
	TokenExp time.Time `json:"token_exp,omitzero"`
	Fault    string    `json:"fault,omitempty"`       // the action of the script, as it is written there
	Status   int       `json:"http_status,omitempty"` // of the answer, 0 when none went out, also when it was cut
	Code     string    `json:"code,omitempty"`        // why it was refused when it was carried out, also where a fault hides it
	Refund   int       `json:"refund,omitempty"`      // Seq of the refund that was made, 0: none
	Took     Duration  `json:"took,omitempty"`        // from its coming to its answer's going out
}

// A Duration is written as in "1.5s".
type Duration time.Duration

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// A Refund is one that was made. All but Status stays as it was then, also when the
// list tells it differently.
type Refund struct {
	Seq         int           `json:"seq"` // 1 is the first that was made
	OrderRef    string        `json:"order_ref"`
	Amount      portone.Money `json:"-"` // in JSON: amount in major units, and currency
	RefundID    string        `json:"refund_id"`
	PSPRefundID string        `json:"psp_refund_id"`
	Type        string        `json:"refund_type"`
	Reason      string        `json:"reason"`           // as it was asked for, echoed or not
	Marker      string        `json:"marker,omitempty"` // at the front of Reason, if one is there
	Description string        `json:"description,omitempty"`
	Status      string        `json:"status"`
	By          string        `json:"by"`                // ByAPI or ByPortal
	Request     int           `json:"request,omitempty"` // N of the request
	MadeAt      time.Time     `json:"made_at"`
	VisibleAt   time.Time     `json:"visible_at"` // when the list shows it at the earliest
}

// Who made a refund.
const (
	ByAPI    = "api"
	ByPortal = "portal"
)

type refundFields Refund

type refundJSON struct {
	refundFields
	Amount   json.Number      `json:"amount"`
	Currency portone.Currency `json:"currency"`
}

func (r Refund) MarshalJSON() ([]byte, error) {
	return json.Marshal(refundJSON{refundFields(r), r.Amount.Number(), r.Amount.Currency})
}

func (r *Refund) UnmarshalJSON(b []byte) error {
	var j refundJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	m, err := portone.ParseNumber(j.Amount, j.Currency)
	if err != nil {
		return err
	}
	*r = Refund(j.refundFields)
	r.Amount = m
	return nil
}

// marker is how a refund begins that this project's program asked for.
var marker = regexp.MustCompile(`^[A-Z2-7]{20}( |$)`)

func markerOf(reason string) string { return strings.TrimSuffix(marker.FindString(reason), " ") }

// A Stat counts the requests of one route that fared alike.
type Stat struct {
	Route  Route  `json:"route"`
	Fault  string `json:"fault,omitempty"`
	Status int    `json:"http_status"` // 0: no whole answer went out
	Count  int    `json:"count"`
}

// truth collects. Its lock is taken last and held shortly.
type truth struct {
	mu       sync.Mutex
	requests []*Request
	refunds  []*Refund
	nth      map[routeRef]int
	stats    map[Stat]int
}

type routeRef struct {
	route Route
	ref   string
}

func newTruth() *truth { return &truth{nth: map[routeRef]int{}, stats: map[Stat]int{}} }

// begin numbers a request that has come.
func (t *truth) begin(r *Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := routeRef{r.Route, r.OrderRef}
	t.nth[k]++
	r.Nth = t.nth[k]
	t.requests = append(t.requests, r)
	r.N = len(t.requests)
}

// made numbers a refund that has been made, and ties it to its request, if it had one.
func (t *truth) made(f Refund, r *Request) Refund {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.Seq = len(t.refunds) + 1
	f.Marker = markerOf(f.Reason)
	if r != nil {
		f.Request = r.N
		r.Refund = f.Seq
	}
	t.refunds = append(t.refunds, &f)
	return f
}

func (t *truth) update(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *truth) end(r *Request, status int, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Status, r.Took = status, Duration(took)
	t.stats[Stat{Route: r.Route, Fault: r.Fault, Status: status}]++
}

func (t *truth) setStatus(seq int, status string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq >= 1 && seq <= len(t.refunds) {
		t.refunds[seq-1].Status = status
	}
}

// Truth is a copy of what happened so far. orderRefs, if any, are the only orders told of.
func (s *Server) Truth(orderRefs ...string) Truth {
	wanted := func(ref string) bool { return len(orderRefs) == 0 || slices.Contains(orderRefs, ref) }
	t := Truth{Requests: []Request{}, Refunds: []Refund{}}
	s.truth.mu.Lock()
	defer s.truth.mu.Unlock()
	for _, r := range s.truth.requests {
		if wanted(r.OrderRef) {
			t.Requests = append(t.Requests, *r)
		}
	}
	for _, f := range s.truth.refunds {
		if wanted(f.OrderRef) {
			t.Refunds = append(t.Refunds, *f)
		}
	}
	return t
}

// Posts counts the refund POSTs that came for an order, whatever became of them;
// "" is of all orders.
func (s *Server) Posts(orderRef string) int { return s.count(RoutePost, orderRef) }

// Gets counts the reads of an order's list in the same way.
func (s *Server) Gets(orderRef string) int { return s.count(RouteGet, orderRef) }

func (s *Server) count(route Route, ref string) int {
	s.truth.mu.Lock()
	defer s.truth.mu.Unlock()
	if ref != "" {
		return s.truth.nth[routeRef{route, ref}]
	}
	n := 0
	for k, c := range s.truth.nth {
		if k.route == route {
			n += c
		}
	}
	return n
}

// Made lists the refunds that were made and have not failed since, of which the
// reason begins with prefix: "" for all, a marker for those of one instruction.
func (s *Server) Made(prefix string) []Refund {
	s.truth.mu.Lock()
	defer s.truth.mu.Unlock()
	var made []Refund
	for _, f := range s.truth.refunds {
		if strings.HasPrefix(f.Reason, prefix) && !portone.Status(f.Status).Failed() {
			made = append(made, *f)
		}
	}
	return made
}

// Stats counts finished requests by route, fault and status, in a fixed order.
func (s *Server) Stats() []Stat {
	s.truth.mu.Lock()
	defer s.truth.mu.Unlock()
	var stats []Stat
	for st, n := range s.truth.stats {
		st.Count = n
		stats = append(stats, st)
	}
	slices.SortFunc(stats, func(a, b Stat) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	return stats
}

func (s Stat) sortKey() string { return fmt.Sprintf("%s %03d %s", s.Route, s.Status, s.Fault) }

// String is one line: "post 200 12" or "post 500 (500-after) 3".
func (s Stat) String() string {
	if s.Fault == "" {
		return fmt.Sprintf("%s %d %d", s.Route, s.Status, s.Count)
	}
	return fmt.Sprintf("%s %d (%s) %d", s.Route, s.Status, s.Fault, s.Count)
}
