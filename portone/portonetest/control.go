package portonetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"refunds/portone"
)

// controlPrefix begins the paths that PortOne does not have.
const controlPrefix = "/_sim/"

// control serves an operator, or a test in another process. It is neither delayed
// nor disturbed, and not written down.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method + " " + r.URL.Path {
	case "GET /_sim/truth":
		reply(w, s.Truth(r.URL.Query()["order"]...))
	case "GET /_sim/stats":
		reply(w, s.Stats())
	case "GET /_sim/script":
		_, _ = io.WriteString(w, s.Script().String())
	case "POST /_sim/script":
		err = s.controlScript(r)
	case "POST /_sim/orders":
		err = s.controlOrders(w, r)
	case "POST /_sim/portal":
		err = s.controlPortal(w, r)
	case "POST /_sim/status":
		err = s.controlStatus(r)
	default:
		http.Error(w, "the simulator has GET /_sim/truth, /_sim/stats, /_sim/script and POST /_sim/script, /_sim/orders, /_sim/portal, /_sim/status",
			http.StatusNotFound)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(mustJSON(v), '\n'))
}

func (s *Server) controlScript(r *http.Request) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return err
	}
	script, err := Parse(string(text))
	if err == nil {
		s.SetScript(script)
	}
	return err
}

func (s *Server) controlOrders(w http.ResponseWriter, r *http.Request) error {
	orders, err := LoadOrders(r.Body)
	if err == nil {
		err = s.AddOrders(orders...)
	}
	if err == nil {
		reply(w, map[string]int{"added": len(orders)})
	}
	return err
}

func (s *Server) controlPortal(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		OrderRef string      `json:"order_ref"`
		Amount   json.Number `json:"amount"`
		Reason   string      `json:"reason"`
	}
	if err := decode(r, &q); err != nil {
		return fmt.Errorf(`%w; give {"order_ref": "…", "amount": 12.34, "reason": "…"}`, err)
	}
	a := s.state.order(q.OrderRef)
	if a == nil {
		return unknownOrder(q.OrderRef)
	}
	m, err := portone.ParseNumber(q.Amount, a.Amount.Currency)
	if err != nil {
		return err
	}
	f, err := s.PortalRefund(q.OrderRef, m, q.Reason)
	if err == nil {
		reply(w, f)
	}
	return err
}

func (s *Server) controlStatus(r *http.Request) error {
	var q struct {
		OrderRef string `json:"order_ref"`
		Seq      int    `json:"seq"`
		Status   string `json:"status"`
	}
	if err := decode(r, &q); err != nil {
		return fmt.Errorf(`%w; give {"order_ref": "…", "seq": 1, "status": "SUCCESS"}, with the seq of /_sim/truth`, err)
	}
	if q.Status == "" {
		return errors.New("status is missing")
	}
	return s.SetStatus(q.OrderRef, q.Seq, q.Status)
}

func decode(r *http.Request, v any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
