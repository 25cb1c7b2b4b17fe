-- +goose Up
-- Amounts are whole minor units beside an ISO 4217 currency. Times are
-- timestamptz, which holds microseconds. References sort by their bytes, as in SQLite.

-- The one environment and client key that this ledger is for.
CREATE TABLE binding (
    one               integer PRIMARY KEY CHECK (one = 1),
    environment       text NOT NULL CHECK (environment IN ('sandbox', 'live')),
    client_key_sha256 text NOT NULL CHECK (length(client_key_sha256) = 64),
    client_key_end    text NOT NULL CHECK (length(client_key_end) <= 4),
    bound_at          timestamptz NOT NULL
);

CREATE TABLE orders (
    order_ref            text COLLATE "C" PRIMARY KEY CHECK (order_ref <> ''),
    merchant_order_ref   text NOT NULL,
    amount_minor         bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND 9007199254740992),
    currency             text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    channel              text NOT NULL,
    refund_allowed       boolean,
    multi_refund_allowed boolean,
    -- PortOne itself told the amount and currency; else an import did.
    confirmed            boolean NOT NULL DEFAULT false,
    paid_at              timestamptz,
    -- Raised by everything that changes what the order's next step rests on.
    version              bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    UNIQUE (order_ref, currency)
);
CREATE INDEX orders_merchant ON orders (merchant_order_ref) WHERE merchant_order_ref <> '';
CREATE INDEX orders_paid ON orders (paid_at);

CREATE TABLE batches (
    id          text PRIMARY KEY CHECK (length(id) = 64),
    file_name   text NOT NULL,
    received_at timestamptz NOT NULL
);

-- What finance ordered, by the latest file that may still be sent for it.
CREATE TABLE instructions (
    marker             text PRIMARY KEY CHECK (length(marker) = 20),
    key                text NOT NULL UNIQUE CHECK (key <> ''),
    instruction_id     text NOT NULL,
    order_ref          text COLLATE "C" NOT NULL CHECK (order_ref <> ''),
    merchant_order_ref text NOT NULL,
    amount_minor       bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reason             text NOT NULL,
    description        text NOT NULL,
    channel            text NOT NULL,
    refund_type        text NOT NULL CHECK (refund_type IN ('partial', 'full')),
    revision           bigint NOT NULL CHECK (revision >= 1),
    batch_id           text NOT NULL,
    batch_n            bigint NOT NULL,
    state              text NOT NULL CHECK (state IN ('planned', 'sending', 'unknown', 'quarantined', 'held',
                           'issued', 'pending', 'refused', 'failed', 'cancelled')),
    reason_code        text NOT NULL DEFAULT '',
    message            text NOT NULL DEFAULT '',
    settled_at         timestamptz,
    UNIQUE (batch_id, batch_n)
);
CREATE INDEX instructions_order ON instructions (order_ref);

-- Every row of every file: owned, with the revision that it made of its
-- instruction, or skipped, with the place that has it.
CREATE TABLE batch_rows (
    batch_id     text NOT NULL REFERENCES batches,
    n            bigint NOT NULL CHECK (n >= 1),
    line         bigint NOT NULL CHECK (line >= 1),
    cells        json NOT NULL,
    marker       text NOT NULL REFERENCES instructions,
    order_ref    text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    revision     bigint CHECK (revision >= 1),
    place_batch  text,
    place_n      bigint,
    -- How an owned row stood when a later file's row took its instruction over.
    closed_state   text CHECK (closed_state IN ('refused', 'failed')),
    closed_code    text,
    closed_message text,
    closed_at      timestamptz,
    PRIMARY KEY (batch_id, n),
    UNIQUE (marker, revision),
    FOREIGN KEY (place_batch, place_n) REFERENCES batch_rows (batch_id, n),
    CHECK ((revision IS NULL) = (place_batch IS NOT NULL AND place_n IS NOT NULL)),
    CHECK (revision IS NOT NULL OR closed_state IS NULL)
);
ALTER TABLE instructions ADD FOREIGN KEY (batch_id, batch_n)
    REFERENCES batch_rows (batch_id, n) DEFERRABLE INITIALLY DEFERRED;

-- Each intended POST, durable before its first byte.
CREATE TABLE attempts (
    id                 text PRIMARY KEY CHECK (id <> ''),
    n                  bigint NOT NULL CHECK (n >= 1),
    marker             text NOT NULL REFERENCES instructions,
    revision           bigint NOT NULL CHECK (revision >= 1),
    order_ref          text COLLATE "C" NOT NULL,
    amount_minor       bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency           text NOT NULL,
    channel            text NOT NULL,
    body               bytea NOT NULL CHECK (length(body) > 0),
    body_sha256        text NOT NULL,
    token_sha256       text NOT NULL,
    token_expires      timestamptz NOT NULL,
    baseline_remaining bigint NOT NULL,
    baseline_refunds   json NOT NULL,
    baseline_raw       bytea NOT NULL,
    bounds             json NOT NULL,
    started_at         timestamptz NOT NULL,
    next_look          timestamptz,
    state              text NOT NULL CHECK (state IN ('sending', 'unknown', 'quarantined',
                           'made', 'refused', 'not_sent', 'absent')),
    limited            boolean NOT NULL DEFAULT false,
    answered_at        timestamptz,
    http_status        bigint NOT NULL DEFAULT 0,
    code               text NOT NULL DEFAULT '',
    message            text NOT NULL DEFAULT '',
    answer_raw         bytea,
    UNIQUE (marker, n),
    FOREIGN KEY (order_ref, currency) REFERENCES orders (order_ref, currency),
    CHECK (amount_minor <= baseline_remaining),
    CHECK ((next_look IS NOT NULL) = (state IN ('sending', 'unknown', 'quarantined')))
);
-- The slot: one open attempt per order, whoever comes.
CREATE UNIQUE INDEX attempts_slot ON attempts (order_ref) WHERE state IN ('sending', 'unknown', 'quarantined');
CREATE INDEX attempts_due ON attempts (next_look) WHERE state IN ('sending', 'unknown', 'quarantined');

-- Booked refunds: issued here, or imported. marker binds one to its instruction.
CREATE TABLE refunds (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_ref      text COLLATE "C" NOT NULL REFERENCES orders,
    identity       text NOT NULL CHECK (identity <> ''),
    marker         text UNIQUE REFERENCES instructions,
    source         text NOT NULL CHECK (source IN ('issue', 'import')),
    refund_id      text NOT NULL,
    psp_refund_id  text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740992),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status         text NOT NULL CHECK (status IN ('success', 'pending', 'failed')),
    portone_status text NOT NULL,
    reason         text NOT NULL,
    refunded_at    timestamptz,
    told_at        timestamptz NOT NULL,
    UNIQUE (order_ref, identity),
    CHECK (source = 'import' OR marker IS NOT NULL)
);
CREATE UNIQUE INDEX refunds_psp ON refunds (order_ref, psp_refund_id) WHERE psp_refund_id <> '';
CREATE INDEX refunds_pending ON refunds (told_at) WHERE status = 'pending';

-- Channels that gave our marker back in a refund's reason.
CREATE TABLE channels (
    channel   text PRIMARY KEY,
    echoed_at timestamptz NOT NULL
);

CREATE TABLE events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL CHECK (kind <> ''),
    order_ref  text COLLATE "C" NOT NULL DEFAULT '',
    marker     text NOT NULL DEFAULT '',
    attempt_id text NOT NULL DEFAULT '',
    data       json NOT NULL
);
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
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % is refused: %', TG_TABLE_NAME, TG_OP, TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_change BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION ledger_refuse('events are only added');
CREATE TRIGGER binding_change BEFORE UPDATE OR DELETE ON binding FOR EACH ROW EXECUTE FUNCTION ledger_refuse('binding is written once');
CREATE TRIGGER orders_delete BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION ledger_refuse('orders are never deleted');
CREATE TRIGGER batches_change BEFORE UPDATE OR DELETE ON batches FOR EACH ROW EXECUTE FUNCTION ledger_refuse('batches are written once');
CREATE TRIGGER batch_rows_delete BEFORE DELETE ON batch_rows FOR EACH ROW EXECUTE FUNCTION ledger_refuse('batch_rows are never deleted');
CREATE TRIGGER instructions_delete BEFORE DELETE ON instructions FOR EACH ROW EXECUTE FUNCTION ledger_refuse('instructions are never deleted');
CREATE TRIGGER attempts_delete BEFORE DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION ledger_refuse('attempts are never deleted');
CREATE TRIGGER refunds_delete BEFORE DELETE ON refunds FOR EACH ROW EXECUTE FUNCTION ledger_refuse('refunds are never deleted');
-- What was to be sent, and on what it was decided, stays as T1 wrote it.
CREATE TRIGGER attempts_facts BEFORE UPDATE OF id, n, marker, revision, order_ref, amount_minor, currency, channel, body,
    body_sha256, token_sha256, token_expires, baseline_remaining, baseline_refunds, baseline_raw, bounds, started_at
ON attempts FOR EACH ROW EXECUTE FUNCTION ledger_refuse('what an attempt sends is written once');
CREATE TRIGGER refunds_facts BEFORE UPDATE OF order_ref, source, amount_minor, currency
ON refunds FOR EACH ROW EXECUTE FUNCTION ledger_refuse('what a refund is worth is written once');
CREATE TRIGGER refunds_bound BEFORE UPDATE OF marker ON refunds
FOR EACH ROW WHEN (OLD.marker IS NOT NULL AND NEW.marker IS DISTINCT FROM OLD.marker)
EXECUTE FUNCTION ledger_refuse('a refund proves one instruction');
CREATE TRIGGER binding_truncate BEFORE TRUNCATE ON binding EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER orders_truncate BEFORE TRUNCATE ON orders EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER batches_truncate BEFORE TRUNCATE ON batches EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER instructions_truncate BEFORE TRUNCATE ON instructions EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER batch_rows_truncate BEFORE TRUNCATE ON batch_rows EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER attempts_truncate BEFORE TRUNCATE ON attempts EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER refunds_truncate BEFORE TRUNCATE ON refunds EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER channels_truncate BEFORE TRUNCATE ON channels EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER events_truncate BEFORE TRUNCATE ON events EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
