package portone

import (
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func everyCurrency() []Currency {
	var all []Currency
	for c := range decimals {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// TestAmountGoesRound: text, minor units, the wire and back, in every currency.
func TestAmountGoesRound(t *testing.T) {
	for _, c := range everyCurrency() {
		for _, minor := range []int64{0, 1, 9, 10, 99, 100, 101, 999, 1000, 1001, 10000, 123456789, MaxMinor - 1, MaxMinor} {
			roundTrip(t, Money{minor, c})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, Money{rapid.Int64Range(0, MaxMinor).Draw(t, "minor"), rapid.SampledFrom(everyCurrency()).Draw(t, "currency")})
	})
}

func roundTrip(t rapid.TB, m Money) {
	t.Helper()
	text := m.String()
	whole, _, _ := strings.Cut(text, ".")
	if got, err := ParseMoney(text, m.Currency); (err != nil || got != m) && len(whole) <= 15 {
		t.Fatalf("%s %s is read as %v, %v", text, m.Currency, got, err)
	}
	body, err := json.Marshal(map[string]any{"a": m.Number()})
	if err != nil || string(body) != `{"a":`+text+`}` {
		t.Fatalf("%s %s goes out as %s, %v", text, m.Currency, body, err)
	}
	f := []field{{name: "a"}}
	if err := pickWhole(body, f); err != nil {
		t.Fatal(err)
	}
	if got, err := f[0].amount(m.Currency); err != nil || got != m {
		t.Fatalf("%s comes back as %v, %v", body, got, err)
	}
	negative := Money{-m.Minor, m.Currency}
	if got, err := ParseNumber(negative.Number(), m.Currency); err != nil || got != negative {
		t.Fatalf("%s comes back as %v, %v", negative, got, err)
	}
	if sum := m.Add(negative); sum != (Money{0, m.Currency}) || (Money{0, m.Currency}).Sub(m) != negative {
		t.Fatalf("%v and its opposite make %v", m, sum)
	}
}

func TestParseMoney(t *testing.T) {
	for _, tt := range []struct {
		text  string
		c     Currency
		minor int64
	}{
		{"0", "VND", 0}, {"700000", "VND", 700000}, {"700000.0", "VND", 700000}, {"700000.00", "VND", 700000},
		{"111.12", "THB", 11112}, {"111.1", "THB", 11110}, {"111", "THB", 11100}, {"0.01", "THB", 1}, {"0.50", "USD", 50},
		{"1.234", "KWD", 1234}, {"1.2345", "CLF", 12345}, {"90071992547409.92", "USD", MaxMinor}, {"9007199254740.992", "KWD", MaxMinor},
	} {
		if got, err := ParseMoney(tt.text, tt.c); err != nil || got != (Money{tt.minor, tt.c}) {
			t.Errorf("%s %s: %v, %v", tt.text, tt.c, got, err)
		}
	}
	for _, tt := range []struct {
		text string
		c    Currency
	}{
		{"", "VND"}, {"700.000", "VND"}, {"1.5", "VND"}, {"1.01", "VND"}, {"1,000", "USD"}, {"1.000,00", "USD"}, {"1,50", "USD"},
		{"$10", "USD"}, {"10 USD", "USD"}, {"+5", "USD"}, {"-5", "USD"}, {".5", "USD"}, {"5.", "USD"}, {"05", "USD"}, {"00", "USD"},
		{"1e3", "USD"}, {"1_000", "USD"}, {"0x10", "USD"}, {"NaN", "USD"}, {"Inf", "USD"}, {"１", "USD"}, {" 1", "USD"}, {"1 ", "USD"},
		{"1\u200b", "USD"}, {"1.001", "USD"}, {"1.000", "USD"}, {"1.2345", "KWD"}, {"90071992547409.93", "USD"}, {"9007199254740993", "VND"},
		{"1234567890123456", "VND"}, {"1.2.3", "USD"}, {"1", ""}, {"1", "XXX"}, {"1", "usd"},
	} {
		if got, err := ParseMoney(tt.text, tt.c); !errors.Is(err, ErrAmount) || got != (Money{}) {
			t.Errorf("%q %s: %v, %v", tt.text, tt.c, got, err)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for _, tt := range []struct {
		n     json.Number
		c     Currency
		minor int64
	}{
		{"60000", "VND", 60000}, {"60000.00", "VND", 60000}, {"60000.000", "VND", 60000}, {"6e4", "VND", 60000}, {"6E+4", "VND", 60000},
		{"600000e-1", "VND", 60000}, {"-5", "VND", -5}, {"-0", "VND", 0}, {"0e40", "VND", 0}, {"111.12", "THB", 11112},
		{"1.1112e2", "THB", 11112}, {"111.120000", "THB", 11112}, {"-0.01", "THB", -1}, {"1e-3", "KWD", 1},
		{"9007199254740992", "VND", MaxMinor}, {"-9007199254740992", "VND", -MaxMinor},
	} {
		if got, err := ParseNumber(tt.n, tt.c); err != nil || got != (Money{tt.minor, tt.c}) {
			t.Errorf("%s %s: %v, %v", tt.n, tt.c, got, err)
		}
	}
	for _, tt := range []struct {
		n json.Number
		c Currency
	}{
		{"", "VND"}, {"0.5", "VND"}, {"1e-1", "VND"}, {"111.125", "THB"}, {"111.1200000001", "THB"}, {"9007199254740993", "VND"},
		{"-9007199254740993", "VND"}, {"1e999999999", "VND"}, {"1e41", "VND"}, {"1e-999999999", "VND"}, {"NaN", "VND"}, {"Infinity", "VND"},
		{"0x10", "VND"}, {"1/2", "VND"}, {"10/2", "VND"}, {"1_0", "VND"}, {"1p3", "VND"}, {"--1", "VND"}, {"1", "XXX"},
		{json.Number(strings.Repeat("0", 41)), "VND"}, {"111.11999999999999", "THB"},
	} {
		if got, err := ParseNumber(tt.n, tt.c); !errors.Is(err, ErrAmount) || got != (Money{}) {
			t.Errorf("%q %s: %v, %v", tt.n, tt.c, got, err)
		}
	}
}

// FuzzParseNumber holds what is read against exact rational arithmetic.
func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"60000", "111.12", "6e4", "-0.01", "1e999999999", "1e-2", "0.001", "00", "1.", "9007199254740993"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(2))
	}
	all := everyCurrency()
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		c := all[int(which)%len(all)]
		m, err := ParseNumber(json.Number(s), c)
		if err != nil {
			if m != (Money{}) {
				t.Fatalf("an error with a value: %v", m)
			}
			return
		}
		d, _ := c.Decimals()
		want, ok := new(big.Rat).SetString(s)
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d)), nil)
		if !ok || want.Cmp(new(big.Rat).SetFrac(big.NewInt(m.Minor), scale)) != 0 || m.Minor > MaxMinor || m.Minor < -MaxMinor || m.Currency != c {
			t.Fatalf("%q is read as %v", s, m)
		}
		if again, err := ParseNumber(m.Number(), c); err != nil || again != m {
			t.Fatalf("%q is read as %v, and that as %v, %v", s, m, again, err)
		}
	})
}

func TestCurrencies(t *testing.T) {
	for code, want := range map[string]int{"vnd": 0, "VND": 0, "Krw": 0, "jpy": 0, "usd": 2, "THB": 2, "kwd": 3, "BHD": 3, "UYW": 4} {
		c, err := ParseCurrency(code)
		if err != nil || string(c) != strings.ToUpper(code) {
			t.Errorf("%s: %v, %v", code, c, err)
		}
		if n, ok := c.Decimals(); n != want || !ok {
			t.Errorf("%s has %d decimals, %v", c, n, ok)
		}
	}
	for _, code := range []string{"", "US", "USDT", "XXX", "XAU", "usd ", "ＵＳＤ", "uſd"} {
		if c, err := ParseCurrency(code); err == nil {
			t.Errorf("%q is %s", code, c)
		}
	}
}

func TestSumOfTwoCurrenciesPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("THB and VND were added")
		}
	}()
	Money{1, "THB"}.Add(Money{1, "VND"})
}
