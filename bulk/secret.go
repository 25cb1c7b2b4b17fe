package bulk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cardRemoved stands in place of a cell that held a card number, wherever the cell
// goes on to. It is itself refused, so that a file that still has it is not taken.
const cardRemoved = "[card number removed]"

// digitGroup is a run of digits in a text, by byte offsets.
type digitGroup struct {
	from, to int
	digits   string // in ASCII
}

// cards finds payment card numbers in v: 13 to 19 digits, alone or in groups with one
// character between, that begin as a card network's numbers do and whose check digit
// (Luhn) is right. It returns byte ranges of v.
func cards(v string) (found [][2]int) {
	if !manyDigits(v) {
		return nil
	}
	groups := digitGroups(v)
	for i := 0; i < len(groups); i++ {
		number := ""
		for j := i; j < len(groups); j++ {
			if j > i && !apart(v[groups[j-1].to:groups[j].from]) {
				break
			}
			number += groups[j].digits
			if len(number) > 19 {
				break
			}
			if len(number) >= 13 && cardPrefix(number) && luhn(number) {
				found = append(found, [2]int{groups[i].from, groups[j].to})
				i = j
				break
			}
		}
	}
	return found
}

// manyDigits is quick and sure: false means that v holds no 13 digits without a letter
// between them.
func manyDigits(v string) bool {
	n := 0
	for i := 0; i < len(v) && n < 13; i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9', c == 0xef: // which begins the full-width digits
			n++
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			n = 0
		}
	}
	return n >= 13
}

func digitGroups(v string) (groups []digitGroup) {
	var g digitGroup
	var digits []byte
	for i, r := range v {
		if r >= '０' && r <= '９' {
			r -= '０' - '0'
		}
		if r >= '0' && r <= '9' {
			if len(digits) == 0 {
				g.from = i
			}
			digits = append(digits, byte(r))
			continue
		}
		if len(digits) > 0 {
			g.to, g.digits = i, string(digits)
			groups, digits = append(groups, g), digits[:0]
		}
	}
	if len(digits) > 0 {
		g.to, g.digits = len(v), string(digits)
		groups = append(groups, g)
	}
	return groups
}

// apart: up to three characters that are neither letter nor digit, as in 4111 - 1111.
func apart(gap string) bool {
	return utf8.RuneCountInString(gap) <= 3 && strings.IndexFunc(gap, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) < 0
}

// HideCards hides what may be payment card numbers in a text.
func HideCards(v string) string { return hideCards(v) }

// cardPrefix knows the first digits that the card networks have been given.
func cardPrefix(n string) bool {
	in := func(digits int, from, to string) bool { return n[:digits] >= from && n[:digits] <= to }
	switch n[0] {
	case '2':
		return in(4, "2200", "2204") || in(4, "2221", "2720") // Mir, Mastercard
	case '3':
		return in(2, "34", "34") || in(2, "36", "39") || in(3, "300", "305") || in(3, "309", "309") || in(4, "3528", "3589")
	case '4':
		return true // Visa
	case '5':
		return in(2, "50", "58") // Mastercard, Maestro
	case '6':
		return in(2, "60", "60") || in(2, "62", "65") || in(2, "67", "67") // Discover, UnionPay, Maestro
	}
	return false
}

func luhn(n string) bool {
	sum := 0
	for i := range len(n) {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// hideCards puts a mask over every card number in v.
func hideCards(v string) string {
	found := cards(v)
	for i := len(found) - 1; i >= 0; i-- {
		v = v[:found[i][0]] + "[card number]" + v[found[i][1]:]
	}
	return v
}

// looksLikeMarker tells whether a word of v has the form of our marker: exactly
// MarkerLength characters of base32.
func looksLikeMarker(v string) bool {
	run := 0
	for i := 0; i < len(v) && run < MarkerLength; i++ {
		if c := v[i]; c >= 'A' && c <= 'Z' || c >= '2' && c <= '7' {
			run++
		} else {
			run = 0
		}
	}
	if run < MarkerLength {
		return false
	}
	for word := range strings.FieldsFuncSeq(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(word) == MarkerLength && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" {
			return true
		}
	}
	return false
}
