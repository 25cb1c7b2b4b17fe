package bulk

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"refunds/portone"
)

const exampleAmount = "such as 700000 or 111.12"

var (
	scientificForm = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)
	decimalForm    = regexp.MustCompile(`^\d+(\.\d+)?$`)
	groupedComma   = regexp.MustCompile(`^\d{1,3}(,\d{3})+$`)
	groupedPoint   = regexp.MustCompile(`^\d{1,3}(\.\d{3})+$`)
	affixedForm    = regexp.MustCompile(`^(\D*?) *(\d[\d.,]*?) *([^\d.,]\D*)?$`)
)

// scientific: 1.23E+15. A reference such as 12E34 is left alone: no spreadsheet writes that.
func scientific(v string) bool {
	return strings.ContainsAny(v, ".,+") && scientificForm.MatchString(v)
}

// judgeAmount is for a cell that must hold an amount above zero in major units of c.
// With c "", the currency is not known, and only the form is judged. An amount that a
// message offers is one that would be taken, and is the same number.
func judgeAmount(v string, c portone.Currency) string {
	if m, err := portone.ParseMoney(v, c); err == nil {
		if m.Minor == 0 {
			return "is zero; remove the row, or write the amount"
		}
		return ""
	}
	for _, explain := range []func(string, portone.Currency) string{explainForeign, explainSign, explainSeparators, explainNumber} {
		if m := explain(v, c); m != "" {
			return m
		}
	}
	return ""
}

// writeAs is the cure for what means amount, if it is one in c.
func writeAs(amount string, c portone.Currency) string {
	if decimalForm.MatchString(amount) && judgeAmount(amount, c) == "" {
		return "write " + amount
	}
	return "write digits with a point for decimals, " + exampleAmount
}

// explainForeign: what is no plain number for its alphabet.
func explainForeign(v string, c portone.Currency) string {
	ascii := strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			return r - '０' + '0'
		}
		return r
	}, v)
	switch {
	case v[0] == '#':
		return "is a spreadsheet error; write the amount"
	case v[0] == '=':
		return "is a formula; write the amount itself"
	case ascii != v:
		return "has full-width digits; " + writeAs(ascii, c)
	case strings.ContainsFunc(v, func(r rune) bool { return r > 0x7f && unicode.IsDigit(r) }):
		return "has digits of another alphabet; write it with 0 to 9"
	case scientificForm.MatchString(v):
		return "is in scientific notation, as spreadsheets write long numbers; write all its digits"
	case strings.HasSuffix(v, "%"):
		return "is a percentage; write the amount"
	}
	parts := affixedForm.FindStringSubmatch(v)
	if parts == nil || parts[1]+parts[3] == "" || !isCurrencyWord(parts[1]) || !isCurrencyWord(parts[3]) {
		return ""
	}
	number := parts[2]
	if !decimalForm.MatchString(number) || judgeAmount(number, c) != "" {
		number = "the number alone"
	}
	return fmt.Sprintf("has a currency in it; write %s, and the currency in its own column", number)
}

func isCurrencyWord(s string) bool {
	s = strings.ToUpper(strings.TrimSpace(s))
	_, err := portone.ParseCurrency(s)
	_, named := currencyNames[s]
	return s == "" || err == nil || named
}

func explainSign(v string, c portone.Currency) string {
	switch {
	case v[0] == '+':
		return "has a plus sign; " + writeAs(v[1:], c)
	case strings.Trim(v, "-–") == "":
		return "is not a number; write the amount, " + exampleAmount
	case strings.HasPrefix(v, "-"), strings.HasPrefix(v, "−"), strings.HasPrefix(v, "–"), strings.HasSuffix(v, "-"),
		strings.HasPrefix(v, "(") && strings.HasSuffix(v, ")"):
		return "is negative; a refund's amount is above zero, so write it without the sign"
	}
	return ""
}

// explainSeparators: thousands, and decimals with a comma.
func explainSeparators(v string, c portone.Currency) string {
	if joined := strings.NewReplacer(" ", "", "'", "", "’", "", "_", "").Replace(v); joined != v {
		return "has separators between its digits; " + writeAs(joined, c)
	}
	d, known := c.Decimals()
	comma, point := strings.LastIndexByte(v, ','), strings.LastIndexByte(v, '.')
	noCommas, noPoints := strings.ReplaceAll(v, ",", ""), strings.ReplaceAll(v, ".", "")
	decimalComma := strings.Replace(noPoints, ",", ".", 1)
	switch {
	case comma < 0 && strings.Count(v, ".") < 2 && !(known && d == 0):
		return ""
	case comma >= 0 && point > comma && decimalForm.MatchString(noCommas):
		return "has commas between thousands; " + writeAs(noCommas, c)
	case comma > point && decimalForm.MatchString(decimalComma) && !groupedComma.MatchString(v):
		return "uses a comma for decimals; " + writeAs(decimalComma, c)
	case groupedComma.MatchString(v) && (strings.Count(v, ",") > 1 || known && d < 3):
		return "has commas between thousands; " + writeAs(noCommas, c)
	case groupedComma.MatchString(v):
		return fmt.Sprintf("has a comma that may separate thousands or decimals; write %s or %s", noCommas, decimalComma)
	case strings.Count(v, ".") > 1 && groupedPoint.MatchString(v):
		return "has points between thousands; " + writeAs(noPoints, c)
	case known && d == 0 && groupedPoint.MatchString(v):
		return fmt.Sprintf("is how %s is written in Vietnam, or has decimals, which %s has not; write %s if that is the amount", noPoints, c, noPoints)
	case comma < 0 && point >= 0 && point == strings.IndexByte(v, '.'):
		return ""
	case comma >= 0 || point >= 0:
		return "has separators that don't make a number; write digits with a point for decimals, " + exampleAmount
	}
	return ""
}

// explainNumber: what is left is digits with at most one point, or no number at all.
func explainNumber(v string, c portone.Currency) string {
	d, known := c.Decimals()
	whole, frac, point := strings.Cut(v, ".")
	short := strings.TrimLeft(whole, "0")
	switch {
	case strings.Trim(whole+frac, "0123456789") != "" || v == ".":
		return "is not a number; write the amount, " + exampleAmount
	case strings.Trim(v, "0.") == "" && whole != "":
		return "is zero; remove the row, or write the amount"
	case whole == "":
		return "has no digit before the point; " + writeAs("0"+v, c)
	case point && frac == "":
		return "has no digit after the point; " + writeAs(whole, c)
	case len(whole) > 1 && whole[0] == '0':
		if short == "" {
			short = "0"
		}
		return "has leading zeros; " + writeAs(short+v[len(whole):], c)
	case len(whole) > 15:
		return "has more than 15 digits before the point; no refund is that large"
	case known && d == 0 && point:
		return fmt.Sprintf("has decimals, but %s has none; it is never rounded here, so write the exact amount", c)
	case known && len(frac) > d && strings.Trim(frac[d:], "0") == "" && len(frac) != 3:
		return fmt.Sprintf("has %d decimals, but %s has %d; %s", len(frac), c, d, writeAs(whole+"."+frac[:d], c))
	case known && len(frac) > d && len(frac) == 3:
		return fmt.Sprintf("has 3 decimals, but %s has %d; write the exact amount, which is %s if the point separates thousands", c, d, whole+frac)
	case known && len(frac) > d:
		return fmt.Sprintf("has %d decimals, but %s has %d; it is never rounded here, so write the exact amount", len(frac), c, d)
	case known:
		return "is more than 2^53 of the currency's smallest units, which PortOne can't be told exactly; split it"
	case len(frac) > 4:
		return "has more decimals than any currency; it is never rounded here, so write the exact amount"
	}
	return "" // the currency is at fault, and says so itself
}
