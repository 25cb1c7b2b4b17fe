package bulk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"refunds/portone"
)

// An Instruction is one row of finance's file: refund this much of that order,
// for this reason. Its amount is above zero.
type Instruction struct {
	Key              string // what makes it the same instruction in any file; see Identify
	Marker           string // Key as PortOne gets to see it; see Identify
	ID               string // instruction_id, the merchant's own unique key, or ""
	OrderRef         string
	MerchantOrderRef string // as the file gave it, or ""
	Amount           portone.Money
	Reason           string
	Description      string
	Channel          string // "": the order's
	Type             portone.RefundType
}

// A Row is an instruction and where it stands in its file.
type Row struct {
	Instruction
	N     int      // 1 is the first row under the header
	Line  int      // of the file, from 1, where the row begins
	Cells []string // as read, in the file's own column order
}

// A Batch is one file of instructions, known by the SHA-256 of its bytes.
type Batch struct {
	ID         string // 64 hex digits
	FileName   string // without its folder
	ReceivedAt time.Time
	Rows       []Row
}

// ShortID is what people are shown of a batch's id.
func ShortID(batchID string) string { return batchID[:min(12, len(batchID))] }

// MarkerLength is the number of base32 characters of a marker: 100 bits.
const MarkerLength = 20

// MaxText is the most characters that refund_reason and description may have with
// the marker and one space before them. PortOne documents no limit; one PSP behind
// it takes 100 (spec).
const MaxText = 100

// Identify gives i its Key and Marker. The key is the environment with the
// instruction_id, or, without one, with order, amount, currency and reason. Both
// depend on nothing that is lost with a ledger, so that a refund made before the
// loss is recognised after it. OrderRef must be PortOne's by then.
func (i *Instruction) Identify(env portone.Environment, clientKey string) {
	parts := []string{string(env), "row", i.OrderRef, i.Amount.String(), string(i.Amount.Currency), i.Reason}
	if i.ID != "" {
		parts = []string{string(env), "id", i.ID}
	}
	i.Key = strings.Join(parts, "\x1f") // a control character, which no cell may hold
	mac := hmac.New(sha256.New, []byte(clientKey))
	mac.Write([]byte(i.Key))
	i.Marker = base32.StdEncoding.EncodeToString(mac.Sum(nil))[:MarkerLength]
}
