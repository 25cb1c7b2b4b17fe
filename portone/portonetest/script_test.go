package portonetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"refunds/portone/portonetest"
)

func TestScriptReadsBackAsItIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"":               "",
		" \n,\r\n\t,,\n": "",
		"post 10% 429 retry-after=1, post 2% 500-before\npost 5% 500-after": "post 10% 429 retry-after=1\npost 2% 500-before\npost 5% 500-after\n",
		"post 0.25% timeout-after for=1500ms":                               "post 0.25% timeout-after for=1.5s\n",
		"post 100.0% cut-after at=0":                                        "post 100% cut at=0\n",
		"post 429-before":                                                   "post 429\n",
		"post 429-after":                                                    "post 429-after\n",
		"post order=A_b-1 nth=3..5 200-after body=\"{\\\"a\\\": 1,\\n2}\"":  "post order=A_b-1 nth=3..5 200-after body=\"{\\\"a\\\": 1,\\n2}\"\n",
		"post nth=2.. reset-before":                                         "post nth=2.. reset-before\n",
		"post nth=2..2 drop-after":                                          "post nth=2 drop-after\n",
		`get 400 reason="a b" code=4001`:                                    "get 400 code=4001 reason=\"a b\"\n",
		`get 429 retry-after="7"`:                                           "get 429 retry-after=7\n",
		"lag 10% 300ms,empty-ids 20%, no-echo OMISE":                        "lag 10% 300ms\nempty-ids 20%\nno-echo OMISE\n",
		"no-echo OMISE\nget 2% 503":                                         "get 2% 503\nno-echo OMISE\n",
		"lag order=A 1h":                                                    "lag order=A 1h0m0s\n",
		"details 404, status slow for=1s, payments cut-chunked":             "details 404\nstatus slow for=1s\npayments cut-chunked\n",
		"in-queue, shuffle 50%, status-message 1%, offset-dates, lower-currency, extra-fields, empty-psp-ids": "in-queue\nshuffle 50%\nstatus-message 1%\noffset-dates\nlower-currency\nextra-fields\nempty-psp-ids\n",
	} {
		s, err := portonetest.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
		again, err := portonetest.Parse(s.String())
		if err != nil || cmp.Diff(s, again) != "" {
			t.Errorf("%q: %v %s", text, err, cmp.Diff(s, again))
		}
	}
}

func TestBadDayIsReadable(t *testing.T) {
	s := portonetest.MustParse(portonetest.BadDay)
	var post portonetest.Share
	for _, f := range s.Faults {
		if f.Route == portonetest.RoutePost {
			post += f.Share
		}
	}
	if post != 2800 || len(s.Quirks) != 2 {
		t.Errorf("%d of 10,000 POSTs fail, with %d quirks", post, len(s.Quirks))
	}
}

func TestScriptErrorsSayWhereAndWhatIsExpected(t *testing.T) {
	tests := []struct {
		text         string
		line, column int
		want         string // part of what is expected
	}{
		{"pst 10% 429", 1, 1, "a route (post, get, status, details, payments) or a quirk (lag,"},
		{"post", 1, 5, "an HTTP status"},
		{"post 10%", 1, 9, "an HTTP status"},
		{"post 10% 10% 429", 1, 10, "an HTTP status"},
		{"post 10% 429 429", 1, 14, "an option of status: code=, reason=, retry-after=, type=, body="},
		{"get 503\npost 0% 429", 2, 6, "above 0%"},
		{"post 101% 429", 1, 6, "up to 100%"},
		{"post 1e1% 429", 1, 6, "a share such as"},
		{"post -1% 429", 1, 6, "a share such as"},
		{"post 0.125% 429", 1, 6, "a share such as"},
		{"post 60% 429, post 41% 500-before", 1, 20, "add up to at most 100%"},
		{"lag 60% 1s, lag 41% 2s", 1, 17, "add up to at most 100%"},
		{"post order= 429", 1, 12, "an order reference"},
		{"post order=ü 429", 1, 12, "an order reference"},
		{"get order=\"ü\" 429", 1, 11, "an order reference"},
		{"no-echo \"ü\" x", 1, 9, "a channel"},
		{"post nth=0 429", 1, 10, "a number from 1"},
		{"post nth=3..2 429", 1, 10, "the smaller number first"},
		{"post nth=1 order=A 429", 1, 12, "an HTTP status"},
		{"post 500", 1, 6, "500-before or 500-after"},
		{"post timeout", 1, 6, "timeout-before or timeout-after"},
		{"post 500-later", 1, 6, "-before or -after"},
		{"post cut-before", 1, 6, "cut alone"},
		{"get 500-after", 1, 5, "neither -before nor -after"},
		{"get 600", 1, 5, "from 200 to 599"},
		{"get 199", 1, 5, "from 200 to 599"},
		{"get cutter", 1, 5, "an HTTP status"},
		{"get slow", 1, 9, "for= and how long"},
		{"get slow for=0s", 1, 14, "a time such as"},
		{"get slow for=2h", 1, 14, "up to 1h"},
		{"get slow for=1s for=1s", 1, 17, "for only once"},
		{"get drop for=1s", 1, 10, "drop has no options"},
		{"get 400 code=", 1, 14, "a value of plain characters"},
		{"get 400 code=ü", 1, 14, "a value of plain characters"},
		{`get 400 code="a`, 1, 14, "a quoted value that ends"},
		{`get 400 code="a"b`, 1, 14, "one quoted value"},
		{`get 400 reason="a\nb"`, 1, 16, "no control characters"},
		{`get 400 code=1 body="x"`, 1, 5, "either a body or a code"},
		{"get cut at=-1", 1, 12, "a number of bytes"},
		{"get cut at=01", 1, 12, "a number of bytes"},
		{"lag 10%", 1, 8, "a time such as"},
		{"lag 10% soon", 1, 9, "a time such as"},
		{"lag 10% 1s 1s", 1, 12, "the end of the clause"},
		{"empty-ids 10% 1s", 1, 15, "the end of the clause"},
		{"no-echo", 1, 8, "a channel"},
		{"get 503\n\n  get 503 x", 3, 11, "an option of status"},
	}
	for _, test := range tests {
		_, err := portonetest.Parse(test.text)
		var e *portonetest.SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v, want a SyntaxError", test.text, err)
			continue
		}
		if e.Line != test.line || e.Column != test.column || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v; want %d:%d %s", test.text, err, test.line, test.column, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"post 10% 429 retry-after=1, post 2% 500-before\nget nth=1..2 503",
		"post order=A nth=3.. 200-after type=text/html body=\"\\x00,\\n\"",
		"lag 10% 300ms, empty-ids 20%, no-echo OMISE", "get slow for=1h, get cut at=7", "post \"", "post 101%",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := portonetest.Parse(text)
		var e *portonetest.SyntaxError
		if errors.As(err, &e) {
			if lines := strings.Count(text, "\n") + 1; e.Line < 1 || e.Line > lines || e.Column < 1 || e.Column > len(text)+1 || e.Want == "" {
				t.Fatalf("%q: error at %d:%d: %v", text, e.Line, e.Column, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := portonetest.Parse(s.String())
		if err != nil || cmp.Diff(s, again) != "" {
			t.Fatalf("%q is written as %q, which reads as: %v %s", text, s.String(), err, cmp.Diff(s, again))
		}
	})
}
