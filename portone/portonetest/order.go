package portonetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"refunds/portone"
)

// An Order is one that was paid. OrderRef, Amount and Channel are required.
type Order struct {
	OrderRef         string
	MerchantOrderRef string
	Amount           portone.Money
	Channel          string
	PaidAt           time.Time // zero: PortOne does not say
	NoRefund         bool      // refused with 4070
	NoSecond         bool      // a second refund is refused with 4070
	NoPartial        bool      // less than all that is left is refused with 4081
}

// Listed is one refund as PortOne's list shows it. Seq is the refund that it shows,
// as the truth numbers them; 0 for one that was never made.
type Listed struct {
	Seq         int
	RefundID    string
	PSPRefundID string
	Amount      portone.Money
	Status      string
	Type        string
	Reason      string // as echoed: "" where the channel gives none back
	Date        time.Time
	VisibleAt   time.Time // not in the list before; zero: at once

	counted         int64 // minor units of the order's currency that it takes from what is left
	lowerCurrency   bool
	offsetDate      bool
	unexpectedField bool
}

const (
	statusSuccess = "SUCCESS"
	statusQueued  = "IN_QUEUE" // documented for one channel (guide)
	statusFailed  = "FAILED"   // our reading
)

// account is an order with its refunds.
type account struct {
	mu sync.Mutex
	Order
	list  []Listed // as they were made, or as EditList left them
	made  int      // refunds ever made: the count that quirks are drawn by
	shift int64    // minor units by which PortOne errs in what is left
}

// left is what can still be refunded, whether or not the list shows it.
func (a *account) left() int64 {
	n := a.Amount.Minor
	for _, l := range a.list {
		n -= l.taken()
	}
	return n
}

// listed is what the list shows at at: the refunds that are visible, and what is
// left by them alone, for amountToRefund lags with the list.
func (a *account) listed(at time.Time) (portone.Money, []Listed) {
	left := portone.Money{Minor: a.Amount.Minor + a.shift, Currency: a.Amount.Currency}
	var list []Listed
	for _, l := range a.list {
		if l.VisibleAt.After(at) {
			continue
		}
		left.Minor -= l.taken()
		list = append(list, l)
	}
	left.Minor = max(left.Minor, 0)
	return left, list
}

func (l Listed) taken() int64 {
	if portone.Status(l.Status).Failed() {
		return 0
	}
	return l.counted
}

// state holds the orders. Each has its own lock.
type state struct {
	mu         sync.RWMutex
	byRef      map[string]*account
	byMerchant map[string]*account // the first order of that reference
}

func newState() *state {
	return &state{byRef: map[string]*account{}, byMerchant: map[string]*account{}}
}

func (s *state) order(ref string) *account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byRef[ref]
}

func (s *state) merchantOrder(ref string) *account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byMerchant[ref]
}

// AddOrders adds all orders, or none and says which can't be. What is known of a
// channel (guide) is added to the order's own flags.
func (s *Server) AddOrders(orders ...Order) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	seen := make(map[string]bool, len(orders))
	for i, o := range orders {
		if err := o.check(); err != nil {
			return fmt.Errorf("simulator: order %d (%q): %w", i+1, o.OrderRef, err)
		}
		if s.state.byRef[o.OrderRef] != nil || seen[o.OrderRef] {
			return fmt.Errorf("simulator: order %d (%q) is there already", i+1, o.OrderRef)
		}
		seen[o.OrderRef] = true
	}
	for _, o := range orders {
		c := channels[o.Channel]
		o.NoSecond = o.NoSecond || c.noSecond
		o.NoPartial = o.NoPartial || c.noPartial
		a := &account{Order: o}
		s.state.byRef[o.OrderRef] = a
		if o.MerchantOrderRef != "" && s.state.byMerchant[o.MerchantOrderRef] == nil {
			s.state.byMerchant[o.MerchantOrderRef] = a
		}
	}
	return nil
}

func (o Order) check() error {
	if _, ok := o.Amount.Currency.Decimals(); !ok {
		return fmt.Errorf("%q is not an ISO 4217 currency", string(o.Amount.Currency))
	}
	switch {
	case o.OrderRef == "":
		return errors.New("order_ref is missing")
	case o.Amount.Minor <= 0:
		return errors.New("the amount is not above zero")
	case o.Channel == "":
		return errors.New("channel is missing")
	}
	return nil
}

// channels is what the guide says of channels. Their keys are our reading of its names.
var channels = map[string]struct{ noRefund, noPartial, noSecond bool }{
	"APPOTA":       {noPartial: true},
	"KREDIVO":      {noPartial: true},
	"BAOKIM":       {noSecond: true},
	"CYBERSOURCE":  {noRefund: true},
	"KLASHA":       {noRefund: true},
	"HEROPLUS":     {noRefund: true},
	"PAYSOLUTIONS": {noRefund: true},
}

// EditList replaces the list of an order by what edit makes of it, behind
// everybody's back: to alter, delete, add or double what PortOne lists. What is
// left follows the amounts in the order's currency; a refund told in another
// currency goes on counting as it did. The truth of what was made is not changed.
func (s *Server) EditList(orderRef string, edit func([]Listed) []Listed) error {
	a := s.state.order(orderRef)
	if a == nil {
		return unknownOrder(orderRef)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = edit(slices.Clone(a.list))
	for i, l := range a.list {
		if l.Amount.Currency == a.Amount.Currency {
			a.list[i].counted = l.Amount.Minor
		}
	}
	return nil
}

// List is the order's whole list, also what is not visible yet.
func (s *Server) List(orderRef string) []Listed {
	a := s.state.order(orderRef)
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// SetStatus changes the status of a refund, in the list and in the truth, as when
// a queued one is settled. A failed one no longer counts against what is left.
func (s *Server) SetStatus(orderRef string, seq int, status string) error {
	a := s.state.order(orderRef)
	if a == nil {
		return unknownOrder(orderRef)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for i := range a.list {
		if a.list[i].Seq == seq {
			a.list[i].Status = status
			found = true
		}
	}
	if !found {
		return fmt.Errorf("simulator: order %q lists no refund %d", orderRef, seq)
	}
	s.truth.setStatus(seq, status)
	return nil
}

// ShiftRemaining makes PortOne err by minor units in what it says is left, until it
// is called again. It does not change what can be refunded.
func (s *Server) ShiftRemaining(orderRef string, minor int64) error {
	a := s.state.order(orderRef)
	if a == nil {
		return unknownOrder(orderRef)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shift = minor
	return nil
}

func unknownOrder(ref string) error { return fmt.Errorf("simulator: there is no order %q", ref) }
