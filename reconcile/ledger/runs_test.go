package ledger_test

import (
	"testing"

	"refunds/reconcile/ledger/ledgertest"
)

func TestReconciliation(t *testing.T) {
	for _, e := range ledgertest.Engines {
		t.Run(e.Name, func(t *testing.T) { ledgertest.Reconciliation(t, e.Fresh) })
	}
}
