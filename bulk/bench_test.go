package bulk

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gocarina/gocsv"
)

// benchRows is how many rows the benchmarks read: of 8 columns and about 120 bytes.
const benchRows = 100_000

func benchFile() []byte {
	var b bytes.Buffer
	b.WriteString("instruction_id,order_ref,merchant_order_ref,amount,currency,reason,channel,description\n")
	for i := range benchRows {
		fmt.Fprintf(&b, "R-%08d,27TcJzyjL1y0eNVL%08dA8qA,M-%08d,%d.%02d,USD,Damaged on arrival of box %d,MOMOPAY,Box %d of the lot\n", i, i, i, i%9000+1, i%100, i%50, i%7)
	}
	return b.Bytes()
}

// BenchmarkReadTable: every rule of one row on. Its goal is not to be slower than
// BenchmarkGocsvCallback, which has none, in the same run.
func BenchmarkReadTable(b *testing.B) {
	data := benchFile()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		rd, err := ReadTable(bytes.NewReader(data), instructionTable, Limits{}, func(*Record[instructionCells]) { n++ }, nil)
		if err != nil || n != benchRows || rd.FaultCount != 0 {
			b.Fatal(n, err, rd.Faults)
		}
	}
}

// BenchmarkReadFile also keeps the rows, and compares each with all before it.
func BenchmarkReadFile(b *testing.B) {
	data := benchFile()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := ReadFile("x.csv", bytes.NewReader(data), Limits{})
		if err != nil || len(f.Rows) != benchRows || f.FaultCount != 0 {
			b.Fatal(err, f.Faults)
		}
	}
}

func BenchmarkGocsvCallback(b *testing.B) {
	data := benchFile()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := gocsv.UnmarshalToCallback(bytes.NewReader(data), func(reflectedCells) { n++ }); err != nil || n != benchRows {
			b.Fatal(n, err)
		}
	}
}

type reflectedCells instructionCells
