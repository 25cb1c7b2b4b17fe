package portone

import (
	"fmt"
	"net/http"
	"strings"
)

// What a status_code says of a refund. The meanings are our reading of the guide's
// table; a code that is not listed means that we don't know.
type meaning int

const (
	unlisted meaning = iota
	refusal          // of this one refund
	unknownOrder
	wrongKey // key, secret, role or environment: no other call can do better
)

// meaningOf looks a code up. 4029, 4080, 5000, 5024 and 5025 (trouble in PortOne's
// refund system, the PSP, or between them) are left out on purpose: behind each may
// be a refund that was made.
func meaningOf(code, reason string) meaning {
	switch code {
	case "4001", "4041", "4070", "4076", "4077", "4078", "5022", "5023":
		return refusal
	case "4096", "5001":
		return unknownOrder
	case "4010", "4012", "4034", "4054", "4084", "4099":
		return wrongKey
	case "4081": // documented twice, with two meanings
		switch reason = strings.ToUpper(reason); {
		case strings.Contains(reason, "PARTIAL_REFUND_NOT_ALLOWED"):
			return refusal
		case strings.Contains(reason, "ROLE_NOT_ALLOWED"):
			return wrongKey
		}
	}
	return unlisted
}

// A complaint is PortOne's error body. Its code is "" where the body is not
// PortOne's: no JSON object, cut, contradictory, or without a status_code.
type complaint struct{ code, reason, message string }

func parseComplaint(body []byte) complaint {
	f := [...]field{{name: "status_code"}, {name: "status_reason"}, {name: "status_message"}, {name: "message"},
		{name: "amountToRefund"}, {name: "refundDetails"}}
	if pickWhole(body, f[:]) != nil || f[4].val != nil || f[5].val != nil {
		return complaint{}
	}
	var s [4]string
	for i := range s {
		var err error
		if s[i], err = f[i].text(); err != nil {
			return complaint{}
		}
	}
	if s[1] == "" { // "some answers say status_message instead" (guide)
		s[1] = s[2]
	}
	return complaint{code: shorten(s[0]), reason: shorten(s[1]), message: shorten(s[3])}
}

// meaning is what the complaint proves under this HTTP status. Only 400 to 422 say
// that the request was at fault; 408 says that it came too slowly, which is not the
// same as that it did not come.
func (c complaint) meaning(httpStatus int) meaning {
	if httpStatus < 400 || httpStatus > 422 || httpStatus == http.StatusRequestTimeout {
		return unlisted
	}
	return meaningOf(c.code, c.reason)
}

// Classify tells what the answer to a POST proves, by a list of what is known to
// prove something: whatever is not on it is Unknown. body must be whole; c is the
// order's currency. It is never NotSent, because an answer was.
func Classify(httpStatus int, body []byte, c Currency) Answer {
	a := Answer{Class: Unknown, HTTPStatus: httpStatus, Raw: body[:min(len(body), maxRaw)]}
	if httpStatus == http.StatusOK {
		list, err := parseList(body, c)
		if err == nil {
			a.Class, a.List = Listed, list
			return a
		}
		a.Message, a.Err = "HTTP 200, but not a refund list: "+err.Error(), err
	}
	said := parseComplaint(body)
	a.Code, a.Reason = said.code, said.reason
	switch {
	case said.message != "":
		a.Message = said.message
	case a.Message == "":
		a.Message = fmt.Sprintf("HTTP %d without a message of PortOne's", httpStatus)
	}
	switch said.meaning(httpStatus) {
	case refusal, unknownOrder:
		a.Class = Refused
	case wrongKey:
		a.Class, a.Stop = Refused, true
	case unlisted:
		if httpStatus == http.StatusTooManyRequests {
			a.Class = Limited
		}
	}
	return a
}

func shorten(s string) string {
	const most = 300
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
