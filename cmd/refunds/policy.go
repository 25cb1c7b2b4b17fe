package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"refunds/bulk"
	"refunds/portone"
	"refunds/reconcile/ledger"
)

// findingsFile is where a probe keeps what it found, for a ledger of another environment.
func (c config) findingsFile() string {
	if c.Probe != "" {
		return c.Probe
	}
	return filepath.Join(c.Home, "probe.json")
}

// findings are the freshest of this client key, of the ledger's own and of the file's; nil: none.
func (a *app) findings(ctx context.Context, c config, db *ledger.DB) (*bulk.Findings, error) {
	own, err := db.Findings(ctx)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(c.findingsFile())
	if errors.Is(err, fs.ErrNotExist) && c.Probe == "" {
		return own, nil
	}
	var told bulk.Findings
	if err == nil {
		err = json.Unmarshal(b, &told)
	}
	if err != nil {
		return nil, fmt.Errorf("the findings of refunds probe in %s can't be read: %w; set REFUNDS_PROBE to where they are", c.findingsFile(), err)
	}
	if own == nil || told.At.After(own.At) && told.ClientKeySHA == bulk.KeySHA(c.clientKey) {
		return &told, nil
	}
	return own, nil
}

func writeFindings(c config, f bulk.Findings) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(c.Home, "probe.json"), append(b, '\n'), 0o600)
}

// bearPolicy looks whether a probe bears a policy that sends again. If not, in live the policy
// becomes quarantine, and fault says why, for a command that would send; in the sandbox it is
// said and stays.
func (a *app) bearPolicy(ctx context.Context, c *config, db *ledger.DB) (fault, err error) {
	if c.rules.OnAbsent == bulk.Quarantine {
		return nil, nil
	}
	f, err := a.findings(ctx, *c, db)
	if err != nil {
		return nil, err
	}
	why := f.Bear(c.rules.Bounds, bulk.KeySHA(c.clientKey), time.Now())
	if why == nil {
		return nil, nil
	}
	fault = fmt.Errorf("REFUNDS_ON_ABSENT=%s sends again what has not turned up, and may do so only on what was seen of PortOne: %w. "+
		"Run \"refunds probe\" in the sandbox (for live set REFUNDS_PROBE to the probe.json it leaves), or set REFUNDS_ON_ABSENT=quarantine", c.OnAbsent, why)
	if c.rules.Environment == portone.Live {
		c.rules.OnAbsent = bulk.Quarantine
		fmt.Fprintln(a.errs, "refunds: until then as with quarantine:", fault)
		return fault, nil
	}
	fmt.Fprintln(a.errs, "refunds: warning (in live it is refused):", fault)
	return nil, nil
}
