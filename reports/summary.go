package reports

import (
	"time"

	"refunds/portone"
	"refunds/reconcile"
)

// A summary is a run for another program to read. Amounts are strings of major units.
type summary struct {
	Run           string              `json:"run"`
	Environment   portone.Environment `json:"environment"`
	Verdict       reconcile.Verdict   `json:"verdict"`
	Stopped       string              `json:"stopped,omitempty"`
	Window        windowSummary       `json:"window"`
	StartedAt     time.Time           `json:"started_at"`
	FinishedAt    time.Time           `json:"finished_at"`
	Orders        orderCounts         `json:"orders"`
	Discrepancies foundSummary        `json:"discrepancies"`
	Money         []moneySummary      `json:"money"`
	RollForward   rollSummary         `json:"roll_forward"`
}

type windowSummary struct {
	Kind reconcile.WindowKind `json:"kind"`
	From reconcile.Date       `json:"from,omitempty"`
	To   reconcile.Date       `json:"to,omitempty"`
	Zone string               `json:"zone"`
}

type orderCounts struct {
	Total     int `json:"total"`
	Clean     int `json:"clean"`
	Differing int `json:"with_discrepancies"`
	Unchecked int `json:"unchecked"`
}

func (c *orderCounts) add(l reconcile.OrderLine) {
	c.Total++
	switch l.Verdict {
	case reconcile.OrderClean:
		c.Clean++
	case reconcile.OrderDiffers:
		c.Differing++
	default:
		c.Unchecked++ // never clean by mistake
	}
}

type foundSummary struct {
	Open     int           `json:"open"`
	Carried  int           `json:"carried"` // of open: on orders that could not be read
	Resolved int           `json:"resolved"`
	Kinds    []kindSummary `json:"kinds"`
}

type kindSummary struct {
	Kind     reconcile.Kind     `json:"kind"`
	Severity reconcile.Severity `json:"severity"`
	Open     int                `json:"open"`
	Carried  int                `json:"carried"`
	Resolved int                `json:"resolved"`
}

type moneySummary struct {
	Currency   portone.Currency `json:"currency"`
	Ledger     string           `json:"ledger_refunded"`
	Portone    string           `json:"portone_refunded"`
	Difference string           `json:"difference"`
	Explained  string           `json:"in_discrepancies"`
	Waiting    string           `json:"recent_or_unknown"`
}

type rollSummary struct {
	Opening  int            `json:"opening"`
	New      int            `json:"new"`
	Resolved int            `json:"resolved"`
	Closing  int            `json:"closing"`
	Outside  int            `json:"closing_outside_window"`
	Money    []rollMoneySum `json:"money"`
}

type rollMoneySum struct {
	Currency portone.Currency `json:"currency"`
	Opening  string           `json:"opening"`
	New      string           `json:"new"`
	Changed  string           `json:"changed"`
	Resolved string           `json:"resolved"`
	Closing  string           `json:"closing"`
}

func summarize(run reconcile.Run, c *counts) (summary, error) {
	w := run.Window
	s := summary{Run: run.ID, Environment: run.Environment, Verdict: run.Verdict, Stopped: run.Stopped,
		Window:    windowSummary{w.Kind, w.From, w.To, w.Zone},
		StartedAt: run.StartedAt.UTC(), FinishedAt: run.FinishedAt.UTC(), Orders: c.orders,
		Discrepancies: foundSummary{Open: c.total.open, Carried: c.total.carried, Resolved: c.total.resolved, Kinds: []kindSummary{}},
		Money:         []moneySummary{},
		RollForward:   rollSummary{run.Roll.Opening, run.Roll.New, run.Roll.Resolved, run.Roll.Closing, run.Roll.Outside, []rollMoneySum{}}}
	for _, k := range reconcile.Kinds() {
		e, err := k.Explain()
		if err != nil {
			return summary{}, err
		}
		if n := c.kinds[k]; n != (kindCount{}) {
			s.Discrepancies.Kinds = append(s.Discrepancies.Kinds, kindSummary{k, e.Severity, n.open, n.carried, n.resolved})
		}
	}
	for _, m := range run.Sums {
		str := func(minor int64) string { return portone.Money{Minor: minor, Currency: m.Currency}.String() }
		s.Money = append(s.Money, moneySummary{m.Currency, str(m.Ledger), str(m.Portone), str(m.Difference()), str(m.Explained), str(m.Waiting())})
	}
	for _, m := range run.Roll.Money {
		str := func(minor int64) string { return portone.Money{Minor: minor, Currency: m.Currency}.String() }
		s.RollForward.Money = append(s.RollForward.Money, rollMoneySum{m.Currency, str(m.Opening), str(m.New), str(m.Changed), str(m.Resolved), str(m.Closing)})
	}
	return s, nil
}
