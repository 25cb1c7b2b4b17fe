// Package bulk turns finance's file into refunds, each issued at most once.
//
//	file ──read, judge──▶ instructions ──accept──▶ batch ──plan──▶ attempts ──▶ results
//
// PortOne's refund API has no idempotency key and no reference of the merchant's, so a
// POST whose answer is lost can't be repeated and can't be asked about. What this
// package adds is the missing guarantee:
//
//	At most once, given a durable ledger, under the default policy. Exactly once, or a
//	named quarantined row, within a stated time. The policies that send again rest on
//	their stated bounds as well.
//
// It rests on this of PortOne (our reading; its documents leave it open): what it answered 429 to
// is made at once or never, and listed within the list lag; a refund behind a refusal that it
// documents is in the list at once; a 200 means made. All else it may do.
//
// # States of an instruction
//
//	planned ──T1──▶ sending ──made────▶ issued | pending | failed   (by the listed refund's own status)
//	   ▲               │ ├────refused──▶ refused
//	   │               │ └─no answer──▶ unknown ──found──▶ issued | pending | failed
//	   └──absent, and the policy allows────┘   └──neither──▶ quarantined ──a person, or the marker──▶ …
//
// Issued, refused, failed and cancelled are final. A row is held while it stands behind a
// quarantined one of its order; issuing again takes it up. Skipped is a row whose
// instruction an earlier batch has.
//
// # The protocol
//
//  1. Slot. The ledger's database allows one open attempt (sending, unknown, quarantined)
//     per order. There is no lock and no lease: a process killed before T1 leaves nothing.
//  2. Baseline. The order's list is read. It must show what the ledger has booked for
//     instructions of the order. Our marker already in it: adopted, nothing is sent.
//  3. T1. One transaction inserts the attempt, with the body, the baseline and the token's
//     expiry, if the row is still open, the slot is free and the order has not changed. Then
//     a line in the journal. Only then the POST.
//  4. Sent once, over a transport that can't resend, with a token that the server stops
//     taking: a sender that was paused for minutes can't act late.
//  5. Classified by an allow-list; all that is not proved to be made, refused, limited or
//     not sent is unknown. A refusal counts after one more read that shows nothing new.
//  6. T2 records the outcome by compare-and-set. One that is lost is harmless: the row is
//     still sending, and is resolved like an unknown one.
//  7. Resolved by reading alone. The marker proves a refund at once. Absence is concluded
//     only from a list read after [Attempt.AbsentAt] that equals the baseline.
//  8. The policy on absent sends again, at most once, or leaves it to a person.
//
// The marker is 20 characters made from the client key and what makes the row the same
// row; it stands at the front of refund_reason, the only text that comes back in the list.
//
// The rules are pure: [Next], [PlanRow], [Classify], [Confirm], [Resolve], [Refresh] and [Decide] take
// values and a time and give values. A [Turn] strings them together into one order's way, as
// a machine that says what it wants done next; [Issuer] is the shell that does it.
//
// # What people decide
//
// A quarantined row is settled by its marker's turning up, or by a person: [Decide] judges what they
// say by what the ledger kept and a list read at that moment. Made binds a listed refund that nobody
// else has; not made and cancelled need a list after [Case.AbsentAt] without the marker, without a
// refund of that amount that nobody has booked, and with no money gone unexplained. An attempt
// that a person ruled out casts no doubt on the next. A new attempt is a decision of its own.
//
// # A ledger that went back in time
//
// A journal line without its attempt proves that the ledger lost history. Then every open order is
// read again before the first POST; no row of an order concerned is sent before its lost refund
// must be listed; and one whose amount is listed, and booked by nobody, is quarantined. When a lost
// attempt's refund is booked, or a late enough list shows none that could be it, the journal says
// so, and it is not told again. A journal that is new beside a ledger that is not makes every
// order one of these, for refunds dated until then. Each machine has the journal of its own
// attempts alone.
//
// # What a crash leaves
//
// Before T1 nothing. Between T1 and T2 an attempt in state sending, which any later run,
// or another process at the same time, resolves by reading. Rows not begun stay planned.
//
// # What it does not do
//
// It does not spread one key's rate over several processes, or wait for PortOne's last word on
// a pending refund. It decides no quarantined row: a person does. It can't tell that ledger and
// journal went back together.
package bulk
