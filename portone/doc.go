// Package portone speaks with PortOne Global (api.portone.cloud): it makes refunds,
// lists them, and looks orders up. It knows the API as it is, and nothing of files,
// ledgers or policies.
//
// # Words
//
// A refund is asked for by one POST, which is prepared, then sent at most once. What
// comes back is an answer, and its class is what it proves. A listed refund is one
// element of PortOne's list of an order. The pace is the rate that all calls of a Client
// share.
//
// # What becomes of a POST
//
// PortOne has no idempotency key, so a POST whose fate is not known may have made a
// refund. Every answer falls into one class, by a list of what is known to prove
// something:
//
//	Prepare ──▶ Send ─┬─ no byte of it was written ─────────────────────▶ NotSent
//	                  ├─ 200, whole, a valid list ──────────────────────▶ Listed
//	                  ├─ 400…422 but 408, PortOne's body, a listed code ▶ Refused
//	                  ├─ 429, whole ────────────────────────────────────▶ Limited
//	                  └─ everything else ───────────────────────────────▶ Unknown
//
// Refused with Stop means that the key, secret, role or environment is wrong.
//
// # Promises
//
//   - The bytes of one POST go to one connection, once. HTTP/1.1 only, no redirect is
//     followed, no proxy is used, nothing lets net/http repeat it, and were it to try,
//     the second connection is sealed before the first byte (see errand).
//   - NotSent is said only when the bytes were counted and there were none. Bytes of a
//     TLS handshake are not the request's.
//   - A request leaves only while more than Timeout is left of its token's life, and is
//     given up after Timeout. What PortOne's clock does with the token is up to PortOne.
//   - An ended context cuts the wait for the pace. A POST that was begun is finished.
//   - A list is whole and valid, or unreadable. Amounts are exact, or the list is
//     unreadable. A missing or null list is not an empty one.
//   - In no second are more than Rate + Burst calls sent, retries included. A caller who
//     gives up waiting takes nothing from the rate. Three answers of 429 within a second hold
//     all calls, one holds back only its own.
//   - A reference reaches a path only in one strict form, and a secret or token reaches
//     no log, error or printed value.
//
// Reads (the GETs, and the POSTs that change nothing) are tried up to five times, with
// growing waits or those of Retry-After, which is heeded up to a minute at a time.
//
// # What a crash leaves
//
// Nothing: this package keeps nothing. Between Send's first byte and its return the
// outcome is unknown, so whoever calls Send writes down beforehand that it will.
//
// # What it does not do
//
// It does not decide whether a refund may be sent again, nor find ours in a list. It does
// not compress, cache, or share its pace with another process. It knows no proxy: where
// only a proxy leads out, every call is NotSent or ErrUnavailable.
package portone
