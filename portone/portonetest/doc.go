// Package portonetest is a PortOne to try things on: a stateful server that
// refunds, refuses, lags and breaks down as it is told to, and keeps the truth of
// what it did. Tests, `refunds simulate` and `refunds demo` use it. It speaks real
// HTTP/1.1 and reads and writes PortOne's JSON by itself, so that it can't share a
// mistake with the client that is tried on it.
//
// # Use
//
//	s := portonetest.New(portonetest.Config{Seed: 1, Script: portonetest.MustParse("post 5% 500-after")})
//	defer s.Close()
//	err := s.AddOrders(portonetest.Order{OrderRef: "A", Amount: m, Channel: "OMISE"})
//	err = s.Start("")       // a port of 127.0.0.1, then s.URL()
//	… or Dial: s.Dial       // in this process, for http.Transport.DialContext
//
// Start and Dial lead to the same server. In a testing/synctest bubble use Dial, make
// the Server in the bubble, and close idle connections and the Server before it ends;
// then an hour of waiting costs nothing. s.ClientKey and s.SecretKey are what
// it accepts.
//
// # Words
//
//	order    what was paid, added by AddOrders or LoadOrders
//	refund   one that was made: by the API, or behind the ledger's back by PortalRefund
//	listed   what PortOne's list says of a refund, which a test may alter (EditList)
//	truth    every request that came and every refund that was made; nothing alters it
//	fault    what happens to some requests in place of the right answer
//	quirk    a way in which right answers are strange
//	script   faults and quirks, as text
//
// # What becomes of a request
//
//	came ──▶ written down ──▶ Delay ──▶ fault? ─no─▶ carried out ──▶ answered
//	                                      │ -before ─▶ (not carried out) ──▶ broken
//	                                      └ -after ──▶ carried out ────────▶ broken
//
// A token is judged by the moment at which its request came. Once a request has come,
// its sender's giving up does not stop it: after Delay, or a slow-before, it is carried
// out all the same. "After" means carried out as without the fault: what PortOne
// would have refused makes nothing. Before an answer's first byte goes out, the
// truth has the request's outcome.
//
//	refund:  made ──lag──▶ listed        SUCCESS, or IN_QUEUE ──SetStatus──▶ SUCCESS | FAILED
//
// A refund counts against what can be refunded from the moment it is made, and in
// amountToRefund from the moment it is listed. A FAILED one counts nowhere.
//
// # Scripts
//
// A script is clauses, each on its own line or behind a comma. Words are separated by
// spaces. A clause is a fault or a quirk:
//
//	fault    = route [share] [order=REF] [nth=N | nth=N..M | nth=N..] action {option}
//	route    = post | get | status | details | payments
//	action   = STATUS | html | empty | odd | expired | timeout | drop | reset | slow | cut | cut-chunked | cut-close,
//	           on post with -before or -after the refund is made
//	quirk    = name [share] [order=REF] | lag [share] [order=REF] DURATION | channel-quirk CHANNEL
//	share    = 10% | 0.25%
//
// On post, -before goes without saying for expired and a status of 300 to 499, -after
// for the cuts (there it is the only one); elsewhere it must be said. REF of status is
// the merchant's, payments has none. nth counts the requests of that route to that order, from 1.
//
//	STATUS   an answer of that status, 200 to 599. Options code=, reason= (of PortOne's error),
//	         type= (Content-Type), body="…" (as Go quotes), retry-after=VALUE (any text, or
//	         date+30s, date-1h: the HTTP date at that distance). Without a body: of 2xx the
//	         order's list, of others an error of PortOne's; 3xx redirect to the path itself.
//	html, empty, odd   200 with a page, with nothing, with JSON of another shape
//	expired  401, as for an expired token
//	timeout  no answer until the sender is gone, or MaxHang or for= is over; then the connection is closed
//	drop     the connection is closed without a byte; reset: it is broken (RST; ECONNRESET in process)
//	slow     the right answer, for= later; before: it is also carried out later
//	cut      carried out; the answer ends after at= bytes of the body (default: half), against its
//	         Content-Length; cut-chunked: without the last chunk; cut-close: no length at all, as HTTP/1.0
//
//	lag DURATION       listed that much later, also for the POST's own answer
//	empty-ids, empty-psp-ids, lower-currency, offset-dates (+05:30), extra-fields, in-queue: of refunds
//	shuffle (the list), status-message (errors say it in place of status_reason): of answers
//	no-echo, no-partial, no-second, no-refund CHANNEL
//
// Faults without a share come first, the first that fits wins. The shares of the others
// are parts of all requests that fit: `post 10% 429, post 2% drop-before` breaks 12 %. Without a
// share a quirk always strikes. What is drawn depends on the seed, the order, the route and
// the request's number there (for quirks of refunds: the refund's number in its order) alone,
// so the same seed gives the same faults whatever runs beside it.
//
// Note that net/http itself repeats a GET, not a POST, whose kept-alive connection was
// dropped or reset: the truth counts both.
//
// # By hand
//
// Paths that PortOne does not have, for curl and for tests in other processes:
//
//	GET  /_sim/truth[?order=REF]   Truth as JSON       GET /_sim/stats   Stats as JSON
//	POST /_sim/orders    CSV as for LoadOrders         GET, POST /_sim/script   the script
//	POST /_sim/portal    {"order_ref": "…", "amount": 12.34, "reason": "…"}
//	POST /_sim/status    {"order_ref": "…", "seq": 1, "status": "FAILED"}
//
// Nothing guards them, so Start takes addresses of this machine alone.
//
// # Promises
//
// No order gives more than it has. Each request and each refund is in the truth once.
// Amounts are exact: integers of minor units inside, the digits of major units
// outside. Close waits for every goroutine. A crash leaves nothing: all is in memory.
//
// # What it does not know
//
// This is our reading of PortOne's guide, spec and webhook pages; nothing here was
// compared with the live service. Not documented, and so invented here: what a full
// refund after a partial one takes (what is left); the answer to more than is left
// (CodeTooMuch); the order of checks; that empty fields count as missing; names of
// some reasons; channel keys of the channels that the guide names by brand; that FAILED
// exists and gives the money back; that a token is judged on arrival; which end of
// fetch-all-payments counts; every form of 429; all lags and delays. It has no rate limit of its
// own, no webhooks, no 6-hour tokens, no PSP limits (number of refunds, age of the payment,
// length of the reason), and no second environment: its key belongs to one.
package portonetest
