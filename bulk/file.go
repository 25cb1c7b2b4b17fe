package bulk

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"refunds/portone"
)

// A File of instructions, read and judged. Nothing of it has been resolved or booked.
type File struct {
	Reading
	Name       string
	Rows       []Row           // the good ones, in the file's order, without Key and Marker; none if Unusable
	TurnedDown []TurnedDown    // the others, in the file's order
	Totals     []portone.Money // of Rows, one for each currency, by its code
	SameAmount int             // of Rows: those that refund an order and amount of an earlier row again; they need an override

	claimed    map[portone.Currency]int64 // of all rows whose amount can be read
	unreadable int                        // rows whose amount can't
	notRows    int                        // of N: comments, totals, headers
}

// Acceptance says what is taken of a file that has faults in some rows.
type Acceptance string

const (
	AllOrNothing Acceptance = "all-or-nothing"
	ValidRows    Acceptance = "valid-rows"
)

// Accepted tells whether rows of f may be issued under a. Warnings don't count.
func (f *File) Accepted(a Acceptance) bool {
	switch a {
	case AllOrNothing:
		return f.FaultCount == 0
	case ValidRows:
		return !f.Unusable && len(f.Rows) > 0
	}
	return false
}

// Batch is f's good rows as a batch.
func (f *File) Batch(receivedAt time.Time) Batch {
	return Batch{ID: f.ID, FileName: f.Name, ReceivedAt: receivedAt, Rows: f.Rows}
}

var instructionTable = &Table{
	OneOf: []string{"order_ref", "merchant_order_ref"},
	Columns: []Column{
		{Name: "order_ref", Rule: JudgeReference, ID: true, Order: true, Aliases: OrderRefAliases},
		{Name: "merchant_order_ref", Rule: JudgeReference, ID: true, Order: true, Aliases: MerchantOrderRefAliases},
		{Name: "amount", Required: true, Amount: true, Aliases: []string{"refund_amount", "amount_to_refund"}},
		{Name: "currency", Required: true, Rule: JudgeCurrency, Aliases: CurrencyAliases},
		{Name: "reason", Required: true, Rule: judgeReason, Aliases: []string{"refund_reason", "reason_for_refund"}},
		{Name: "channel", Rule: JudgeReference, Aliases: ChannelAliases},
		{Name: "refund_type", Rule: judgeRefundType, Aliases: []string{"type"}},
		{Name: "description", Rule: judgeReason, Aliases: []string{"refund_description"}},
		{Name: "instruction_id", Rule: JudgeID, ID: true, Aliases: []string{"refund_request_id", "request_id"}},
	},
}

// Aliases that several tables share.
var (
	OrderRefAliases         = []string{"order_id", "order", "order_no", "order_number", "order_reference", "portone_order_ref", "portone_order_id"}
	MerchantOrderRefAliases = []string{"merchant_order_id", "merchant_order", "merchant_ref", "merchant_reference", "merchant_order_reference"}
	CurrencyAliases         = []string{"currency_code", "refund_currency", "ccy"}
	ChannelAliases          = []string{"channel_key", "payment_channel"}
)

// instructionCells is what gocsv decodes a row into.
type instructionCells struct {
	OrderRef         string `csv:"order_ref"`
	MerchantOrderRef string `csv:"merchant_order_ref"`
	Amount           string `csv:"amount"`
	Currency         string `csv:"currency"`
	Reason           string `csv:"reason"`
	Channel          string `csv:"channel"`
	Type             string `csv:"refund_type"`
	Description      string `csv:"description"`
	ID               string `csv:"instruction_id"`
}

// UnmarshalCSVWithFields spares gocsv the reflection, which costs as much as all else it does.
func (c *instructionCells) UnmarshalCSVWithFields(column, value string) error {
	switch column {
	case "order_ref":
		c.OrderRef = value
	case "merchant_order_ref":
		c.MerchantOrderRef = value
	case "amount":
		c.Amount = value
	case "currency":
		c.Currency = value
	case "reason":
		c.Reason = value
	case "channel":
		c.Channel = value
	case "refund_type":
		c.Type = value
	case "description":
		c.Description = value
	case "instruction_id":
		c.ID = value
	}
	return nil
}

func (c *instructionCells) instruction() (Instruction, error) {
	currency, err := portone.ParseCurrency(c.Currency)
	if err != nil {
		return Instruction{}, err
	}
	amount, err := portone.ParseMoney(c.Amount, currency)
	if err != nil {
		return Instruction{}, err
	}
	kind := portone.Partial
	if strings.EqualFold(c.Type, string(portone.Full)) {
		kind = portone.Full
	}
	return Instruction{ID: c.ID, OrderRef: c.OrderRef, MerchantOrderRef: c.MerchantOrderRef, Amount: amount,
		Reason: c.Reason, Description: c.Description, Channel: c.Channel, Type: kind}, nil
}

// ReadFile reads a file of instructions and judges it. The error is one of reading r,
// never a fault of the file. name is kept without its folder.
//
// That a row stands in the file twice is judged on what the file says: an order named
// once by order_ref and once by merchant_order_ref is only known to be one when the
// references are resolved.
func ReadFile(name string, r io.Reader, limits Limits) (*File, error) {
	f := &File{Name: name[strings.LastIndexAny(name, `/\`)+1:]}
	t := newTwins()
	var broken error
	rd, err := ReadTable(r, instructionTable, limits, func(rec *Record[instructionCells]) {
		i, err := rec.Values.instruction()
		if err != nil && broken == nil {
			broken = fmt.Errorf("line %d was judged good: %w", rec.Line, err)
		}
		f.Rows = append(f.Rows, Row{Instruction: i, N: rec.N, Line: rec.Line, Cells: rec.Cells})
		t.look(f.Rows, rec)
	}, func(td TurnedDown) { f.TurnedDown = append(f.TurnedDown, td) })
	if err = cmp.Or(err, broken); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name, err)
	}
	f.Reading = *rd
	defer func() {
		if f.Unusable {
			f.Rows, f.Totals = nil, nil
		}
	}()
	f.take(t, limits.OrDefault().Faults)
	if err := f.addUp(); err != nil {
		f.add(&f.Faults, &f.FaultCount, Fault{Code: CodeFile, Message: err.Error()}, limits.OrDefault().Faults)
		f.Unusable = true
	}
	return f, nil
}

// addUp fills in the totals.
func (f *File) addUp() error {
	good := map[portone.Currency]int64{}
	f.claimed = map[portone.Currency]int64{}
	add := func(sums map[portone.Currency]int64, m portone.Money) error {
		if sums[m.Currency] > math.MaxInt64-m.Minor {
			return fmt.Errorf("the amounts in %s add up to more than can be counted; split the file", m.Currency)
		}
		sums[m.Currency] += m.Minor
		return nil
	}
	for _, row := range f.Rows {
		if err := cmp.Or(add(good, row.Amount), add(f.claimed, row.Amount)); err != nil {
			return err
		}
	}
	for c, minor := range good {
		f.Totals = append(f.Totals, portone.Money{Minor: minor, Currency: c})
	}
	slices.SortFunc(f.Totals, func(a, b portone.Money) int { return strings.Compare(string(a.Currency), string(b.Currency)) })
	for _, td := range f.TurnedDown {
		m, err := f.amountOf(td)
		switch {
		case td.Faults[0].Code == CodeNotRow:
			f.notRows++
		case err != nil:
			f.unreadable++
		default:
			if err := add(f.claimed, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *File) amountOf(td TurnedDown) (portone.Money, error) {
	a, c := slices.Index(f.Detected.Columns, "amount"), slices.Index(f.Detected.Columns, "currency")
	if a < 0 || c < 0 || td.Raw != "" || len(td.Cells) != len(f.Header) {
		return portone.Money{}, portone.ErrAmount
	}
	currency, err := portone.ParseCurrency(td.Cells[c])
	if err != nil {
		return portone.Money{}, err
	}
	return portone.ParseMoney(td.Cells[a], currency)
}
