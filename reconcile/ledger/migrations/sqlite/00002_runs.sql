-- +goose Up
-- A run of the reconciliation. Without a verdict it was killed, or is under way.
CREATE TABLE runs (
    id          TEXT PRIMARY KEY CHECK (id <> ''),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'live')),
    window_kind TEXT NOT NULL CHECK (window_kind IN ('activity', 'orders', 'all')),
    window_from TEXT NOT NULL,
    window_to   TEXT NOT NULL,
    zone        TEXT NOT NULL,
    started_at  TEXT NOT NULL CHECK (length(started_at) = 27),
    finished_at TEXT CHECK (length(finished_at) = 27),
    verdict     TEXT CHECK (verdict IN ('clean', 'discrepancies', 'incomplete')),
    result      TEXT NOT NULL CHECK (json_valid(result)),
    CHECK ((finished_at IS NULL) = (verdict IS NULL))
) STRICT;
CREATE INDEX runs_started ON runs (started_at);

-- The orders of each run's window: unchecked until their list is read.
CREATE TABLE run_orders (
    run_id             TEXT NOT NULL REFERENCES runs,
    order_ref          TEXT NOT NULL CHECK (order_ref <> ''),
    merchant_order_ref TEXT NOT NULL DEFAULT '',
    verdict            TEXT NOT NULL CHECK (verdict IN ('clean', 'discrepancies', 'unchecked')),
    found              INTEGER NOT NULL DEFAULT 0 CHECK (found >= 0),
    reason             TEXT NOT NULL DEFAULT '',
    currency           TEXT NOT NULL DEFAULT '',
    amount_minor       INTEGER NOT NULL DEFAULT 0,
    ledger_minor       INTEGER NOT NULL DEFAULT 0,
    portone_minor      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, order_ref),
    CHECK ((verdict = 'discrepancies') = (found > 0)),
    CHECK ((verdict = 'unchecked') = (reason <> ''))
) STRICT, WITHOUT ROWID;
CREATE INDEX run_orders_unchecked ON run_orders (order_ref, run_id) WHERE verdict = 'unchecked';
CREATE INDEX run_orders_order ON run_orders (order_ref, run_id) WHERE verdict <> 'unchecked';
CREATE INDEX run_orders_waiting ON run_orders (order_ref, run_id) WHERE verdict = 'clean' AND ledger_minor <> portone_minor;

-- Each discrepancy as it was last told; its id is the same from night to night.
CREATE TABLE discrepancies (
    id          TEXT PRIMARY KEY CHECK (id <> ''),
    kind        TEXT NOT NULL,
    order_ref   TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    first_seen  TEXT NOT NULL CHECK (length(first_seen) = 27),
    last_run    TEXT NOT NULL REFERENCES runs,
    read_at     TEXT NOT NULL CHECK (length(read_at) = 27), -- when the list that told it last was read
    resolved_at TEXT CHECK (length(resolved_at) = 27),
    detail      TEXT NOT NULL CHECK (json_valid(detail)),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
) STRICT;
CREATE INDEX discrepancies_open ON discrepancies (order_ref) WHERE state = 'open';

-- Each as one run told it: what its report says, for good.
CREATE TABLE run_discrepancies (
    run_id         TEXT NOT NULL REFERENCES runs,
    discrepancy_id TEXT NOT NULL REFERENCES discrepancies,
    kind           TEXT NOT NULL,
    order_ref      TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    carried        INTEGER NOT NULL CHECK (carried IN (0, 1)),
    first_seen     TEXT NOT NULL CHECK (length(first_seen) = 27),
    detail         TEXT NOT NULL CHECK (json_valid(detail)),
    PRIMARY KEY (run_id, kind, order_ref, discrepancy_id)
) STRICT, WITHOUT ROWID;

-- The refunds of PortOne's lists as the reads showed them, whoever made them.
CREATE TABLE listed_refunds (
    order_ref     TEXT NOT NULL CHECK (order_ref <> ''),
    identity      TEXT NOT NULL CHECK (identity <> ''),
    refund_id     TEXT NOT NULL,
    psp_refund_id TEXT NOT NULL,
    marker        TEXT NOT NULL,
    amount_minor  INTEGER NOT NULL,
    currency      TEXT NOT NULL,
    status        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    refund_date   TEXT CHECK (length(refund_date) = 27),
    first_seen    TEXT NOT NULL CHECK (length(first_seen) = 27),
    last_seen     TEXT NOT NULL CHECK (length(last_seen) = 27),
    succeeded_at  TEXT CHECK (length(succeeded_at) = 27),
    PRIMARY KEY (order_ref, identity)
) STRICT, WITHOUT ROWID;

-- One row is one business date's nightly run, whoever runs it.
CREATE TABLE nights (
    business_date TEXT PRIMARY KEY CHECK (length(business_date) = 10),
    owner         TEXT NOT NULL,
    claimed_at    TEXT NOT NULL CHECK (length(claimed_at) = 27),
    beat_at       TEXT CHECK (length(beat_at) = 27),
    run_id        TEXT REFERENCES runs,
    finished_at   TEXT CHECK (length(finished_at) = 27),
    CHECK ((finished_at IS NULL) = (run_id IS NULL))
) STRICT;

-- What a window asks for.
CREATE INDEX attempts_started ON attempts (started_at);
CREATE INDEX instructions_unsettled ON instructions (order_ref) WHERE state IN ('sending', 'unknown', 'quarantined');
CREATE INDEX refunds_refunded ON refunds (refunded_at);

-- What a run said is never said otherwise.
-- +goose StatementBegin
CREATE TRIGGER runs_delete BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'runs are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER runs_finished BEFORE UPDATE ON runs
WHEN OLD.finished_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished run is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_orders_delete BEFORE DELETE ON run_orders
BEGIN SELECT RAISE(ABORT, 'run_orders are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_orders_finished BEFORE UPDATE ON run_orders
WHEN (SELECT finished_at FROM runs WHERE id = OLD.run_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished run is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER discrepancies_delete BEFORE DELETE ON discrepancies
BEGIN SELECT RAISE(ABORT, 'discrepancies are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_discrepancies_update BEFORE UPDATE ON run_discrepancies
BEGIN SELECT RAISE(ABORT, 'run_discrepancies are only added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_discrepancies_delete BEFORE DELETE ON run_discrepancies
BEGIN SELECT RAISE(ABORT, 'run_discrepancies are only added'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_discrepancies_finished BEFORE INSERT ON run_discrepancies
WHEN (SELECT finished_at FROM runs WHERE id = NEW.run_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished run is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER listed_refunds_delete BEFORE DELETE ON listed_refunds
BEGIN SELECT RAISE(ABORT, 'listed_refunds are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER nights_finished BEFORE UPDATE ON nights
WHEN OLD.finished_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished night is never changed'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER nights_delete BEFORE DELETE ON nights
BEGIN SELECT RAISE(ABORT, 'nights are never deleted'); END;
-- +goose StatementEnd
