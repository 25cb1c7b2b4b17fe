package ledger

import "errors"

// Why a ledger can't be used as it is. Test with errors.Is; errors.As with *Unusable
// catches all of them.
var (
	ErrURL         = errors.New("no ledger is named so")
	ErrUnreachable = errors.New("the ledger can't be opened")
	ErrOld         = errors.New("the ledger's schema is older than the program")
	ErrNewer       = errors.New("the ledger's schema is newer than the program")
	ErrBound       = errors.New("the ledger belongs to another key or environment")
)

// Unusable is a ledger that can't be used as it is. Its text is whole sentences for
// a person: what is wrong and what to do. It never shows a password.
type Unusable struct {
	Kind error // one of the above
	Text string
}

func (u *Unusable) Error() string { return u.Text }
func (u *Unusable) Unwrap() error { return u.Kind }
