package portonetest

import (
	"encoding/json"
	"strings"
	"time"

	"refunds/portone"
)

type listJSON struct {
	AmountToRefund json.Number  `json:"amountToRefund"`
	RefundDetails  []listedJSON `json:"refundDetails"`
}

type listedJSON struct {
	RefundDate   string          `json:"refund_date"`
	RefundID     string          `json:"refund_id"`
	PSPRefundID  string          `json:"psp_refund_id"`
	MerchantID   string          `json:"merchant_id,omitempty"`
	Amount       json.Number     `json:"amount"`
	Currency     string          `json:"currency"`
	RefundStatus string          `json:"refund_status"`
	RefundType   string          `json:"refund_type"`
	RefundReason string          `json:"refund_reason"`
	Unexpected   json.RawMessage `json:"settlement_hint,omitempty"`
}

// spellList is the bare object that POST and GET answer alike (guide).
func spellList(left portone.Money, list []Listed, merchant string) []byte {
	j := listJSON{AmountToRefund: number(left), RefundDetails: make([]listedJSON, len(list))}
	for i, l := range list {
		e := listedJSON{
			RefundDate: date(l.Date.UTC()), RefundID: l.RefundID, PSPRefundID: l.PSPRefundID, Amount: number(l.Amount),
			Currency: string(l.Amount.Currency), RefundStatus: l.Status, RefundType: l.Type, RefundReason: l.Reason,
		}
		if l.lowerCurrency {
			e.Currency = strings.ToLower(e.Currency)
		}
		if l.offsetDate {
			e.RefundDate = date(l.Date.In(indianTime))
		}
		if l.unexpectedField {
			e.MerchantID = merchant
			e.Unexpected = json.RawMessage(`{"amount":0,"steps":[null,"D+1"]}`)
		}
		j.RefundDetails[i] = e
	}
	return mustJSON(j)
}

// date is one of the two forms of the guide's lists: microseconds, and Z or an offset.
func date(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z07:00") }

// number is an amount in major units as a server that counts in doubles prints it,
// without zeros at the end: 111.1 for 111.10. The digits themselves are exact.
func number(m portone.Money) json.Number {
	s := m.String()
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return json.Number(s)
}
