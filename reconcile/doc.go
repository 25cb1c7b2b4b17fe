// Package reconcile compares what the ledger has booked with what PortOne lists, order by
// order, and tells how they differ.
//
// # Words
//
// Books are what the ledger knows of an order; a Listing is PortOne's answer about it. Match
// turns the two into discrepancies. A Run does so for every order of a Window, and has a
// verdict: clean, discrepancies, or incomplete. An order whose list could not be read is
// unchecked: neither clean nor a discrepancy, and it makes the run incomplete, which
// stands above discrepancies. That PortOne does not know an order is an answer.
//
// # Which refund is which
//
// Two refunds are the same by psp_refund_id; else, where not both sides have one, by
// refund_id; else by marker; else by amount and currency with multiplicity, as many pairs as
// can be. An empty id is no id. The first kind of identity that both have decides:
// where it differs they are two refunds, however equal they look.
//
// When one refund is left on each side, neither failed nor recent, they are taken for the same
// one, told with another amount or currency, if nothing contradicts it, they share the
// currency or the number, and they share a date (within a day) or a reason. Otherwise, and
// whenever more are left, they are missing both ways: nobody can tell which is
// which, and the sum of the differences is the same.
//
// # One cause, one discrepancy
//
//	both have it ── currency? ── failed on one side? ── amount? ── status? ── pending too long?
//	                   │                │                 │           │              │
//	            currency_differs   status_differs   amount_differs  status_differs  stale_pending
//	                               or reversed
//	only booked ──▶ reversed, if an earlier read showed it successful; else missing_at_portone
//	only listed ──▶ listed_twice, refunded_twice, perhaps an unknown outcome's; else missing_in_ledger
//
// The first that holds is told; the note names what else differs. A failed refund that the other
// side lacks is no discrepancy: it moved no money, and PortOne's list is not known to
// keep it (its samples hold successful ones only). remaining_differs is told only where no
// choice that the order's other discrepancies, recent refunds and unknown outcomes leave
// open gives what PortOne says is left. over_refunded alone stands beside its cause.
//
// A discrepancy's id is a hash of its kind, its order, and the identity of what it
// is about; so it is the same every night. Found again, it stays open; not found again on an
// order that was read, it is resolved; on an order that was not read, it stays as it was.
//
// # The money adds up
//
// An amount counts what its side calls refunded: pending counts, failed does not. Over the orders
// read, and per currency, ledger less PortOne is what the discrepancies of single
// refunds add up to, plus what is too recent or not known yet. A property test holds Match to it.
//
// # A run
//
//	BeginRun ──▶ page of orders ──▶ read lists, side by side ──▶ settle ──▶ match ──▶ Record ─┐
//	(window booked as unchecked)  ▲                                                          │
//	                              └──────────────────────────────────────────────────────────┘ ──▶ FinishRun
//
// The window's orders are booked as unchecked before the first is read, so that one that is never
// reached is known to be. An unknown or pending refund of ours is settled by the list before it is
// matched. Before a discrepancy is told, the order's books are read again, since
// somebody may have booked meanwhile. A run never posts: it has nothing to post with.
//
// A crash leaves a run without a verdict; what it recorded until then stands, and its
// orders without an answer are unchecked, so that the next activity window holds them. A
// night (a business date) has one row in the ledger, so it runs once; one whose process died
// is taken up again after NightStale. Two runs at once read the same lists and record
// the same, which harms nothing.
//
// # What it does not do
//
// It corrects nothing, on either side. It has no rolling sweep of quiet orders yet: only a
// window of all orders, or an order's name, brings those to light. Where a channel gives
// neither ids nor reason back, an order's equal refunds can't be told apart, and need not be.
package reconcile
