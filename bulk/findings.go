package bulk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"refunds/portone"
)

// Known is an answer to a question about PortOne.
type Known string

const (
	Yes       Known = "yes"
	No        Known = "no"
	DontKnow  Known = "unknown"
	probeLife       = 30 * 24 * time.Hour // how long findings count
)

// Findings are what a probe found out of what PortOne does not document.
type Findings struct {
	At           time.Time           `json:"at"`
	Environment  portone.Environment `json:"environment"`
	ClientKeySHA string              `json:"client_key_sha256"`
	OrderRef     string              `json:"order_ref"`
	Channel      string              `json:"channel"`

	ExpiredRefused Known         `json:"expired_refused"` // a token that expired ExpiredBy ago was refused, and no refund made
	ExpiredBy      time.Duration `json:"expired_by_ns"`
	ExpiredAnswer  string        `json:"expired_answer"` // for people

	Echoed   Known         `json:"echoed"`    // the channel gave the reason back
	Lag      time.Duration `json:"lag_ns"`    // at most, from the answer until the list showed the refund; below zero: it never did
	InAnswer bool          `json:"in_answer"` // the POST's own answer showed it

	// PortOne's clock less ours, by the refund's date: between these, if it had one.
	Dated     bool          `json:"dated"`
	ClockLow  time.Duration `json:"clock_low_ns"`
	ClockHigh time.Duration `json:"clock_high_ns"`
}

// KeySHA is what findings know of a client key.
func KeySHA(clientKey string) string {
	sum := sha256.Sum256([]byte(clientKey))
	return hex.EncodeToString(sum[:])
}

// Bear tells whether the findings bear sending again what was absent, as the policies retry and
// retry-if-capped do: they are fresh, of this client key, and within the bounds that an absence
// is concluded from. The sandbox's count for live too, where nobody refunds to try things. The
// error says what is against it.
func (f *Findings) Bear(b Bounds, clientKeySHA string, now time.Time) error {
	switch {
	case f == nil:
		return errors.New("nobody has probed PortOne with this client key")
	case f.ClientKeySHA != clientKeySHA:
		return errors.New("PortOne was probed with another client key")
	case now.Sub(f.At) > probeLife || f.At.After(now.Add(time.Hour)):
		return fmt.Errorf("the probe is of %s, and counts for 30 days", f.At.UTC().Format(time.DateOnly))
	case f.ExpiredRefused != Yes:
		return fmt.Errorf("the probe did not see that an expired token is refused: %s", f.ExpiredAnswer)
	case f.ExpiredBy > time.Second+b.ClockError:
		return fmt.Errorf("the probe's token had expired %s before, and PORTONE_CLOCK_ERROR is %s: one that is younger may be taken", f.ExpiredBy, b.ClockError)
	case f.Lag < 0:
		return errors.New("the probe's refund never came to be listed")
	case f.Lag > b.ListLag:
		return fmt.Errorf("the probe's refund was listed after %s, and PORTONE_LIST_LAG is %s", f.Lag, b.ListLag)
	case f.Dated && (f.ClockLow > b.ClockError+b.MaxProcessing || f.ClockHigh < -b.ClockError):
		return fmt.Errorf("PortOne's clock is between %s and %s off this machine's, and PORTONE_CLOCK_ERROR is %s", f.ClockLow, f.ClockHigh, b.ClockError)
	}
	return nil
}
