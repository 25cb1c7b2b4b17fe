package ledger_test

import (
	"testing"

	"refunds/reconcile/ledger/ledgertest"
)

func TestConformance(t *testing.T) {
	for _, e := range ledgertest.Engines {
		t.Run(e.Name, func(t *testing.T) { ledgertest.Run(t, e.Fresh) })
	}
}
