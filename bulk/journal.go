package bulk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	mu    sync.Mutex
	f     *os.File
	fresh bool
}

// A JournalLine is one attempt that was about to be sent; or it has Seen, or Careful.
type JournalLine struct {
	At       time.Time `json:"at"`
	Attempt  string    `json:"attempt,omitempty"`
	OrderRef string    `json:"order_ref,omitempty"`
	Amount   string    `json:"amount,omitempty"`
	Currency string    `json:"currency,omitempty"`
	Body     string    `json:"body_sha256,omitempty"`
	AbsentAt time.Time `json:"absent_at,omitzero"` // by then its refund, if made, is listed

	Seen    string    `json:"seen,omitempty"`         // an attempt of the lines before that the ledger lost, and that is settled now
	Careful time.Time `json:"careful_until,omitzero"` // of the first line: see Start
}

// OpenJournal opens or creates the file. Several processes may append to one. One that holds
// something, but no line that can be read, is put aside under another name: it proves nothing.
func OpenJournal(path string) (*Journal, error) {
	j, err := openJournal(path)
	if err != nil {
		return nil, err
	}
	lines, size, err := j.tail(journalTail)
	switch {
	case size == 0:
		j.fresh = true
	case len(lines) == 0 && err == nil || errors.Is(err, bufio.ErrTooLong):
		if err := errors.Join(j.Close(), os.Rename(path, path+".unreadable")); err != nil {
			return nil, fmt.Errorf("put the unreadable journal aside: %w", err)
		}
		if j, err = openJournal(path); err != nil {
			return nil, err
		}
		j.fresh = true
	case err != nil:
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func openJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w; nothing is sent without it, since it alone tells when the ledger loses history: make it readable and writable again", err)
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

// Fresh tells that the journal had no line when it was opened. Start it then.
func (j *Journal) Fresh() bool { return j.fresh }

// Start writes a fresh journal's first line. Where the ledger beside it has attempts already, the
// journal may have been lost with some of the ledger's history, and carefulUntil is when a
// refund of any attempt made until now must be listed; else it is zero.
func (j *Journal) Start(at, carefulUntil time.Time) error {
	if err := j.write(JournalLine{At: at, Careful: carefulUntil}); err != nil {
		return fmt.Errorf("start the journal: %w", err)
	}
	j.fresh = false
	return nil
}

// Append writes an attempt's line. On an error the attempt must not be sent.
func (j *Journal) Append(a Attempt) error {
	err := j.write(JournalLine{
		At: a.StartedAt, Attempt: a.ID, OrderRef: a.OrderRef, Amount: a.Amount.String(),
		Currency: string(a.Amount.Currency), Body: a.BodySHA256, AbsentAt: a.AbsentAt(),
	})
	if err != nil {
		return fmt.Errorf("journal attempt %s: %w", a.ID, err)
	}
	return nil
}

// seen writes that an attempt which the ledger lost is settled for good. A later attempt may
// have the same id, so it is said of the lines before this one alone.
func (j *Journal) seen(l JournalLine, at time.Time) error {
	return j.write(JournalLine{At: at, OrderRef: l.OrderRef, Seen: l.Attempt})
}

func (j *Journal) write(l JournalLine) error {
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.f.Write(append(line, '\n')) // one write, so that two processes' lines don't mix
	return err
}

// missing gives the attempts that the journal has and the ledger, as lookUp tells, has not, and
// that are not seen to, oldest first; and until when an attempt that no journal has may have been
// lost. It reads as far back as any is missing.
func (j *Journal) missing(lookUp func(ids []string) ([]string, error)) (lost []JournalLine, careful time.Time, err error) {
	careful, err = j.careful()
	if err != nil {
		return nil, time.Time{}, err
	}
	for window := int64(journalTail); ; window *= 4 {
		lines, size, err := j.tail(window)
		if err != nil {
			return nil, time.Time{}, err
		}
		var ids []string
		for _, l := range lines {
			if l.Attempt != "" {
				ids = append(ids, l.Attempt)
			}
		}
		gone, err := lookUp(ids)
		if err != nil {
			return nil, time.Time{}, err
		}
		lacks := make(map[string]bool, len(gone))
		for _, id := range gone {
			lacks[id] = true
		}
		old := slices.ContainsFunc(lines[:len(lines)/2], func(l JournalLine) bool { return lacks[l.Attempt] })
		if old && window < size {
			continue // what is older may be lost as well
		}
		open := map[string]int{} // its last line
		for n, l := range lines {
			switch {
			case l.Seen != "":
				delete(open, l.Seen)
			case lacks[l.Attempt]:
				open[l.Attempt] = n
			}
		}
		for n, l := range lines {
			if last, ok := open[l.Attempt]; ok && last == n {
				lost = append(lost, l)
			}
		}
		return lost, careful, nil
	}
}

// careful reads the first line, which Start wrote.
func (j *Journal) careful() (time.Time, error) {
	first, err := bufio.NewReader(io.NewSectionReader(j.f, 0, 1<<16)).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return time.Time{}, fmt.Errorf("read journal: %w", err)
	}
	var l JournalLine
	if json.Unmarshal(first, &l) != nil {
		return time.Time{}, nil // cut, or of no journal: what follows is
	}
	return l.Careful, nil
}

// journalTail is how much of the file's end is read: lost history is the newest, and this is
// more than 10,000 attempts of it.
const journalTail = 4 << 20

// Tail gives the newest attempts' lines, oldest first.
func (j *Journal) Tail() ([]JournalLine, error) {
	lines, _, err := j.tail(journalTail)
	return slices.DeleteFunc(lines, func(l JournalLine) bool { return l.Attempt == "" }), err
}

// tail reads the lines of the file's last so many bytes, oldest first, and tells its size. A line
// that a kill or a full disk cut is left out: its attempt was never sent, since the line was
// not whole.
func (j *Journal) tail(window int64) (lines []JournalLine, size int64, err error) {
	info, err := j.f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	size = info.Size()
	from := max(0, size-window)
	in := bufio.NewScanner(io.NewSectionReader(j.f, from, size-from))
	if from > 0 {
		in.Scan() // begins in the middle of a line
	}
	for in.Scan() {
		var l JournalLine
		if json.Unmarshal(in.Bytes(), &l) == nil && !l.At.IsZero() {
			lines = append(lines, l)
		}
	}
	if err := in.Err(); err != nil {
		return nil, size, fmt.Errorf("read journal: %w", err)
	}
	return lines, size, nil
}

func (j *Journal) Close() error { return j.f.Close() }
