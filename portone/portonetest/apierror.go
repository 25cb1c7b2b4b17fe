package portonetest

import (
	"encoding/json"
	"net/http"
)

// An apiError is PortOne's answer for something it does not do.
type apiError struct {
	http    int
	code    string
	reason  string
	message string
}

// CodeTooMuch is the status_code of a refund of more than is left. The guide has
// none for it, so a client must get by with one that it does not know.
const CodeTooMuch = "4979"

// reasons holds the status_reason of each code that the guide lists for refunds,
// where the name is known. 4081 stands for two reasons there.
var reasons = map[string]string{
	"4001":      "INVALID_REQUEST",
	"4010":      "INVALID_KEY",
	"4034":      "INVALID_ENVIRONMENT",
	"4041":      "INVALID_AMOUNT",
	"4070":      "INVALID_PAYMENT_REQUEST_REFUND_NOT_ALLOWED",
	"4081":      "PARTIAL_REFUND_NOT_ALLOWED",
	"4096":      "INVALID_REFERENCE",
	"5000":      "INTERNAL_SERVER_ERROR",
	"5001":      "RECORD_NOT_FOUND_ERROR",
	"5022":      "CHANNEL_NOT_SUPPORTED",
	"5023":      "INVALID_CHANNEL",
	CodeTooMuch: "REFUND_NOT_POSSIBLE",
}

// refuse makes PortOne's answer with a code. The guide documents 400 and 401 alone
// for refunds.
func refuse(code, message string) *apiError {
	e := &apiError{http: http.StatusBadRequest, code: code, reason: reasons[code], message: message}
	if code == "4010" {
		e.http = http.StatusUnauthorized
	}
	return e
}

// body spells e out. Some of PortOne's answers say status_message where others
// say status_reason (guide).
func (e *apiError) body(statusMessage bool) []byte {
	b := struct {
		Message       string `json:"message"`
		StatusCode    string `json:"status_code,omitempty"`
		StatusReason  string `json:"status_reason,omitempty"`
		StatusMessage string `json:"status_message,omitempty"`
	}{Message: e.message, StatusCode: e.code, StatusReason: e.reason}
	if statusMessage {
		b.StatusReason, b.StatusMessage = "", e.reason
	}
	return mustJSON(b)
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types here have no way to fail
	}
	return b
}
