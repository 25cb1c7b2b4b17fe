package bulk

import (
	"errors"
	"fmt"
	"time"

	"refunds/portone"
)

// simOrder is an order as the ledger and as PortOne have it.
type simOrder struct {
	ref     string
	channel int

	// The ledger's.
	known    bool
	order    Order
	version  int64
	attempts []simAttempt
	booked   []simBooked

	// PortOne's.
	amount  int64
	multi   *bool // may it be refunded more than once? nil: PortOne doesn't say
	refunds []simRefund
}

type simAttempt struct {
	Attempt
	row, revision int
}

// simBooked is a booked refund. In this world nothing is imported, so each has its row.
type simBooked struct {
	row                     int
	identity, refundID, psp string
	amount                  int64
	status                  portone.Status
}

type simRow struct {
	Instruction
	order, batch int
	state        State
	code         string
	revision     int
}

var (
	errCommit     = errors.New("the commit was not confirmed")
	errConstraint = errors.New("the database refuses it")
)

// orderState is bulk.Ledger's OrderState. A batch below zero is none.
func (w *simWorld) orderState(o *simOrder, batch int) OrderState {
	st := OrderState{Markers: make(map[string]State, len(w.rows))}
	open := o.open()
	if o.known {
		order := o.order
		st.Order, st.Version, st.Echoes = &order, o.version, w.echoed[o.channel]
		if open != nil {
			a := open.Attempt
			st.Open = &a
		}
		for i := range o.booked {
			b := &o.booked[i]
			r := &w.rows[b.row]
			st.Bound = append(st.Bound, BoundRefund{Marker: r.Marker, State: r.state, RefundID: b.refundID, PSPRefundID: b.psp,
				Identity: b.identity, Amount: vnd(b.amount), Status: b.status})
		}
	}
	for i := range w.rows {
		r := &w.rows[i]
		if &w.orders[r.order] != o {
			continue
		}
		st.Markers[r.Marker] = r.state
		switch {
		case open != nil && open.row == i:
			row := w.openRow(o, i)
			st.OpenRow = &row
		case r.batch == batch && (r.state == Planned || r.state == Held):
			st.Rows = append(st.Rows, w.openRow(o, i))
		}
	}
	return st
}

func (w *simWorld) openRow(o *simOrder, row int) OpenRow {
	r := &w.rows[row]
	out := OpenRow{Instruction: r.Instruction, State: r.state}
	for i := range o.attempts {
		a := &o.attempts[i]
		if a.row != row {
			continue
		}
		out.Attempts++
		if a.revision != r.revision {
			continue
		}
		switch {
		case a.State == AttemptNotSent:
			out.NotSent++
		case a.State == AttemptRefused:
			out.Refused++
		case a.State == AttemptAbsent && a.Limited:
			out.Limited++
		case a.State == AttemptAbsent:
			out.Absent++
		}
	}
	return out
}

func (o *simOrder) open() *simAttempt {
	for i := range o.attempts {
		if o.attempts[i].State.Open() {
			return &o.attempts[i]
		}
	}
	return nil
}

func (o *simOrder) attempt(id string) *simAttempt {
	for i := range o.attempts {
		if o.attempts[i].ID == id {
			return &o.attempts[i]
		}
	}
	return nil
}

func (o *simOrder) bookedFor(row int) *simBooked {
	for i := range o.booked {
		if o.booked[i].row == row {
			return &o.booked[i]
		}
	}
	return nil
}

// begin is T1.
func (w *simWorld) begin(o *simOrder, a Attempt, version int64) error {
	row := w.rowOf(a.Marker)
	r := &w.rows[row]
	switch {
	case !o.known || o.version != version:
		return ErrMoved
	case r.state != Planned && r.state != Held || o.bookedFor(row) != nil:
		return ErrMoved
	case o.open() != nil: // the slot
		return ErrMoved
	case a.Amount != r.Amount || a.Amount.Minor > a.Baseline.Remaining.Minor || o.attempt(a.ID) != nil:
		return fmt.Errorf("begin attempt %s: %w", a.ID, errConstraint)
	}
	for i := range o.attempts {
		if before := &o.attempts[i]; before.row == row {
			w.hold(before.State == AttemptNotSent || before.State == AttemptRefused || before.State == AttemptAbsent,
				"attempt n+1 began although attempt n is neither not sent, refused nor absent")
		}
	}
	if ended := w.openRow(o, row); w.policy == Quarantine {
		w.hold(ended.Absent == 0, "sent again under quarantine, after an absent attempt")
	} else {
		w.hold(ended.Absent <= 1, "sent again after two absent attempts")
	}
	o.version++
	r.state, r.code = Sending, ""
	o.attempts = append(o.attempts, simAttempt{a, row, r.revision})
	return nil
}

// settleT2 is T2.
func (w *simWorld) settleT2(o *simOrder, s Settlement) error {
	row := w.rowOf(s.Marker)
	r := &w.rows[row]
	var a *simAttempt
	if s.AttemptID == "" {
		switch {
		case !o.known && s.Version == 0:
		case !o.known || o.version != s.Version || o.open() != nil && (s.Refund == nil || o.bookedFor(row) == nil):
			return ErrMoved
		case r.state == Sending || r.state == Unknown:
			return ErrMoved
		case (s.State == Planned || s.State == Held) && r.state != Planned && r.state != Held && r.state != Quarantined:
			return ErrMoved
		}
	} else {
		if a = o.attempt(s.AttemptID); a == nil || a.State != s.From {
			return ErrMoved
		}
		for i := range o.attempts {
			if other := &o.attempts[i]; other != a && other.State.Open() {
				return ErrMoved
			}
		}
	}
	same := s.AttemptID != "" && s.From == s.To
	var book *simBooked
	if s.Refund != nil && !same {
		var err error
		if book, err = o.match(row, s); err != nil {
			return err
		}
	}
	if err := o.proven(row, s, book, same); err != nil {
		return err
	}
	// Nothing fails from here on.
	if o.known {
		o.version++
	}
	if a != nil {
		a.State, a.Limited, a.NextLook = s.To, a.Limited || s.Limited, s.NextLook
		if s.Answer != nil {
			a.AnsweredAt, a.HTTPStatus = s.Answer.At, s.Answer.HTTPStatus
		}
	}
	if same {
		return nil
	}
	if book != nil {
		o.book(row, book, s)
	}
	if s.Echoed {
		w.echoed[o.channel] = true
	}
	for i := range o.attempts {
		x := &o.attempts[i]
		w.hold(s.State != Refused || x.row != row || x.revision != r.revision || x.State != AttemptAbsent,
			"a refusal closed a row after an attempt whose outcome was never known")
	}
	w.changes(row, s)
	r.state, r.code = s.State, s.ReasonCode
	return nil
}

// match finds the booked refund that the settlement's is; one of row -1 is to be added.
func (o *simOrder) match(row int, s Settlement) (*simBooked, error) {
	r := s.Refund
	for i := range o.booked {
		b := &o.booked[i]
		same := b.identity == s.Identity || b.psp != "" && b.psp == r.PSPRefundID || b.refundID != "" && b.refundID == r.RefundID
		differ := b.psp != "" && r.PSPRefundID != "" && b.psp != r.PSPRefundID || b.refundID != "" && r.RefundID != "" && b.refundID != r.RefundID
		switch {
		case b.row == row && !same && differ:
			return nil, fmt.Errorf("another refund is booked for it: %w", errConstraint)
		case b.row != row && same:
			return nil, ErrBoundElsewhere
		}
	}
	if b := o.bookedFor(row); b != nil {
		return b, nil
	}
	return &simBooked{row: -1}, nil
}

func (o *simOrder) book(row int, b *simBooked, s Settlement) {
	b.identity, b.status = s.Identity, s.Refund.Status
	if b.refundID == "" {
		b.refundID = s.Refund.RefundID
	}
	if b.psp == "" {
		b.psp = s.Refund.PSPRefundID
	}
	if b.row < 0 {
		b.row, b.amount = row, s.Refund.Amount.Minor
		o.booked = append(o.booked, *b)
	}
}

// proven holds what the ledger itself refuses: a state that the attempt's does not bear,
// and issued or pending without a booked refund that says so.
func (o *simOrder) proven(row int, s Settlement, book *simBooked, same bool) error {
	if same && s.To.Open() {
		return nil
	}
	ok := false
	switch s.To {
	case "":
		ok = s.AttemptID == "" && s.State != Sending && s.State != Unknown
	case AttemptUnknown:
		ok = s.State == Unknown
	case AttemptQuarantined:
		ok = s.State == Quarantined
	case AttemptMade:
		ok = s.State == Issued || s.State == Pending || s.State == Failed
	case AttemptRefused, AttemptNotSent, AttemptAbsent:
		ok = s.State == Planned || s.State == Refused || s.State == Failed || s.State == Quarantined
	}
	var status portone.Status
	if b := o.bookedFor(row); b != nil {
		status = b.status
	}
	if book != nil {
		status = s.Refund.Status
	}
	switch s.State {
	case Issued:
		ok = ok && status.Succeeded()
	case Pending:
		ok = ok && status != "" && !status.Settled()
	}
	if !ok {
		return fmt.Errorf("an attempt that becomes %q does not make its row %s: %w", s.To, s.State, errConstraint)
	}
	return nil
}

// holdRows is bulk.Ledger's Hold.
func (w *simWorld) holdRows(batch int) {
	for i := range w.rows {
		r := &w.rows[i]
		if r.batch != batch || r.state != Planned && r.state != Held {
			continue
		}
		behind := false
		for j := range w.rows {
			behind = behind || w.rows[j].order == r.order && w.rows[j].state == Quarantined
		}
		if behind {
			r.state = Held
		} else {
			r.state = Planned
		}
	}
}

// unsettled is bulk.Ledger's Unsettled, or all orders.
func (w *simWorld) unsettled(due time.Time, all bool) (orders []int) {
	for i := range w.orders {
		o := &w.orders[i]
		a := o.open()
		wanted := all || a != nil && !a.NextLook.After(due)
		for j := range o.booked {
			wanted = wanted || !o.booked[j].status.Settled()
		}
		if o.known && wanted {
			orders = append(orders, i)
		}
	}
	return orders
}

// giveAgain is a person who gives a refused or failed row a second time: a new revision, if
// nothing was made for it and every attempt was refused or not sent.
func (w *simWorld) giveAgain(row, batch int) bool {
	r := &w.rows[row]
	o := &w.orders[r.order]
	if r.state != Refused && r.state != Failed || o.bookedFor(row) != nil {
		return false
	}
	for i := range o.attempts {
		if a := &o.attempts[i]; a.row == row && a.State != AttemptRefused && a.State != AttemptNotSent {
			return false
		}
	}
	o.version++
	r.revision++
	r.state, r.code, r.batch = Planned, "", batch
	return true
}

func (w *simWorld) rowOf(marker string) int {
	for i := range w.rows {
		if w.rows[i].Marker == marker {
			return i
		}
	}
	panic("no row has the marker " + marker)
}
