package bulk

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// twins finds rows of one file that are, or may be, the same instruction.
type twins struct {
	seed     maphash.Seed
	first    map[uint64]int32 // hash of what rows are compared by → index of the first such row
	sheets   []int            // where a spreadsheet shows each row
	turnDown map[int]Fault    // by the row's N
	warnings []Fault
}

func newTwins() *twins {
	return &twins{seed: maphash.MakeSeed(), first: map[uint64]int32{}, turnDown: map[int]Fault{}}
}

// A likeness is what two rows are compared by. Rows that are the same have one hash.
type likeness struct {
	hash func(seed maphash.Seed, r *Row) uint64
	same func(a, b *Row) bool
}

var (
	byID = likeness{
		func(s maphash.Seed, r *Row) uint64 { return maphash.String(s, r.ID) },
		func(a, b *Row) bool { return a.ID == b.ID },
	}
	byContent = likeness{ // of rows without an id
		func(s maphash.Seed, r *Row) uint64 { return hashSum(s, r) ^ maphash.String(s, r.Reason) },
		func(a, b *Row) bool { return a.ID == b.ID && sameSum(a, b) && a.Reason == b.Reason },
	}
	bySum = likeness{hashSum, sameSum}
)

func hashSum(s maphash.Seed, r *Row) uint64 {
	h := maphash.String(s, r.OrderRef)*0x9e3779b97f4a7c15 + maphash.String(s, r.MerchantOrderRef)
	return h*0x9e3779b97f4a7c15 + uint64(r.Amount.Minor)
}

func sameSum(a, b *Row) bool {
	return a.OrderRef == b.OrderRef && a.MerchantOrderRef == b.MerchantOrderRef && a.Amount == b.Amount
}

// earlier is the index of the first row that is like the last of rows, or -1; then the
// last is remembered as the first.
func (t *twins) earlier(rows []Row, l likeness) int {
	last := len(rows) - 1
	row := &rows[last]
	for h := l.hash(t.seed, row); ; h++ { // past those that only hash alike
		i, ok := t.first[h]
		if !ok {
			t.first[h] = int32(last)
			return -1
		}
		if l.same(&rows[i], row) {
			return int(i)
		}
	}
}

// look compares the last of rows, which rec tells of, with those before it. The first
// of two equal rows stays good. Of two rows with one id and other content neither
// does, since nobody can say which is meant.
func (t *twins) look(rows []Row, rec *Record[instructionCells]) {
	row := &rows[len(rows)-1]
	t.sheets = append(t.sheets, rec.sheet)
	column := "order_ref"
	if row.OrderRef == "" {
		column = "merchant_order_ref"
	}
	if row.ID != "" {
		if i := t.earlier(rows, byID); i >= 0 {
			t.sameID(rows, i, rec)
			return
		}
	} else if i := t.earlier(rows, byContent); i >= 0 {
		t.turnDown[row.N] = rec.Fault(CodeTwice, column, fmt.Sprintf(
			"is refunded on line %d already, with the same amount and reason; remove one of the two rows, or give both an instruction_id", rows[i].Line))
		return
	}
	if i := t.earlier(rows, bySum); i >= 0 {
		t.warnings = append(t.warnings, rec.Fault(CodeSameAmount, column,
			fmt.Sprintf("is refunded on line %d already, with the same amount; make sure that both are meant", rows[i].Line)))
	}
}

// sameID turns down the last of rows, and the one at first too if it says something else.
func (t *twins) sameID(rows []Row, first int, rec *Record[instructionCells]) {
	row, other := &rows[len(rows)-1], &rows[first]
	if row.Instruction == other.Instruction {
		t.turnDown[row.N] = rec.Fault(CodeTwice, "instruction_id",
			fmt.Sprintf("stands on line %d already, with the same content; remove one of the two rows", other.Line))
		return
	}
	t.turnDown[row.N] = rec.Fault(CodeTwice, "instruction_id",
		fmt.Sprintf("stands on line %d already, with other content; give each refund an id of its own", other.Line))
	if _, told := t.turnDown[other.N]; !told {
		r := Record[instructionCells]{Line: other.Line, Cells: other.Cells, sheet: t.sheets[first], lay: rec.lay}
		t.turnDown[other.N] = r.Fault(CodeTwice, "instruction_id",
			fmt.Sprintf("stands on line %d again, with other content; give each refund an id of its own", row.Line))
	}
}

// take moves the twins out of the rows, and puts their faults and warnings with the others.
func (f *File) take(t *twins, max int) {
	f.SameAmount = len(t.warnings)
	for _, w := range t.warnings {
		f.add(&f.Warnings, &f.WarningCount, w, max)
	}
	if len(t.turnDown) == 0 {
		return
	}
	f.Rows = slices.DeleteFunc(f.Rows, func(row Row) bool {
		fault, ok := t.turnDown[row.N]
		if ok {
			f.add(&f.Faults, &f.FaultCount, fault, max)
			f.TurnedDown = append(f.TurnedDown, TurnedDown{N: row.N, Line: row.Line, Cells: row.Cells, Faults: []Fault{fault}})
		}
		return ok
	})
	slices.SortFunc(f.TurnedDown, func(a, b TurnedDown) int { return a.N - b.N })
}

// add keeps list in the file's order and at most max long.
func (r *Reading) add(list *[]Fault, count *int, f Fault, max int) {
	*count++
	if len(*list) >= max {
		return
	}
	*list = append(*list, f)
	slices.SortStableFunc(*list, func(a, b Fault) int { return a.Line - b.Line })
}
