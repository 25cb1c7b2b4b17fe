package portone

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// MaxMinor is the largest amount, in minor units, that is read or sent. A JSON
// number is a double to many readers, and 2^53 is the last whole number up to
// which a double is exact.
const MaxMinor = 1 << 53

// Money is an exact amount in minor units (satang, cents; VND and JPY have
// none) of one currency. It is comparable with ==. A difference keeps its sign.
type Money struct {
	Minor    int64
	Currency Currency
}

// ErrAmount is wrapped by every error about the form of an amount.
var ErrAmount = errors.New("not an exact amount")

// ParseMoney reads a plain decimal in major units: up to 15 digits without
// leading zeros, then, if the currency has decimals, a point and no more of
// them than it has. In a currency without decimals a fraction of one or two
// zeros is the same number and taken; three are not, since 700.000 is how Vietnam
// writes 700000. It never rounds. Zero is read; whether it makes sense is the
// caller's question.
func ParseMoney(text string, c Currency) (Money, error) {
	d, ok := c.Decimals()
	if !ok {
		return Money{}, fmt.Errorf("%w: no currency %q", ErrAmount, string(c))
	}
	whole, frac, point := strings.Cut(text, ".")
	switch {
	case !digits(whole) || point && !digits(frac):
		return Money{}, fmt.Errorf("%w: %.40q is not digits with at most one point", ErrAmount, text)
	case len(whole) > 15:
		return Money{}, fmt.Errorf("%w: %.40q has more than 15 digits before the point", ErrAmount, text)
	case len(whole) > 1 && whole[0] == '0':
		return Money{}, fmt.Errorf("%w: %.40q has leading zeros", ErrAmount, text)
	case d == 0 && (frac == "0" || frac == "00"):
		frac = ""
	}
	if len(frac) > d {
		return Money{}, fmt.Errorf("%w: %.40q has %d decimals, %s has %d", ErrAmount, text, len(frac), c, d)
	}
	minor, err := strconv.ParseInt(whole+frac+strings.Repeat("0", d-len(frac)), 10, 64)
	if err != nil || minor > MaxMinor {
		return Money{}, fmt.Errorf("%w: %.40q is more than 2^53 minor units", ErrAmount, text)
	}
	return Money{Minor: minor, Currency: c}, nil
}

// ParseNumber reads an amount in major units as PortOne puts it on the wire. It
// takes every spelling that JSON has for the same number (60000, 60000.00,
// 6e4), also a negative one, and refuses one that the currency can't hold exactly.
func ParseNumber(n json.Number, c Currency) (Money, error) {
	d, ok := c.Decimals()
	if !ok {
		return Money{}, fmt.Errorf("%w: no currency %q", ErrAmount, string(c))
	}
	text := n.String()
	if m, err := ParseMoney(text, c); err == nil {
		return m, nil
	}
	if len(text) > 40 { // also keeps an exponent such as 1e999999999 from being spelled out
		return Money{}, fmt.Errorf("%w: a number of %d characters", ErrAmount, len(text))
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 40 || e < -40) {
		return Money{}, fmt.Errorf("%w: %q", ErrAmount, text)
	}
	if strings.Trim(mantissa, "-0123456789.") != "" {
		return Money{}, fmt.Errorf("%w: %q", ErrAmount, text)
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return Money{}, fmt.Errorf("%w: %q", ErrAmount, text)
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d)), nil)))
	if !r.IsInt() {
		return Money{}, fmt.Errorf("%w: %s has more decimals than %s", ErrAmount, text, c)
	}
	if r.Num().CmpAbs(big.NewInt(MaxMinor)) > 0 {
		return Money{}, fmt.Errorf("%w: %s is more than 2^53 minor units", ErrAmount, text)
	}
	return Money{Minor: r.Num().Int64(), Currency: c}, nil
}

// String is the amount as a plain decimal in major units, without the
// currency: "700000", "111.12", "-0.50". ParseMoney reads it back unless it is negative
// or has more than 15 digits before the point.
func (m Money) String() string {
	d, _ := m.Currency.Decimals()
	minor, sign := m.Minor, ""
	if minor < 0 {
		minor, sign = -minor, "-"
	}
	s := strconv.FormatUint(uint64(minor), 10)
	if d == 0 {
		return sign + s
	}
	if len(s) <= d {
		s = strings.Repeat("0", d-len(s)+1) + s
	}
	return sign + s[:len(s)-d] + "." + s[len(s)-d:]
}

// Number is the amount in major units for the wire: "every sample" of the guide
// puts major units there, so 700000 for 700,000 VND and 111.12 for 111.12 THB.
func (m Money) Number() json.Number { return json.Number(m.String()) }

// Sub is m - n. Both must be of one currency: a difference between currencies
// has no amount, and asking for one is a fault of the program.
func (m Money) Sub(n Money) Money {
	m.mustMatch(n)
	return Money{m.Minor - n.Minor, m.Currency}
}

// Add is m + n, under the same condition as Sub.
func (m Money) Add(n Money) Money {
	m.mustMatch(n)
	return Money{m.Minor + n.Minor, m.Currency}
}

func (m Money) mustMatch(n Money) {
	if m.Currency != n.Currency {
		panic(fmt.Sprintf("portone: %s and %s in one sum", m.Currency, n.Currency))
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
