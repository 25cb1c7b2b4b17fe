package portone

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func complain(code, reason string) string {
	return fmt.Sprintf(`{"message":"said","status_code":%q,"status_reason":%q}`, code, reason)
}

// closed is an answer without a length, that ends with the connection.
func closed(status, body string) string { return "HTTP/1.1 " + status + "\r\n\r\n" + body }

func chunked(chunks ...string) string {
	s := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range chunks {
		s += strconv.FormatInt(int64(len(c)), 16) + "\r\n" + c + "\r\n"
	}
	return s
}

// TestReplyShapes sends one refund for each shape of reply, over a connection that has
// served before, and counts what came to the server.
func TestReplyShapes(t *testing.T) {
	const bad = "400 Bad Request"
	long := httpAnswer("200 OK", goodList)
	empty := `{"amountToRefund":1000,"refundDetails":[]}`
	for name, tt := range map[string]struct {
		reply string // and then the connection is closed
		class Class
		stop  bool
		code  string
	}{
		"list":                             {reply: long, class: Listed},
		"list without any refund":          {reply: httpAnswer("200 OK", empty), class: Listed},
		"list in chunks":                   {reply: chunked(goodList[:50], goodList[50:], ""), class: Listed},
		"list that ends with the socket":   {reply: closed("200 OK", goodList), class: Listed},
		"list as text/html":                {reply: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + goodList, class: Listed},
		"list after 100 and 103":           {reply: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + long, class: Listed},
		"list and unknown members":         {reply: httpAnswer("200 OK", `{"x":[{"amountToRefund":1}],"amountToRefund":10,"refundDetails":[],"status_code":2000}`), class: Listed},
		"unknown status word":              {reply: httpAnswer("200 OK", strings.Replace(goodList, "SUCCESS", "IN_QUEUE", 1)), class: Listed},
		"201 with a list":                  {reply: httpAnswer("201 Created", goodList), class: Unknown},
		"202 with a list":                  {reply: httpAnswer("202 Accepted", goodList), class: Unknown},
		"204":                              {reply: "HTTP/1.1 204 No Content\r\n\r\n", class: Unknown},
		"200 empty":                        {reply: httpAnswer("200 OK", ""), class: Unknown},
		"200 HTML":                         {reply: httpAnswer("200 OK", "<html>maintenance</html>"), class: Unknown},
		"200 null":                         {reply: httpAnswer("200 OK", "null"), class: Unknown},
		"200 list of refunds alone":        {reply: httpAnswer("200 OK", "[]"), class: Unknown},
		"200 with an error body":           {reply: httpAnswer("200 OK", complain("4001", "INVALID_REQUEST")), class: Unknown, code: "4001"},
		"200 without amountToRefund":       {reply: httpAnswer("200 OK", `{"refundDetails":[]}`), class: Unknown},
		"200 without refundDetails":        {reply: httpAnswer("200 OK", `{"amountToRefund":1}`), class: Unknown},
		"200 with refundDetails null":      {reply: httpAnswer("200 OK", `{"amountToRefund":1,"refundDetails":null}`), class: Unknown},
		"200 with amountToRefund null":     {reply: httpAnswer("200 OK", `{"amountToRefund":null,"refundDetails":[]}`), class: Unknown},
		"200 with amountToRefund negative": {reply: httpAnswer("200 OK", `{"amountToRefund":-1,"refundDetails":[]}`), class: Unknown},
		"200 with three decimals":          {reply: httpAnswer("200 OK", `{"amountToRefund":1.001,"refundDetails":[]}`), class: Unknown},
		"200 with a member twice":          {reply: httpAnswer("200 OK", `{"amountToRefund":1,"amountToRefund":2,"refundDetails":[]}`), class: Unknown},
		"200 with something after":         {reply: httpAnswer("200 OK", empty+"}"), class: Unknown},
		"200 with two objects":             {reply: httpAnswer("200 OK", empty+empty), class: Unknown},
		"200 gzip that nobody asked for":   {reply: httpAnswer("200 OK", "\x1f\x8b\x08\x00\x00", "Content-Encoding: gzip"), class: Unknown},
		"200 cut before its length":        {reply: long[:len(long)-20], class: Unknown},
		"200 cut in a chunk":               {reply: chunked(goodList)[:120], class: Unknown},
		"200 cut before the last chunk":    {reply: chunked(goodList), class: Unknown},
		"200 cut without a length":         {reply: closed("200 OK", goodList[:len(goodList)-3]), class: Unknown},
		"200 cut in its headers":           {reply: "HTTP/1.1 200 OK\r\nContent-Le", class: Unknown},
		"nothing":                          {reply: "", class: Unknown},
		"no HTTP":                          {reply: "SSH-2.0-OpenSSH_9.2\r\n", class: Unknown},
		"101":                              {reply: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + goodList, class: Unknown},
		"301":                              {reply: httpAnswer("301 Moved", goodList, "Location: /x"), class: Unknown},
		"302":                              {reply: httpAnswer("302 Found", "", "Location: /x"), class: Unknown},
		"303":                              {reply: httpAnswer("303 See Other", "", "Location: /x"), class: Unknown},
		"307":                              {reply: httpAnswer("307 Temporary", "", "Location: /x"), class: Unknown},
		"308":                              {reply: httpAnswer("308 Permanent", "", "Location: /x"), class: Unknown},
		"400 invalid":                      {reply: httpAnswer(bad, complain("4001", "INVALID_REQUEST_DATA")), class: Refused, code: "4001"},
		"400 code as a number":             {reply: httpAnswer(bad, `{"status_code":4070,"status_message":"NO"}`), class: Refused, code: "4070"},
		"400 order unknown":                {reply: httpAnswer(bad, complain("4096", "INVALID_REFERENCE")), class: Refused, code: "4096"},
		"404 record unknown":               {reply: httpAnswer("404 Not Found", complain("5001", "RECORD_NOT_FOUND_ERROR")), class: Refused, code: "5001"},
		"422 amount out of bounds":         {reply: httpAnswer("422 X", complain("4076", "AMOUNT")), class: Refused, code: "4076"},
		"409 channel not supported":        {reply: httpAnswer("409 Conflict", complain("5022", "CHANNEL")), class: Refused, code: "5022"},
		"400 4081 partial":                 {reply: httpAnswer(bad, complain("4081", "PARTIAL_REFUND_NOT_ALLOWED")), class: Refused, code: "4081"},
		"400 4081 role":                    {reply: httpAnswer(bad, complain("4081", "ROLE_NOT_ALLOWED")), class: Refused, stop: true, code: "4081"},
		"400 4081 role in status_message":  {reply: httpAnswer(bad, `{"status_code":"4081","status_message":"ROLE_NOT_ALLOWED"}`), class: Refused, stop: true, code: "4081"},
		"400 4081 of a third kind":         {reply: httpAnswer(bad, complain("4081", "SOMETHING_ELSE")), class: Unknown, code: "4081"},
		"401 key":                          {reply: httpAnswer("401 Unauthorized", complain("4010", "UNAUTHORIZED")), class: Refused, stop: true, code: "4010"},
		"401 token expired":                {reply: httpAnswer("401 Unauthorized", complain("4099", "TOKEN_EXPIRED")), class: Refused, stop: true, code: "4099"},
		"400 environment":                  {reply: httpAnswer(bad, complain("4034", "INVALID_ENVIRONMENT")), class: Refused, stop: true, code: "4034"},
		"401 without PortOne's body":       {reply: httpAnswer("401 Unauthorized", "no"), class: Unknown},
		"403 of a gateway":                 {reply: httpAnswer("403 Forbidden", "<html>"), class: Unknown},
		"404 of a gateway":                 {reply: httpAnswer("404 Not Found", `{"message":"no route"}`), class: Unknown},
		"400 unlisted code":                {reply: httpAnswer(bad, complain("4999", "NEW")), class: Unknown, code: "4999"},
		"400 listed code and a list":       {reply: httpAnswer(bad, `{"status_code":"4001","amountToRefund":1,"refundDetails":[]}`), class: Unknown},
		"400 code twice":                   {reply: httpAnswer(bad, `{"status_code":"4001","status_code":"5000"}`), class: Unknown},
		"400 code in another case":         {reply: httpAnswer(bad, `{"Status_Code":"4001"}`), class: Unknown},
		"400 cut":                          {reply: httpAnswer(bad, complain("4001", "X"))[:90], class: Unknown},
		"400 refund system":                {reply: httpAnswer(bad, complain("4029", "REFUND_SYSTEM")), class: Unknown, code: "4029"},
		"400 PSP":                          {reply: httpAnswer(bad, complain("4080", "PSP")), class: Unknown, code: "4080"},
		"400 5000":                         {reply: httpAnswer(bad, complain("5000", "X")), class: Unknown, code: "5000"},
		"400 5024":                         {reply: httpAnswer(bad, complain("5024", "X")), class: Unknown, code: "5024"},
		"400 5025":                         {reply: httpAnswer(bad, complain("5025", "X")), class: Unknown, code: "5025"},
		"408 with a listed code":           {reply: httpAnswer("408 Request Timeout", complain("4001", "X")), class: Unknown, code: "4001"},
		"423 with a listed code":           {reply: httpAnswer("423 Locked", complain("4001", "X")), class: Unknown, code: "4001"},
		"429":                              {reply: httpAnswer("429 Too Many", "slow down", "Retry-After: 7"), class: Limited},
		"429 with a listed code":           {reply: httpAnswer("429 Too Many", complain("4001", "X")), class: Limited, code: "4001"},
		"429 cut":                          {reply: httpAnswer("429 Too Many", "slow down")[:80], class: Unknown},
		"500 with a listed code":           {reply: httpAnswer("500 X", complain("4001", "X")), class: Unknown, code: "4001"},
		"500 with a list":                  {reply: httpAnswer("500 X", goodList), class: Unknown},
		"502 of a gateway":                 {reply: httpAnswer("502 Bad Gateway", "<html>"), class: Unknown},
		"503":                              {reply: httpAnswer("503 X", "", "Retry-After: 3"), class: Unknown},
		"504":                              {reply: httpAnswer("504 X", ""), class: Unknown},
		"600":                              {reply: httpAnswer("600 X", goodList), class: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(c net.Conn, r *http.Request, n int) bool {
				if r.Method == http.MethodGet {
					_, err := io.WriteString(c, long)
					return err == nil
				}
				io.WriteString(c, tt.reply)
				return false
			})
			c := newClient(t, testConfig(p.url()))
			if _, err := c.Refunds(t.Context(), "before", "THB"); err != nil {
				t.Fatal(err)
			}
			a := send(t, c)
			if a.Class != tt.class || a.Stop != tt.stop || a.Code != tt.code {
				t.Errorf("got %s, stop %v, code %q (%s; %v), want %s, stop %v, code %q", a.Class, a.Stop, a.Code, a.Message, a.Err, tt.class, tt.stop, tt.code)
			}
			if n := p.count(http.MethodPost); n != 1 {
				t.Errorf("%d POSTs came to the server: %q", n, p.raw)
			}
			if n := len(p.raw); n != 2 {
				t.Errorf("%d requests came to the server, want the GET and the POST: %q", n, p.raw)
			}
			if a.Class != Listed && a.Message == "" {
				t.Error("not a word about why")
			}
		})
	}
}

func TestAnswerTellsWhatPortOneSaid(t *testing.T) {
	p := newPeer(t, say(httpAnswer("429 Too Many", `{"message":"m","status_code":"4290","status_message":"r"}`, "Retry-After: 7")))
	a := send(t, newClient(t, testConfig(p.url())))
	if a.Class != Limited || a.HTTPStatus != 429 || a.Code != "4290" || a.Reason != "r" || a.Message != "m" ||
		a.RetryAfter != 7*time.Second || !strings.HasPrefix(string(a.Raw), `{"message"`) {
		t.Errorf("got %+v", a)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	p := newPeer(t, func(c net.Conn, r *http.Request, _ int) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+goodList)
		blank := []byte(strings.Repeat(" ", 1<<16))
		for {
			if _, err := c.Write(blank); err != nil {
				return false
			}
		}
	})
	c := newClient(t, testConfig(p.url()))
	a := send(t, c)
	if a.Class != Unknown || len(a.Raw) != maxRaw || a.Err != errTooLarge {
		t.Errorf("got %s, %d bytes kept, %v", a.Class, len(a.Raw), a.Err)
	}
	if _, err := c.Refunds(t.Context(), "order1", "THB"); p.count("GET") != 1 {
		t.Errorf("an endless list was asked for %d times: %v", p.count("GET"), err)
	}
}

// TestEveryCutIsNoticed cuts a whole answer at every byte of its body: none of the
// beginnings may pass for a list.
func TestEveryCutIsNoticed(t *testing.T) {
	for i := range goodList {
		if a := Classify(200, []byte(goodList[:i]), "THB"); a.Class != Unknown {
			t.Fatalf("the first %d bytes are %s", i, a.Class)
		}
	}
}

// TestOnlyListedStatusesProveAnything: every HTTP status with every kind of body that could be
// taken for more than it is.
func TestOnlyListedStatusesProveAnything(t *testing.T) {
	for status := 100; status < 1000; status++ {
		if a := Classify(status, []byte(goodList), "THB"); (a.Class == Listed) != (status == 200) || (a.Class == Limited) != (status == 429) || a.Class == Refused {
			t.Errorf("a list under HTTP %d is %s", status, a.Class)
		}
		if a := Classify(status, []byte(complain("4070", "X")), "THB"); (a.Class == Refused) != (status >= 400 && status <= 422 && status != 408) || a.Class == Listed {
			t.Errorf("a refusal under HTTP %d is %s", status, a.Class)
		}
	}
}
