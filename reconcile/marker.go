package reconcile

import (
	"maps"
	"slices"
	"strings"

	"refunds/bulk"
)

// markerIn finds the marker that a listed refund's reason carries, or "". One of the
// order's own may stand anywhere in it, since PortOne may put text of its own around the
// reason. Any other, such as one of a ledger that was lost, is known only by its form, at
// the front where issuing puts it.
func markerIn(reason string, own map[string]Instruction) string {
	if len(reason) < bulk.MarkerLength {
		return ""
	}
	for _, m := range slices.Sorted(maps.Keys(own)) {
		if m != "" && strings.Contains(reason, m) {
			return m
		}
	}
	front, rest := reason[:bulk.MarkerLength], reason[bulk.MarkerLength:]
	if strings.Trim(front, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" && (rest == "" || rest[0] == ' ') {
		return front
	}
	return ""
}

// markers gives the order's instructions by marker; booked refunds may carry one
// that no instruction has any more.
func (b Books) markers() map[string]Instruction {
	m := make(map[string]Instruction, len(b.Instructions))
	for _, r := range b.Booked {
		if r.Marker != "" {
			m[r.Marker] = Instruction{Marker: r.Marker, ID: r.InstructionID}
		}
	}
	for _, i := range b.Instructions {
		m[i.Marker] = i
	}
	return m
}
