package portone

import (
	"fmt"
	"strings"
)

// A Currency is an upper-case ISO 4217 code, such as "VND".
// The zero value is no currency.
type Currency string

// ParseCurrency folds the case of s, because PortOne writes "usd" as well as
// "VND" (guide), and refuses what ISO 4217 does not list.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(strings.ToUpper(s))
	if len(s) != len(c) { // a letter beyond ASCII that folds into it, such as ſ
		c = ""
	}
	if _, ok := decimals[c]; !ok {
		return "", fmt.Errorf("%.12q is not an ISO 4217 currency", s)
	}
	return c, nil
}

// Decimals is the number of decimals of the currency's minor unit: 0 for VND,
// 2 for THB, 3 for KWD. ok is false for a code that ISO 4217 does not list.
func (c Currency) Decimals() (n int, ok bool) {
	d, ok := decimals[c]
	return int(d), ok
}

// decimals holds the active codes of ISO 4217 that have a minor unit, or are
// money without one. Funds codes, metals and test codes are left out: nobody
// is paid in them.
var decimals = func() map[Currency]int8 {
	m := make(map[Currency]int8, 160)
	for n, codes := range [...]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
		2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
			CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
			JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
			NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
			SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
		3: "BHD IQD JOD KWD LYD OMR TND",
		4: "CLF UYW",
	} {
		for _, code := range strings.Fields(codes) {
			m[Currency(code)] = int8(n)
		}
	}
	return m
}()
