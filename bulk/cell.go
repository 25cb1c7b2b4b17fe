package bulk

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"refunds/portone"
)

// The rules for a cell that is not empty. Each returns what is wrong with the value
// and the cure, as the end of a sentence that begins with the value; "" is right.

// isPlain: printable ASCII alone.
func isPlain(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] < 0x20 || v[i] > 0x7e {
			return false
		}
	}
	return true
}

// invisible characters that Unicode counts as printable.
func invisible(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0:
		return true
	}
	return r >= 0x180b && r <= 0x180f
}

// badCharacter holds for every cell: what a person can't see may not decide anything.
func badCharacter(v string) string {
	if isPlain(v) {
		return ""
	}
	for _, r := range v {
		switch {
		case r == utf8.RuneError:
			return "has a character that an earlier conversion destroyed; write the text anew"
		case r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029:
			return "has a line break in it; write it on one line"
		case r == 0:
			return "has a NUL character in it; export the file again as 'CSV UTF-8'"
		case r == '\t':
			return "has a tab in it; write a space"
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return "has a control character in it; type the cell again"
		case r == 0x200e || r == 0x200f || r == 0x61c || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return "has a right-to-left mark in it, which makes text read differently than it is; type the cell again"
		case r == 0xa0 || r == 0x202f || r == 0x3000 || r > 0x7f && unicode.Is(unicode.Zs, r):
			return "has a space in it that is not a plain one; type a plain space, or none"
		case r == 0x200b || r == 0x200c || r == 0x200d || r == 0x2060 || r == 0xfeff || invisible(r):
			return "has a zero-width character in it, which nobody can see; type the cell again"
		case !unicode.IsPrint(r):
			return fmt.Sprintf("has a character in it that can't be printed (U+%04X); type the cell again", r)
		}
	}
	return ""
}

func outerSpace(v string) bool { return v[0] == ' ' || v[len(v)-1] == ' ' }

// JudgeReference is for references to orders, and for channels: they become part of an
// address at PortOne, so only a strict form is safe.
func JudgeReference(v string) string {
	ok := len(v) <= 64 && v[0] != '-' && v[0] != '_'
	for i := 0; i < len(v) && ok; i++ {
		c := v[i]
		ok = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	switch {
	case ok:
		return ""
	case scientific(v):
		return "is a number that Excel changed; format the column as text and enter the reference again"
	case v[0] == '=':
		return "is a formula; write the reference itself"
	case v[0] == '#':
		return "is a spreadsheet error or a comment; write the reference itself"
	case len(v) > 64:
		return fmt.Sprintf("has %d characters; at most 64 are possible", utf8.RuneCountInString(v))
	case v[0] == '-' || v[0] == '_':
		return "begins with " + v[:1] + "; the first character must be a letter or a digit"
	}
	if strings.Contains(v, " ") {
		return "has a space in it; only A-Z, a-z, 0-9, _ and - are possible"
	}
	for _, r := range v {
		if r > 0x7f || !(r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return fmt.Sprintf("has %q in it; only A-Z, a-z, 0-9, _ and - are possible", r)
		}
	}
	return "is not a reference; only A-Z, a-z, 0-9, _ and - are possible"
}

// JudgeID is for ids that others made up: 1 to 128 visible ASCII characters.
func JudgeID(v string) string {
	switch {
	case scientific(v):
		return "is a number that Excel changed; format the column as text and enter the id again"
	case v[0] == '=':
		return "is a formula; write the id itself"
	case len(v) > 128:
		return fmt.Sprintf("has %d characters; at most 128 are possible", utf8.RuneCountInString(v))
	case !isPlain(v) || strings.Contains(v, " "):
		return "is not an id; only ASCII letters, digits and signs are possible, and no spaces"
	}
	return ""
}

// JudgeCurrency takes ISO 4217 codes in either case.
func JudgeCurrency(v string) string {
	if _, err := portone.ParseCurrency(v); err == nil {
		return ""
	}
	if code, ok := currencyNames[strings.ToUpper(v)]; ok {
		return "is not an ISO 4217 code; write " + code
	}
	return "is not a currency of ISO 4217; write its code, such as KRW, VND or USD"
}

var currencyNames = map[string]string{
	"WON": "KRW", "₩": "KRW", "원": "KRW", "YEN": "JPY", "¥": "JPY or CNY", "円": "JPY", "RMB": "CNY", "YUAN": "CNY",
	"DONG": "VND", "₫": "VND", "Đ": "VND", "BAHT": "THB", "฿": "THB", "EURO": "EUR", "€": "EUR", "£": "GBP",
	"$": "USD, or the dollar that it is", "US$": "USD", "S$": "SGD", "NT$": "TWD", "NTD": "TWD", "RP": "IDR", "RM": "MYR",
}

// judgeReason is for what PortOne is told, with our marker and one space before it.
func judgeReason(v string) string {
	if looksLikeMarker(v) {
		return fmt.Sprintf("has a word of %d capitals and digits that looks like this program's own mark; write it otherwise, such as in small letters", MarkerLength)
	}
	return judgeText(v, MaxText-MarkerLength-1)
}

// JudgeNote is for text that is only kept: up to 500 characters.
func JudgeNote(v string) string { return judgeText(v, 500) }

func judgeText(v string, max int) string {
	if v == cardRemoved {
		return "stands where a card number was; write the text without it"
	}
	if cards(v) != nil {
		return "has a payment card number in it, which may not be stored; take it out"
	}
	if n := len(v); n > max {
		if n = utf8.RuneCountInString(v); n > max {
			return fmt.Sprintf("has %d characters; at most %d are possible", n, max)
		}
	}
	if !isPlain(v) && !norm.NFC.IsNormalString(v) {
		return fmt.Sprintf("has letters that are written in parts (not NFC); write it as %q", norm.NFC.String(v))
	}
	return ""
}

func judgeRefundType(v string) string {
	if strings.EqualFold(v, string(portone.Partial)) || strings.EqualFold(v, string(portone.Full)) {
		return ""
	}
	return "is not a refund type; write partial or full, or leave the cell empty for partial"
}

// JudgeTime is for moments and days; see ParseTime.
func JudgeTime(v string) string {
	if _, err := ParseTime(v); err != nil {
		return err.Error()
	}
	return ""
}

// ParseTime reads RFC 3339 with its zone, or a plain day, which is 00:00 UTC of that
// day. It takes no other form, since 03/04/2026 is two days. The year is 2000 or later.
func ParseTime(v string) (time.Time, error) {
	const cure = "write 2026-11-21T14:05:00+09:00, or 2026-11-21, which is 00:00 UTC of that day"
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		t, err = time.Parse(time.DateOnly, v)
	}
	if err != nil {
		for _, noZone := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
			if _, err := time.Parse(noZone, v); err == nil {
				return time.Time{}, fmt.Errorf("does not say its time zone; %s", cure)
			}
		}
		return time.Time{}, fmt.Errorf("is not a time; %s", cure)
	}
	if t.Year() < 2000 {
		return time.Time{}, fmt.Errorf("is before the year 2000; %s", cure)
	}
	return t.UTC(), nil
}
