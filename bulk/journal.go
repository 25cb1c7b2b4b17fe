package bulk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"
)

// A Journal is a file beside the ledger with one line for each attempt, written after T1
// and before the POST. So a line whose attempt the ledger does not have proves that the
// ledger lost history: a backup was restored, or a failover dropped commits.
//
// It guards against the ledger, not against the machine, so a line is written but not
// synced: what loses it loses the process that would have sent.
type Journal struct {
	mu sync.Mutex
	f  *os.File
}

// A JournalLine is one attempt that was about to be sent.
type JournalLine struct {
	At       time.Time `json:"at"`
	Attempt  string    `json:"attempt"`
	OrderRef string    `json:"order_ref"`
	Amount   string    `json:"amount"`
	Currency string    `json:"currency"`
	Body     string    `json:"body_sha256"`
	AbsentAt time.Time `json:"absent_at"` // by then its refund, if made, is listed
}

// OpenJournal opens or creates the file. Several processes may append to one.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{f: f}
	last := make([]byte, 1)
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			_, _ = f.Write([]byte("\n")) // ends a line that a full disk cut; if this fails, so will Append
		}
	}
	return j, nil
}

// Append writes an attempt's line. On an error the attempt must not be sent.
func (j *Journal) Append(a Attempt) error {
	line, err := json.Marshal(JournalLine{
		At: a.StartedAt, Attempt: a.ID, OrderRef: a.OrderRef, Amount: a.Amount.String(),
		Currency: string(a.Amount.Currency), Body: a.BodySHA256, AbsentAt: a.AbsentAt(),
	})
	if err == nil {
		j.mu.Lock()
		_, err = j.f.Write(append(line, '\n')) // one write, so that two processes' lines don't mix
		j.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("journal attempt %s: %w", a.ID, err)
	}
	return nil
}

// journalTail is how much of the file's end is read to see whether history was lost: what is lost
// is the newest, and this is more than 10,000 attempts of it.
const journalTail = 4 << 20

// Tail reads the newest lines, oldest first.
func (j *Journal) Tail() ([]JournalLine, error) { return j.read(journalTail) }

// All reads every line, oldest first.
func (j *Journal) All() ([]JournalLine, error) { return j.read(math.MaxInt64) }

// read reads the lines of the file's last bytes, so many at most. A line that a kill or a full disk cut is
// left out: its attempt was never sent, since the line was not whole.
func (j *Journal) read(most int64) ([]JournalLine, error) {
	info, err := j.f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	from := max(0, info.Size()-most)
	in := bufio.NewScanner(io.NewSectionReader(j.f, from, info.Size()-from))
	if from > 0 {
		in.Scan() // begins in the middle of a line
	}
	var lines []JournalLine
	for in.Scan() {
		var l JournalLine
		if json.Unmarshal(in.Bytes(), &l) == nil && l.Attempt != "" {
			lines = append(lines, l)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return lines, nil
}

func (j *Journal) Close() error { return j.f.Close() }
