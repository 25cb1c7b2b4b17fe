-- +goose Up
-- Amounts are whole minor units beside an ISO 4217 currency. Times are TEXT of
-- one width, RFC 3339 in UTC with microseconds, so that they sort. STRICT keeps
-- a fraction out of an INTEGER.

-- The one environment and client key that this ledger is for.
CREATE TABLE binding (
    one               INTEGER PRIMARY KEY CHECK (one = 1),
    environment       TEXT NOT NULL CHECK (environment IN ('sandbox', 'live')),
    client_key_sha256 TEXT NOT NULL CHECK (length(client_key_sha256) = 64),
    client_key_end    TEXT NOT NULL CHECK (length(client_key_end) <= 4),
    bound_at          TEXT NOT NULL CHECK (length(bound_at) = 27)
) STRICT;

CREATE TABLE orders (
    order_ref            TEXT PRIMARY KEY CHECK (order_ref <> ''),
    merchant_order_ref   TEXT NOT NULL,
    amount_minor         INTEGER NOT NULL CHECK (amount_minor BETWEEN 0 AND 9007199254740992),
    currency             TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    channel              TEXT NOT NULL,
    refund_allowed       INTEGER CHECK (refund_allowed IN (0, 1)),
    multi_refund_allowed INTEGER CHECK (multi_refund_allowed IN (0, 1)),
    -- PortOne itself told the amount and currency; else an import did.
    confirmed            INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
    paid_at              TEXT CHECK (length(paid_at) = 27),
    -- Raised by everything that changes what the order's next step rests on.
    version              INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    UNIQUE (order_ref, currency)
) STRICT;
CREATE INDEX orders_merchant ON orders (merchant_order_ref) WHERE merchant_order_ref <> '';
CREATE INDEX orders_paid ON orders (paid_at);

CREATE TABLE batches (
    id          TEXT PRIMARY KEY CHECK (length(id) = 64),
    file_name   TEXT NOT NULL,
    received_at TEXT NOT NULL CHECK (length(received_at) = 27)
) STRICT;

-- What finance ordered, by the latest file that may still be sent for it.
CREATE TABLE instructions (
    marker             TEXT PRIMARY KEY CHECK (length(marker) = 20),
    key                TEXT NOT NULL UNIQUE CHECK (key <> ''),
    instruction_id     TEXT NOT NULL,
    order_ref          TEXT NOT NULL CHECK (order_ref <> ''),
    merchant_order_ref TEXT NOT NULL,
    amount_minor       INTEGER NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency           TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    reason             TEXT NOT NULL,
    description        TEXT NOT NULL,
    channel            TEXT NOT NULL,
    refund_type        TEXT NOT NULL CHECK (refund_type IN ('partial', 'full')),
    revision           INTEGER NOT NULL CHECK (revision >= 1),
    batch_id           TEXT NOT NULL,
    batch_n            INTEGER NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('planned', 'sending', 'unknown', 'quarantined', 'held',
                           'issued', 'pending', 'refused', 'failed', 'cancelled')),
    reason_code        TEXT NOT NULL DEFAULT '',
    message            TEXT NOT NULL DEFAULT '',
    settled_at         TEXT CHECK (length(settled_at) = 27),
    UNIQUE (batch_id, batch_n),
    FOREIGN KEY (batch_id, batch_n) REFERENCES batch_rows (batch_id, n) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX instructions_order ON instructions (order_ref);

-- Every row of every file: owned, with the revision that it made of its
-- instruction, or skipped, with the place that has it.
CREATE TABLE batch_rows (
    batch_id     TEXT NOT NULL REFERENCES batches,
    n            INTEGER NOT NULL CHECK (n >= 1),
    line         INTEGER NOT NULL CHECK (line >= 1),
    cells        TEXT NOT NULL CHECK (json_valid(cells)),
    marker       TEXT NOT NULL REFERENCES instructions,
    order_ref    TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency     TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    revision     INTEGER CHECK (revision >= 1),
    place_batch  TEXT,
    place_n      INTEGER,
    -- How an owned row stood when a later file's row took its instruction over.
    closed_state   TEXT CHECK (closed_state IN ('refused', 'failed')),
    closed_code    TEXT,
    closed_message TEXT,
    closed_at      TEXT CHECK (length(closed_at) = 27),
    PRIMARY KEY (batch_id, n),
    UNIQUE (marker, revision),
    FOREIGN KEY (place_batch, place_n) REFERENCES batch_rows (batch_id, n),
    CHECK ((revision IS NULL) = (place_batch IS NOT NULL AND place_n IS NOT NULL)),
    CHECK (revision IS NOT NULL OR closed_state IS NULL)
) STRICT;

-- Each intended POST, durable before its first byte.
CREATE TABLE attempts (
    id                 TEXT PRIMARY KEY CHECK (id <> ''),
    n                  INTEGER NOT NULL CHECK (n >= 1),
    marker             TEXT NOT NULL REFERENCES instructions,
    revision           INTEGER NOT NULL CHECK (revision >= 1),
    order_ref          TEXT NOT NULL,
    amount_minor       INTEGER NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency           TEXT NOT NULL,
    channel            TEXT NOT NULL,
    body               BLOB NOT NULL CHECK (length(body) > 0),
    body_sha256        TEXT NOT NULL,
    token_sha256       TEXT NOT NULL,
    token_expires      TEXT NOT NULL CHECK (length(token_expires) = 27),
    baseline_remaining INTEGER NOT NULL,
    baseline_refunds   TEXT NOT NULL CHECK (json_valid(baseline_refunds)),
    baseline_raw       BLOB NOT NULL,
    bounds             TEXT NOT NULL CHECK (json_valid(bounds)),
    started_at         TEXT NOT NULL CHECK (length(started_at) = 27),
    next_look          TEXT CHECK (length(next_look) = 27),
    state              TEXT NOT NULL CHECK (state IN ('sending', 'unknown', 'quarantined',
                           'made', 'refused', 'not_sent', 'absent')),
    limited            INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)),
    answered_at        TEXT CHECK (length(answered_at) = 27),
    http_status        INTEGER NOT NULL DEFAULT 0,
    code               TEXT NOT NULL DEFAULT '',
    message            TEXT NOT NULL DEFAULT '',
    answer_raw         BLOB,
    UNIQUE (marker, n),
    FOREIGN KEY (order_ref, currency) REFERENCES orders (order_ref, currency),
    CHECK (amount_minor <= baseline_remaining),
    CHECK ((next_look IS NOT NULL) = (state IN ('sending', 'unknown', 'quarantined')))
) STRICT;
-- The slot: one open attempt per order, whoever comes.
CREATE UNIQUE INDEX attempts_slot ON attempts (order_ref) WHERE state IN ('sending', 'unknown', 'quarantined');
CREATE INDEX attempts_due ON attempts (next_look) WHERE state IN ('sending', 'unknown', 'quarantined');

-- Booked refunds: issued here, or imported. marker binds one to its instruction.
CREATE TABLE refunds (
    id             INTEGER PRIMARY KEY,
    order_ref      TEXT NOT NULL REFERENCES orders,
    identity       TEXT NOT NULL CHECK (identity <> ''),
    marker         TEXT UNIQUE REFERENCES instructions,
    source         TEXT NOT NULL CHECK (source IN ('issue', 'import')),
    refund_id      TEXT NOT NULL,
    psp_refund_id  TEXT NOT NULL,
    amount_minor   INTEGER NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency       TEXT NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    status         TEXT NOT NULL CHECK (status IN ('success', 'pending', 'failed')),
    portone_status TEXT NOT NULL,
    reason         TEXT NOT NULL,
    refunded_at    TEXT CHECK (length(refunded_at) = 27),
    told_at        TEXT NOT NULL CHECK (length(told_at) = 27),
    UNIQUE (order_ref, identity),
    CHECK (source = 'import' OR marker IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX refunds_psp ON refunds (order_ref, psp_refund_id) WHERE psp_refund_id <> '';
CREATE INDEX refunds_pending ON refunds (told_at) WHERE status = 'pending';

-- Channels that gave our marker back in a refund's reason.
CREATE TABLE channels (
    channel   TEXT PRIMARY KEY,
    echoed_at TEXT NOT NULL CHECK (length(echoed_at) = 27)
) STRICT;

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT NOT NULL CHECK (length(at) = 27),
    kind       TEXT NOT NULL CHECK (kind <> ''),
    order_ref  TEXT NOT NULL DEFAULT '',
    marker     TEXT NOT NULL DEFAULT '',
    attempt_id TEXT NOT NULL DEFAULT '',
    data       TEXT NOT NULL CHECK (json_valid(data))
) STRICT;
CREATE INDEX events_order ON events (order_ref, id) WHERE order_ref <> '';

-- What reconciliation reads. A merchant may put tables of their own behind these.
CREATE VIEW ledger_orders AS
SELECT order_ref, merchant_order_ref, amount_minor, currency, channel, paid_at FROM orders;

CREATE VIEW ledger_refunds AS
SELECT r.order_ref, r.amount_minor, r.currency, r.status, r.refund_id, r.psp_refund_id, r.reason, r.refunded_at,
       coalesce(r.marker, '') AS marker, coalesce(i.instruction_id, '') AS instruction_id
FROM refunds r LEFT JOIN instructions i ON i.marker = r.marker;

-- History is only added.
-- +goose StatementBegin
CREATE TRIGGER events_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are only added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are only added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER binding_update BEFORE UPDATE ON binding BEGIN SELECT RAISE(ABORT, 'binding is written once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER binding_delete BEFORE DELETE ON binding BEGIN SELECT RAISE(ABORT, 'binding is never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER orders_delete BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'orders are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batches_update BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'batches are written once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batches_delete BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'batches are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batch_rows_delete BEFORE DELETE ON batch_rows BEGIN SELECT RAISE(ABORT, 'batch_rows are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER instructions_delete BEFORE DELETE ON instructions BEGIN SELECT RAISE(ABORT, 'instructions are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER attempts_delete BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'attempts are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER refunds_delete BEFORE DELETE ON refunds BEGIN SELECT RAISE(ABORT, 'refunds are never deleted'); END;
-- +goose StatementEnd
-- What was to be sent, and on what it was decided, stays as T1 wrote it.
-- +goose StatementBegin
CREATE TRIGGER attempts_facts BEFORE UPDATE OF id, n, marker, revision, order_ref, amount_minor, currency, channel, body,
    body_sha256, token_sha256, token_expires, baseline_remaining, baseline_refunds, baseline_raw, bounds, started_at
ON attempts BEGIN SELECT RAISE(ABORT, 'what an attempt sends is written once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER refunds_facts BEFORE UPDATE OF order_ref, source, amount_minor, currency
ON refunds BEGIN SELECT RAISE(ABORT, 'what a refund is worth is written once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER refunds_bound BEFORE UPDATE OF marker ON refunds
WHEN OLD.marker IS NOT NULL AND NEW.marker IS NOT OLD.marker
BEGIN SELECT RAISE(ABORT, 'a refund proves one instruction'); END;
-- +goose StatementEnd
