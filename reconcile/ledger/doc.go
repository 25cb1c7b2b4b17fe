// Package ledger keeps what was ordered, sent, made and booked, in SQLite or in
// PostgreSQL, and holds all SQL of the program. It implements what bulk and
// reconcile ask of a ledger.
//
// # Words
//
// A batch is a file of rows. A row is owned (it is the present revision of its
// instruction, or was, until a later file took it over) or skipped (an earlier batch
// has it). An attempt is one intended POST. A refund is booked, by issuing or by an
// import; its marker binds it to the one instruction that it proves. An event is one
// line of history.
//
// # States
//
//	attempt      sending ─▶ unknown ─▶ quarantined          open: one per order
//	                └─────────┴──────────┴─▶ made, refused, not_sent, absent
//	             closed ─▶ quarantined, made                only by a refund that turned up
//
//	instruction  planned ◀─▶ held
//	                └─T1─▶ sending ─T2─▶ …                  see package bulk
//	             refused, failed ─▶ planned                 by a new revision, if nothing was made
//	             quarantined ─▶ …, failed, cancelled ─▶ planned   by a recorded person
//
// # What the database itself refuses
//
//   - two open attempts of one order: the slot, a partial unique index
//   - an attempt in another currency than its order's, or for more than was left
//   - two instructions of one key, two bookings of one refund of an order
//   - a refund that moves from one instruction to another
//   - an amount below its least or above 2^53, a state or currency that is none
//   - a change of what an attempt sends or a refund is worth, and of any event;
//     taking away a row of any of this
//
// # Promises
//
// Every exported method is one transaction. A nil error means that it is durable:
// SQLite runs with synchronous=FULL, and a PostgreSQL with synchronous_commit off is
// refused. T1 and T2 take the order's row first and hold it until they commit, and
// their conditions (version, slot, state) stand in their statements: so of two
// processes one wins and the other is told ErrMoved. Whatever changes what an
// order's next step rests on raises its version: T1, T2, a revision, an import of
// its refunds. Every T1, T2, batch, revision and import writes its event in the same
// transaction, T2 with the answer and the list that it was decided on.
//
// Amounts are whole minor units beside their currency. Times are UTC, cut to
// microseconds. Bytes from outside are kept as they came; where text is asked of
// them, what is no text becomes U+FFFD.
//
// # What a crash leaves
//
// Each transaction, whole or not at all. A row that was sending stays so until its
// outcome is read from PortOne's list. A commit that was not confirmed may have
// happened: T1 then must not be followed by a POST.
//
// # One engine and the other
//
// SQLite is created and migrated by Open. It has one writer: a process queues its own
// and waits for other processes' up to 30 s. PostgreSQL is migrated by Migrate alone,
// one at a time. A transaction that PostgreSQL broke off as a deadlock, or SQLite as
// busy, has changed nothing and is run again.
//
// # What it does not do
//
// It decides nothing about PortOne: what an answer means, when to send and when an
// absence counts, are package bulk's. It keeps no secret: of a client key a SHA-256
// and the last four characters, of a token a SHA-256.
package ledger
