package bulk

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTwins compares what was found with every pair of rows looked at one by one.
func TestTwins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		var b strings.Builder
		b.WriteString("instruction_id,order_ref,merchant_order_ref,amount,currency,reason\n")
		for range rapid.IntRange(1, 12).Draw(t, "rows") {
			fmt.Fprintf(&b, "%s,%s,%s,%s,%s,%s\n", one("id", "", "", "R1", "R2"), one("order", "A", "B"), one("merchant", "", "A"),
				one("amount", "1", "1.0", "2"), one("currency", "USD", "usd", "VND"), one("reason", "x", "y"))
		}
		f, err := ReadFile("x.csv", strings.NewReader(b.String()), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		all := allRows(t, b.String())
		bad := map[int]bool{}
		for j, row := range all {
			for i, earlier := range all[:j] {
				if earlier.ID != row.ID {
					continue
				}
				same := earlier.Instruction == row.Instruction
				if row.ID != "" || same {
					bad[j+1] = true
				}
				if row.ID != "" && !same && firstOfID(all, row.ID) == i {
					bad[i+1] = true
				}
			}
		}
		for _, td := range f.TurnedDown {
			if !bad[td.N] {
				t.Fatalf("row %d was turned down:\n%s", td.N, verdict(f))
			}
			delete(bad, td.N)
		}
		if len(bad) > 0 {
			t.Fatalf("rows %v were not turned down:\n%s", bad, verdict(f))
		}
	})
}

func firstOfID(rows []Row, id string) int {
	for i, r := range rows {
		if r.ID == id {
			return i
		}
	}
	return -1
}

// allRows reads each row of a file by itself, so that no other can turn it down.
func allRows(t *rapid.T, file string) (rows []Row) {
	header, rest, _ := strings.Cut(file, "\n")
	for line := range strings.Lines(rest) {
		f, err := ReadFile("x.csv", strings.NewReader(header+"\n"+line), Limits{})
		if err != nil || len(f.Rows) != 1 {
			t.Fatal(line, err)
		}
		rows = append(rows, f.Rows[0])
	}
	return rows
}

// TestTwinsOfOneHash: rows that only hash alike are told apart.
func TestTwinsOfOneHash(t *testing.T) {
	alike := likeness{func(maphash.Seed, *Row) uint64 { return 7 }, byID.same}
	tw := newTwins()
	var rows []Row
	for i, c := range []struct {
		id   string
		want int
	}{{"a", -1}, {"b", -1}, {"a", 0}, {"c", -1}, {"b", 1}, {"c", 3}} {
		rows = append(rows, Row{Instruction: Instruction{ID: c.id}})
		if got := tw.earlier(rows, alike); got != c.want {
			t.Errorf("row %d: like %d, want %d", i, got, c.want)
		}
	}
}
