package bulk

import (
	"fmt"
	"slices"

	"refunds/portone"
)

// twins finds rows of one file that are, or may be, the same instruction.
type twins struct {
	byID      map[string]place
	byContent map[content]place // of rows without an id
	bySum     map[content]place // the same without the reason, of all rows
	turnDown  map[int]Fault     // by the row's N
	warnings  []Fault
}

// A place is a row, by its index in File.Rows, and where a spreadsheet shows it.
type place struct{ index, sheet int }

type content struct {
	order, merchantOrder string
	amount               portone.Money
	reason               string
}

// look compares the last of rows, which rec tells of, with those before it. The first of two equal
// rows stays good. Of two rows with one id and other content neither does, since
// nobody can say which is meant.
func (t *twins) look(rows []Row, rec *Record[instructionCells]) {
	row := &rows[len(rows)-1]
	here := place{len(rows) - 1, rec.sheet}
	c := content{row.OrderRef, row.MerchantOrderRef, row.Amount, row.Reason}
	column := "order_ref"
	if row.OrderRef == "" {
		column = "merchant_order_ref"
	}
	twice := func(earlier place, column, message string) {
		t.turnDown[row.N] = rec.Fault(CodeTwice, column, fmt.Sprintf(message, rows[earlier.index].Line))
	}
	if row.ID != "" {
		earlier, ok := t.byID[row.ID]
		switch {
		case !ok:
			t.byID[row.ID] = here
		case sameInstruction(rows[earlier.index].Instruction, row.Instruction):
			twice(earlier, "instruction_id", "stands on line %d already, with the same content; remove one of the two rows")
			return
		default:
			twice(earlier, "instruction_id", "stands on line %d already, with other content; give each refund an id of its own")
			if first := rows[earlier.index]; t.turnDown[first.N].Message == "" {
				r := Record[instructionCells]{Line: first.Line, Cells: first.Cells, sheet: earlier.sheet, lay: rec.lay}
				t.turnDown[first.N] = r.Fault(CodeTwice, "instruction_id",
					fmt.Sprintf("stands on line %d again, with other content; give each refund an id of its own", row.Line))
			}
			return
		}
	} else if earlier, ok := t.byContent[c]; ok {
		twice(earlier, column, "is refunded on line %d already, with the same amount and reason; remove one of the two rows, or give both an instruction_id")
		return
	} else {
		t.byContent[c] = here
	}
	c.reason = ""
	if earlier, ok := t.bySum[c]; ok {
		t.warnings = append(t.warnings, rec.Fault(CodeSameAmount, column,
			fmt.Sprintf("is refunded on line %d already, with the same amount; make sure that both are meant", rows[earlier.index].Line)))
	} else {
		t.bySum[c] = here
	}
}

// sameInstruction: all that is sent is the same.
func sameInstruction(a, b Instruction) bool { return a == b }

// take moves the twins out of the rows, and puts their faults and warnings with the others.
func (f *File) take(t *twins, max int) {
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
