package bulk

import (
	"fmt"
	"slices"
	"strings"
)

// MerchantRefs are the merchant's references of the rows that name no order_ref, each once.
func (f *File) MerchantRefs() []string {
	var refs []string
	for _, r := range f.Rows {
		if r.OrderRef == "" {
			refs = append(refs, r.MerchantOrderRef)
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

// Resolve gives each row that names its order by the merchant's reference PortOne's own. A
// row whose reference stands for no order, or for several, is turned down, and so is one
// that now turns out to be the same instruction as an earlier row. It gives the faults.
func (f *File) Resolve(orders map[string][]string) []Fault {
	type same struct{ order, amount, currency, reason string }
	seen := map[same]int{} // line of the first
	var faults []Fault
	f.Rows = slices.DeleteFunc(f.Rows, func(r Row) bool {
		return f.turnDown(r, &faults, func() string {
			if r.OrderRef != "" {
				return ""
			}
			switch found := orders[r.MerchantOrderRef]; len(found) {
			case 0:
				return "is known neither to the ledger's orders nor to PortOne; correct it, or give the order_ref"
			case 1:
				return ""
			default:
				return fmt.Sprintf("stands for %d orders (%s); give the order_ref instead", len(found), strings.Join(found[:min(3, len(found))], ", "))
			}
		}())
	})
	for i, r := range f.Rows {
		if r.OrderRef == "" {
			f.Rows[i].OrderRef = orders[r.MerchantOrderRef][0]
		}
	}
	f.Rows = slices.DeleteFunc(f.Rows, func(r Row) bool {
		key := same{r.OrderRef, r.Amount.String(), string(r.Amount.Currency), r.Reason}
		first, twice := seen[key]
		if r.ID != "" || !twice {
			if r.ID == "" {
				seen[key] = r.Line
			}
			return false
		}
		return f.turnDown(r, &faults, fmt.Sprintf("is the order of line %d, with the same amount and reason; if it is another refund, give both an instruction_id", first))
	})
	f.turnedDown(faults)
	return faults
}

// KeepBooked turns down the rows that the ledger does not have for this batch. It was booked when
// the file was first given, and a row that was turned down then is not added later.
func (f *File) KeepBooked(booked []Result) []Fault {
	has := make(map[int]bool, len(booked))
	for _, r := range booked {
		has[r.N] = true
	}
	var faults []Fault
	f.Rows = slices.DeleteFunc(f.Rows, func(r Row) bool {
		wrong := ""
		if !has[r.N] {
			wrong = "was turned down when this file was first issued; give the row in a file of its own"
		}
		return f.turnDown(r, &faults, wrong)
	})
	f.turnedDown(faults)
	return faults
}

func (f *File) turnedDown(faults []Fault) {
	slices.SortFunc(f.TurnedDown, func(a, b TurnedDown) int { return a.N - b.N })
	f.Faults = append(f.Faults, faults...)
	f.FaultCount += len(faults)
}

// turnDown moves a row to those turned down, if something is wrong with it.
func (f *File) turnDown(r Row, faults *[]Fault, wrong string) bool {
	if wrong == "" {
		return false
	}
	column := "merchant_order_ref"
	if r.MerchantOrderRef == "" {
		column = "order_ref"
	}
	fault := Fault{Code: CodeCell, Line: r.Line, Column: column, Message: wrong}
	if at := slices.Index(f.Detected.Columns, column); at >= 0 {
		fault.Cell, fault.Value = cellName(at, r.Line), show(r.Cells[at])
	}
	*faults = append(*faults, fault)
	f.TurnedDown = append(f.TurnedDown, TurnedDown{N: r.N, Line: r.Line, Cells: r.Cells, Faults: []Fault{fault}})
	return true
}
