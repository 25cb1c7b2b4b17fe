package portone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// parseList reads what GET and POST of an order's refunds answer (guide):
//
//	{"amountToRefund": 60000, "refundDetails": [{…}, …]}
//
// Both members must be there and neither may be null. A null list could be a list
// that was not loaded, and taking it for "no refunds" is how a refund is made twice.
// One element that can't be read makes the list unreadable: a list with a hole
// proves nothing. currency is the order's, in which the remaining amount is told;
// an element names its own. body is kept as RefundList.Raw, not copied.
func parseList(body []byte, currency Currency) (RefundList, error) {
	f := [...]field{{name: "amountToRefund"}, {name: "refundDetails"}}
	if err := pickWhole(body, f[:]); err != nil {
		return RefundList{}, err
	}
	l := RefundList{Raw: body}
	var err error
	if l.Remaining, err = f[0].amount(currency); err != nil {
		return RefundList{}, err
	}
	err = f[1].each(func(i int, element []byte) error {
		r, err := parseRefund(element)
		if err != nil {
			return fmt.Errorf("refund %d of the list: %w", i+1, err)
		}
		l.Refunds = append(l.Refunds, r)
		return nil
	})
	if err != nil {
		return RefundList{}, err
	}
	return l, nil
}

func parseRefund(element []byte) (Refund, error) {
	f := [...]field{{name: "refund_id"}, {name: "psp_refund_id"}, {name: "refund_status"}, {name: "refund_type"},
		{name: "refund_reason"}, {name: "refund_date"}, {name: "currency"}, {name: "amount"}}
	if err := pick(element, f[:]); err != nil {
		return Refund{}, err
	}
	var s [7]string
	for i := range s {
		var err error
		if s[i], err = f[i].text(); err != nil {
			return Refund{}, err
		}
	}
	c, err := ParseCurrency(s[6])
	if err != nil {
		return Refund{}, err
	}
	amount, err := f[7].amount(c)
	if err != nil {
		return Refund{}, err
	}
	return Refund{RefundID: s[0], PSPRefundID: s[1], Status: Status(s[2]), Type: s[3], Reason: s[4],
		Date: parseDate(s[5]), Amount: amount}, nil
}

// parseOrder reads the content of transaction-details (guide), and one element of
// fetch-all-payments, which is documented less well: that it has the same members,
// and that the time is paid_at or created_at, is our reading.
func parseOrder(content []byte) (Order, error) {
	f := [...]field{{name: "order_ref"}, {name: "merchant_order_ref"}, {name: "channel_key"}, {name: "status"},
		{name: "currency"}, {name: "paid_at"}, {name: "created_at"},
		{name: "amount"}, {name: "is_refund_allowed"}, {name: "is_multi_refund_allowed"}}
	if err := pick(content, f[:]); err != nil {
		return Order{}, err
	}
	var s [7]string
	for i := range s {
		var err error
		if s[i], err = f[i].text(); err != nil {
			return Order{}, err
		}
	}
	if s[0] == "" {
		return Order{}, fmt.Errorf("an order without order_ref")
	}
	c, err := ParseCurrency(s[4])
	if err != nil {
		return Order{}, fmt.Errorf("order %.64q: %w", s[0], err)
	}
	o := Order{OrderRef: s[0], MerchantOrderRef: s[1], Channel: s[2], Status: s[3], PaidAt: parseDate(s[5])}
	if o.PaidAt.IsZero() {
		o.PaidAt = parseDate(s[6])
	}
	if o.Amount, err = f[7].amount(c); err != nil {
		return Order{}, fmt.Errorf("order %.64q: %w", s[0], err)
	}
	if o.RefundAllowed, err = f[8].maybe(); err != nil {
		return Order{}, fmt.Errorf("order %.64q: %w", s[0], err)
	}
	if o.MultiRefundAllowed, err = f[9].maybe(); err != nil {
		return Order{}, fmt.Errorf("order %.64q: %w", s[0], err)
	}
	return o, nil
}

// parseDate reads the forms that PortOne's samples have: RFC 3339 with an offset or
// Z, and, in the webhook's, Go's own "2024-09-26 10:42:24.650023 +0000 UTC". Any other
// is the zero time: a refund counts without its date.
func parseDate(s string) time.Time {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// A field is one wanted member of a JSON object; val is nil where it is missing.
// encoding/json alone would not do: it matches names in any case, takes the last of
// two members of one name, and can't tell null from missing.
type field struct {
	name string
	val  []byte
}

var errNotJSON = errors.New("not one whole JSON value")

// pickWhole is pick for an answer's body: one whole JSON object and nothing after it.
func pickWhole(body []byte, fields []field) error {
	if !json.Valid(body) {
		return fmt.Errorf("%w: %s", errNotJSON, clip(body))
	}
	return pick(body, fields)
}

// pick finds the wanted members of a JSON object and leaves the others alone. A
// wanted member that is there twice is an error: which one counts is anybody's
// guess. b must be valid JSON.
func pick(b []byte, fields []field) error {
	i := space(b, 0)
	if b[i] != '{' {
		return fmt.Errorf("not a JSON object: %s", clip(b))
	}
	i = space(b, i+1)
	for b[i] != '}' {
		end := skip(b, i)
		name := b[i:end]
		if plain(name) {
			name = name[1 : len(name)-1]
		} else {
			name = []byte(unquote(name))
		}
		i = space(b, space(b, end)+1) // over the colon
		end = skip(b, i)
		for k := range fields {
			if fields[k].name != string(name) {
				continue
			}
			if fields[k].val != nil {
				return fmt.Errorf("%s is there twice", fields[k].name)
			}
			fields[k].val = b[i:end]
		}
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return nil
}

// each calls do for every element of the array that the field must be.
func (f field) each(do func(i int, element []byte) error) error {
	b := f.val
	switch {
	case b == nil:
		return fmt.Errorf("%s is missing", f.name)
	case b[0] != '[':
		return fmt.Errorf("%s is not a list: %s", f.name, clip(b))
	}
	at := space(b, 1)
	for n := 0; b[at] != ']'; n++ {
		end := skip(b, at)
		if err := do(n, b[at:end]); err != nil {
			return err
		}
		if at = space(b, end); b[at] == ',' {
			at = space(b, at+1)
		}
	}
	return nil
}

// amount reads a number of major units that is not negative.
func (f field) amount(c Currency) (Money, error) {
	switch {
	case f.val == nil:
		return Money{}, fmt.Errorf("%s is missing", f.name)
	case f.val[0] != '-' && (f.val[0] < '0' || f.val[0] > '9'):
		return Money{}, fmt.Errorf("%s is not a number: %s", f.name, clip(f.val))
	}
	m, err := ParseNumber(json.Number(f.val), c)
	if err != nil {
		return Money{}, fmt.Errorf("%s: %w", f.name, err)
	}
	if m.Minor < 0 {
		return Money{}, fmt.Errorf("%s is negative: %s", f.name, clip(f.val))
	}
	return m, nil
}

// text reads a string, or a number as it is spelled. Missing and null are "".
func (f field) text() (string, error) {
	switch {
	case f.val == nil || f.val[0] == 'n':
		return "", nil
	case f.val[0] == '"':
		return unquote(f.val), nil
	case f.val[0] == '-' || '0' <= f.val[0] && f.val[0] <= '9':
		return string(f.val), nil
	}
	return "", fmt.Errorf("%s is not a text: %s", f.name, clip(f.val))
}

// maybe reads a boolean that may be missing or null, both of which are nil.
func (f field) maybe() (*bool, error) {
	switch string(f.val) {
	case "", "null":
		return nil, nil
	case "true", "false":
		b := f.val[0] == 't'
		return &b, nil
	}
	return nil, fmt.Errorf("%s is neither true nor false: %s", f.name, clip(f.val))
}

// skip is the index after the value that begins at i. b must be valid JSON.
func skip(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ' ', '\t', '\r', '\n', ',', ':':
			continue
		default: // a number or a word
			for i+1 < len(b) && !strings.ContainsRune(" \t\r\n,:]}", rune(b[i+1])) {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
}

func space(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n' {
		i++
	}
	return i
}

func plain(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) }

// unquote reads a JSON string. What is no text to a database, NUL and invalid UTF-8,
// becomes U+FFFD.
func unquote(quoted []byte) string {
	if plain(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return "\uFFFD"
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// clip shows the beginning of what PortOne sent, for a person.
func clip(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
