// Package ledgertest is for tests that need a real ledger: fresh ones of either
// engine, and the suite that both engines must pass.
//
// Postgres starts one throw-away PostgreSQL per test process. A shell holds it, reads
// from a pipe whose other end is this process's, and stops the server and removes its
// folder when the pipe closes: also when the test is killed. Nothing runs in
// goroutines, so there is nothing for goleak to find.
package ledgertest
