// Package reports writes what auditors read of a reconciliation: one folder per run, and
// nothing in it that another run or the clock could change.
//
//	REFUNDS_HOME/reports/RUN/
//	    report.html         for people: verdict, money, every discrepancy with both sides
//	    discrepancies.csv   every finding of the run, the gravest kind first
//	    orders.csv          every order of the run's window, and its verdict
//	    summary.json        the totals, for another program
//	    manifest.json       size and SHA-256 of the files above, totals, the report before
//	    SHA256SUMS          for sha256sum -c; lists the manifest too
//
// # Words
//
// A finding is a discrepancy as one run tells it: open (found, or, carried, on an order that
// could not be read), or resolved by this run. An open discrepancy on an order outside
// the window is only counted. Unchecked orders are never among the clean ones, and
// a run with any is incomplete.
//
// # What is promised
//
//   - Complete or absent. The files are written and synced under a hidden name beside, then
//     the folder is renamed. A crash leaves a hidden folder (".RUN.…") that nothing reads
//     and that may be deleted. A report that is there is never written again.
//   - The same run gives the same bytes. Everything comes from the finished run in the ledger, in
//     a fixed order; only manifest.json (and its line in SHA256SUMS) also names the report
//     before it in the same folder. Two runs over the same ledger and lists differ in run id
//     and times alone.
//   - Flat memory: rows are read and written one at a time, and the tables are read once
//     for the files and once for the page.
//   - Cells of the CSV files that a spreadsheet would take for a formula begin with
//     an apostrophe, except plain numbers. Amounts are plain decimals in major units.
//   - The page holds no script, loads nothing, and forbids itself both. It shows at most 5,000
//     rows of a kind and 500 unread orders, and says where the rest is.
//
// # Amounts of a discrepancy
//
// ledger_amount and portone_amount are what each side counts as refunded, so a failed
// refund counts zero; an empty cell is a side that has nothing. difference is
// ledger_amount less portone_amount, always, and empty where there is none to tell:
// two currencies (currency is then THB/USD, the ledger's first) or an unknown outcome.
// For over_refunded they are the order's amount and the sum of its refunds; for
// remaining_differs what should be left and what PortOne says is left; for
// still_unknown the ledger's is the instruction's amount, which is not booked.
//
// # What it does not do
//
// It judges nothing: reconcile does. Verify tells whether a folder is as it was written; whether
// somebody rewrote all of it, manifest included, only a copy of the manifest's sum
// kept elsewhere can tell, such as the one in the report after it.
package reports
