package bulk

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

const head = "order_ref,amount,currency,reason\n"

func TestFaultString(t *testing.T) {
	f := mustRead(t, "x.csv", []byte(head+"27TcA,\"1.000,00\",USD,Late\n")).Faults
	want := `line 2, amount (B2): "1.000,00" uses a comma for decimals; write 1000.00`
	if len(f) != 1 || f[0].String() != want {
		t.Errorf("got %v, want %s", f, want)
	}
}

func TestCellName(t *testing.T) {
	for _, c := range []struct {
		column, row int
		want        string
	}{{0, 1, "A1"}, {2, 14, "C14"}, {25, 2, "Z2"}, {26, 2, "AA2"}, {51, 3, "AZ3"}, {52, 3, "BA3"}, {701, 4, "ZZ4"}, {702, 4, "AAA4"}} {
		if got := cellName(c.column, c.row); got != c.want {
			t.Errorf("column %d, row %d: got %s, want %s", c.column, c.row, got, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	row := "27TcA,10,USD,Late\n"
	for _, c := range []struct {
		name   string
		input  string
		limits Limits
		want   string // in the last fault; "" for accepted
	}{
		{"bytes fit", head + row, Limits{Bytes: int64(len(head + row))}, ""},
		{"one byte too many", head + row, Limits{Bytes: int64(len(head+row)) - 1}, "larger than"},
		{"rows fit", head + row, Limits{Rows: 1}, ""},
		{"one row too many", head + row + "27TcB,10,USD,Late\n", Limits{Rows: 1}, "more than 1 rows"},
		{"blank lines are no rows", head + row + "\n\n,,,\n", Limits{Rows: 1}, ""},
		{"line too long", head + "27TcA,10,USD," + strings.Repeat("x", 70_000) + "\n", Limits{}, "longer than 64 KiB"},
		{"line of a lower limit", head + "27TcA,10,USD," + strings.Repeat("x", 200) + "\n", Limits{Record: 100}, "longer than 100 bytes"},
		{"CR alone, and long", strings.ReplaceAll(head, "\n", "\r") + strings.Repeat("27TcA,10,USD,Late\r", 9000), Limits{}, "CR alone"},
		{"header too long", strings.Repeat("x,", 70_000) + "\n", Limits{}, "longer than 64 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := ReadFile("x.csv", strings.NewReader(c.input), c.limits)
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, f, []byte(c.input))
			if c.want == "" {
				if f.FaultCount != 0 {
					t.Errorf("faults: %v", f.Faults)
				}
				return
			}
			if !f.Unusable || f.Rows != nil || f.FaultCount == 0 || !strings.Contains(fmt.Sprint(f.Faults), c.want) {
				t.Errorf("unusable %v, faults %v, want %q", f.Unusable, f.Faults, c.want)
			}
		})
	}
}

// endless gives the same lines for ever, and counts what was taken.
type endless struct {
	line  string
	taken int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.line[(e.taken+n)%len(e.line):])
	}
	e.taken += n
	return n, nil
}

// TestRefusedEarly: a file without an end is left off at the limit, in flat memory.
func TestRefusedEarly(t *testing.T) {
	for _, c := range []struct{ name, line string }{
		{"rows", "27TcA,x,USD,Late\n"},
		{"one line", "abcdef"},
		{"quotes", "27TcA,10,USD,\"Late\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &endless{line: c.line}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			rd, err := ReadTable(io.MultiReader(strings.NewReader(head), e), instructionTable, Limits{Rows: 20_000},
				func(*Record[instructionCells]) {}, nil)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if err != nil || !rd.Unusable || rd.ID != "" {
				t.Fatalf("%v, unusable %v, id %q", err, rd.Unusable, rd.ID)
			}
			if e.taken > 2<<20 {
				t.Errorf("%d bytes were read", e.taken)
			}
			if len(rd.Faults) > 1000 {
				t.Errorf("%d faults were kept", len(rd.Faults))
			}
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("%d bytes are still held", grown)
			}
		})
	}
}

func TestFaultsAreCountedBeyondTheLimit(t *testing.T) {
	input := head + strings.Repeat("a/b,x,USX,\n", 2000)
	f := mustRead(t, "x.csv", []byte(input))
	if f.FaultCount != 8000 || len(f.Faults) != 1000 || len(f.TurnedDown) != 2000 {
		t.Errorf("%d faults, %d kept, %d rows turned down", f.FaultCount, len(f.Faults), len(f.TurnedDown))
	}
	checkFile(t, f, []byte(input))
}

func TestReadErrorIsNoFault(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, n := range []int{0, 10, len(head) + 3} {
		r := io.MultiReader(strings.NewReader((head + "27TcA,10,USD,Late\n")[:n]), iotest.ErrReader(broken))
		if f, err := ReadFile("x.csv", r, Limits{}); !errors.Is(err, broken) || f != nil {
			t.Errorf("after %d bytes: %v, %v", n, f, err)
		}
	}
}

// TestEveryCut: a file that was cut off anywhere is refused, or warned of, or its rows
// are those of the whole file as far as they go.
func TestEveryCut(t *testing.T) {
	whole := "currency,reason,order_ref,amount\r\nUSD,Late,27TcA,100.25\r\nVND,\"a, b\",27TcB,70000\r\n"
	want := mustRead(t, "x.csv", []byte(whole)).Rows
	for n := range len(whole) {
		f := mustRead(t, "x.csv", []byte(whole[:n]))
		checkFile(t, f, []byte(whole[:n]))
		for i, row := range f.Rows {
			if row.Instruction != want[i].Instruction && f.WarningCount == 0 && f.FaultCount == 0 {
				t.Errorf("cut at %d: %+v passes without a word", n, row.Instruction)
			}
		}
	}
}

// TestOneByteReader: how the bytes arrive changes nothing.
func TestOneByteReader(t *testing.T) {
	input := "\xef\xbb\xbf" + head + "27TcA,10,USD,\"Late\nvery\"\n27TcB,x,USD,파손\n"
	f, err := ReadFile("x.csv", iotest.OneByteReader(strings.NewReader(input)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := verdict(f), verdict(mustRead(t, "x.csv", []byte(input))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCards(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"4111111111111111", "[card number]"},
		{"a 4111 1111 1111 1111 b", "a [card number] b"},
		{"5555-5555-5555-4444", "[card number]"},
		{"378282246310005 and 6011000990139424", "[card number] and [card number]"},
		{"ref 2024 4111.1111.1111.1111", "ref 2024 [card number]"},
		{"3530111333300000", "[card number]"},
		{"4111111111111112", "4111111111111112"},         // check digit
		{"1234567890123452", "1234567890123452"},         // no network's
		{"41111111111111111111", "41111111111111111111"}, // too long
		{"2026-11-21 10:30:45", "2026-11-21 10:30:45"},
		{"order 27TcJzyjL1y0eNVLEUa8pA8qAsJ", "order 27TcJzyjL1y0eNVLEUa8pA8qAsJ"},
		{"４１１１１１１１１１１１１１１１", "[card number]"},
	} {
		if got := hideCards(c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
	}
}

// TestCardIsNowhere: neither what is shown nor what is written has a card number in it.
func TestCardIsNowhere(t *testing.T) {
	for _, line := range []string{
		"27TcA,10,USD,card 4111111111111111\n",
		"27TcA,4111111111111111,USD,Late\n",
		"27TcA,10,4111111111111111,Late\n",
		"27TcA,10,USD,card 4111111111111111,more\n",
		"27TcA,10,USD,card \"4111111111111111\n",
		"27TcA,10,USD,\"card 4111111111111111\n",
		"# 4111111111111111\n",
	} {
		f := mustRead(t, "x.csv", []byte(head+"27TcB,10,USD,Late\n"+line))
		text := fmt.Sprintf("%+v", *f)
		if f.FaultCount == 0 || strings.Contains(text, "41111111") {
			t.Errorf("%q: %s", line, text)
		}
	}
	f := mustRead(t, "x.csv", []byte("order_ref,amount,currency,4111111111111111\n27TcB,10,USD,Late\n"))
	if text := fmt.Sprintf("%+v", *f); f.FaultCount == 0 || strings.Contains(text, "41111111") {
		t.Errorf("in the header: %s", text)
	}
}

func TestLooksLikeMarker(t *testing.T) {
	for text, want := range map[string]bool{
		"ABCDEFGHIJKLMNOPQR27":        true,
		"ABCDEFGHIJKLMNOPQR27 late":   true,
		"late (ABCDEFGHIJKLMNOPQR27)": true,
		"xABCDEFGHIJKLMNOPQR27":       false,
		"ABCDEFGHIJKLMNOPQR2":         false,
		"ABCDEFGHIJKLMNOPQR277":       false,
		"ABCDEFGHIJKLMNOPQR18":        false,
		"Damaged":                     false,
	} {
		if looksLikeMarker(text) != want {
			t.Errorf("%s: not %v", text, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2026-11-21T14:05:00+09:00", "2026-11-21T05:05:00Z"},
		{"2026-11-21T14:05:00.5Z", "2026-11-21T14:05:00.5Z"},
		{"2026-11-21", "2026-11-21T00:00:00Z"},
		{"2026-11-21 14:05:00", ""}, {"2026-11-21T14:05:00", ""}, {"21/11/2026", ""}, {"2026-02-30", ""}, {"1999-12-31", ""}, {"45980", ""},
	} {
		got, err := ParseTime(c.text)
		if (err != nil) != (c.want == "") || err == nil && got.Format("2006-01-02T15:04:05.999Z07:00") != c.want {
			t.Errorf("%s: got %v, %v", c.text, got, err)
		}
	}
}

func TestControl(t *testing.T) {
	input := head + "27TcA,10.50,USD,Late\n27TcB,70000,VND,Late\n27TcB,70000,VND,Late\nTotal,80010.5,,\n27TcC,5,USD,a/b \n"
	f := mustRead(t, "x.csv", []byte(input))
	total := func(s string) Control {
		m, err := ParseTotal(s)
		if err != nil {
			t.Fatal(err)
		}
		return Control{Totals: append(Control{}.Totals, m)}
	}
	both := total("USD=15.50")
	both.Totals = append(both.Totals, total("vnd=140000").Totals...)
	for _, c := range []struct {
		name string
		Control
		want string
	}{
		{"nothing said", Control{}, ""},
		{"rows agree", Control{Rows: 4}, ""},
		{"rows differ", Control{Rows: 3}, "has 4 rows, not 3"},
		{"totals agree", both, ""},
		{"a total differs", Control{Totals: append(total("USD=15").Totals, both.Totals[1])}, "in USD add up to 15.50, not 15.00"},
		{"a currency without total", total("USD=15.50"), "also has VND 140000"},
		{"a total without currency", Control{Totals: append(total("KRW=1").Totals, both.Totals...)}, "in KRW add up to 0, not 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := c.Check(f)
			if c.want == "" && faults != nil || c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].String(), c.want)) {
				t.Errorf("got %v, want %q", faults, c.want)
			}
		})
	}
	unreadable := mustRead(t, "x.csv", []byte(head+"27TcA,\"1,5\",USD,Late\n27TcB,5,USD,Late\n"))
	if faults := total("USD=5").Check(unreadable); len(faults) != 1 || !strings.Contains(faults[0].Message, "1 row has no amount") {
		t.Errorf("got %v", faults)
	}
	for _, bad := range []string{"", "VND", "VND=", "VND=1,000", "XXX=1", "=1"} {
		if m, err := ParseTotal(bad); err == nil {
			t.Errorf("%q is %v", bad, m)
		}
	}
}

// TestSameAmountIsCounted: also beyond what is kept of the warnings.
func TestSameAmountIsCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString(head)
	for i := range 50 {
		fmt.Fprintf(&b, "27TcA,10,USD,Late %d\n", i)
	}
	f, err := ReadFile("x.csv", strings.NewReader(b.String()), Limits{Faults: 10})
	if err != nil || f.SameAmount != 49 || len(f.Warnings) != 10 || f.WarningCount != 49 {
		t.Errorf("%d rows, %d of %d warnings, %v", f.SameAmount, len(f.Warnings), f.WarningCount, err)
	}
}

func TestAccepted(t *testing.T) {
	for _, c := range []struct {
		input      string
		all, valid bool
	}{
		{head + "27TcA,10,USD,Late\n", true, true},
		{head + "27TcA,10,USD,Late\n27TcB,x,USD,Late\n", false, true},
		{head + "27TcB,x,USD,Late\n", false, false},
		{head + "27TcA,10,USD,Late\n27TcB,1,USD,\"Late\n", false, false},
		{head, false, false},
	} {
		f := mustRead(t, "x.csv", []byte(c.input))
		if f.Accepted(AllOrNothing) != c.all || f.Accepted(ValidRows) != c.valid || f.Accepted("perhaps") {
			t.Errorf("%q: %v, %v", c.input, f.Accepted(AllOrNothing), f.Accepted(ValidRows))
		}
	}
}
