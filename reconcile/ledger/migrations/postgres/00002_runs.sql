-- +goose Up
-- A run of the reconciliation. Without a verdict it was killed, or is under way.
CREATE TABLE runs (
    id          text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    environment text NOT NULL CHECK (environment IN ('sandbox', 'live')),
    window_kind text NOT NULL CHECK (window_kind IN ('activity', 'orders', 'all')),
    window_from text NOT NULL,
    window_to   text NOT NULL,
    zone        text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    verdict     text CHECK (verdict IN ('clean', 'discrepancies', 'incomplete')),
    result      json NOT NULL,
    CHECK ((finished_at IS NULL) = (verdict IS NULL))
);
CREATE INDEX runs_started ON runs (started_at);

-- The orders of each run's window: unchecked until their list is read.
CREATE TABLE run_orders (
    run_id             text COLLATE "C" NOT NULL REFERENCES runs,
    order_ref          text COLLATE "C" NOT NULL CHECK (order_ref <> ''),
    merchant_order_ref text NOT NULL DEFAULT '',
    verdict            text NOT NULL CHECK (verdict IN ('clean', 'discrepancies', 'unchecked')),
    found              bigint NOT NULL DEFAULT 0 CHECK (found >= 0),
    reason             text NOT NULL DEFAULT '',
    currency           text NOT NULL DEFAULT '',
    amount_minor       bigint NOT NULL DEFAULT 0,
    ledger_minor       bigint NOT NULL DEFAULT 0,
    portone_minor      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, order_ref),
    CHECK ((verdict = 'discrepancies') = (found > 0)),
    CHECK ((verdict = 'unchecked') = (reason <> ''))
);
CREATE INDEX run_orders_unchecked ON run_orders (order_ref, run_id) WHERE verdict = 'unchecked';
CREATE INDEX run_orders_order ON run_orders (order_ref, run_id) WHERE verdict <> 'unchecked';
CREATE INDEX run_orders_waiting ON run_orders (order_ref, run_id) WHERE verdict = 'clean' AND ledger_minor <> portone_minor;

-- Each discrepancy as it was last told; its id is the same from night to night.
CREATE TABLE discrepancies (
    id          text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    kind        text NOT NULL,
    order_ref   text COLLATE "C" NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'resolved')),
    first_seen  timestamptz NOT NULL,
    last_run    text COLLATE "C" NOT NULL REFERENCES runs,
    read_at     timestamptz NOT NULL, -- when the list that told it last was read
    resolved_at timestamptz,
    detail      json NOT NULL,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);
CREATE INDEX discrepancies_open ON discrepancies (order_ref) WHERE state = 'open';

-- Each as one run told it: what its report says, for good.
CREATE TABLE run_discrepancies (
    run_id         text COLLATE "C" NOT NULL REFERENCES runs,
    discrepancy_id text COLLATE "C" NOT NULL REFERENCES discrepancies,
    kind           text COLLATE "C" NOT NULL,
    order_ref      text COLLATE "C" NOT NULL,
    state          text NOT NULL CHECK (state IN ('open', 'resolved')),
    carried        bigint NOT NULL CHECK (carried IN (0, 1)),
    first_seen     timestamptz NOT NULL,
    detail         json NOT NULL,
    PRIMARY KEY (run_id, kind, order_ref, discrepancy_id)
);

-- The refunds of PortOne's lists as the reads showed them, whoever made them.
CREATE TABLE listed_refunds (
    order_ref     text COLLATE "C" NOT NULL CHECK (order_ref <> ''),
    identity      text COLLATE "C" NOT NULL CHECK (identity <> ''),
    refund_id     text NOT NULL,
    psp_refund_id text NOT NULL,
    marker        text NOT NULL,
    amount_minor  bigint NOT NULL,
    currency      text NOT NULL,
    status        text NOT NULL,
    reason        text NOT NULL,
    refund_date   timestamptz,
    first_seen    timestamptz NOT NULL,
    last_seen     timestamptz NOT NULL,
    succeeded_at  timestamptz,
    PRIMARY KEY (order_ref, identity)
);

-- One row is one business date's nightly run, whoever runs it.
CREATE TABLE nights (
    business_date text COLLATE "C" PRIMARY KEY CHECK (length(business_date) = 10),
    owner         text NOT NULL,
    claimed_at    timestamptz NOT NULL,
    beat_at       timestamptz,
    run_id        text COLLATE "C" REFERENCES runs,
    finished_at   timestamptz,
    CHECK ((finished_at IS NULL) = (run_id IS NULL))
);

-- What a window asks for.
CREATE INDEX attempts_started ON attempts (started_at);
CREATE INDEX instructions_unsettled ON instructions (order_ref) WHERE state IN ('sending', 'unknown', 'quarantined');
CREATE INDEX refunds_refunded ON refunds (refunded_at);

-- What a run said is never said otherwise.
CREATE TRIGGER runs_delete BEFORE DELETE ON runs FOR EACH ROW EXECUTE FUNCTION ledger_refuse('runs are never deleted');
CREATE TRIGGER runs_finished BEFORE UPDATE ON runs FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
EXECUTE FUNCTION ledger_refuse('a finished run is never changed');
CREATE TRIGGER run_orders_delete BEFORE DELETE ON run_orders FOR EACH ROW EXECUTE FUNCTION ledger_refuse('run_orders are never deleted');
-- +goose StatementBegin
CREATE FUNCTION ledger_finished_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM runs WHERE id = NEW.run_id AND finished_at IS NOT NULL) THEN
        RAISE EXCEPTION '%: % is refused: a finished run is never changed', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER run_orders_finished BEFORE UPDATE ON run_orders FOR EACH ROW EXECUTE FUNCTION ledger_finished_run();
CREATE TRIGGER discrepancies_delete BEFORE DELETE ON discrepancies FOR EACH ROW EXECUTE FUNCTION ledger_refuse('discrepancies are never deleted');
CREATE TRIGGER run_discrepancies_change BEFORE UPDATE OR DELETE ON run_discrepancies FOR EACH ROW EXECUTE FUNCTION ledger_refuse('run_discrepancies are only added');
CREATE TRIGGER run_discrepancies_finished BEFORE INSERT ON run_discrepancies FOR EACH ROW EXECUTE FUNCTION ledger_finished_run();
CREATE TRIGGER listed_refunds_delete BEFORE DELETE ON listed_refunds FOR EACH ROW EXECUTE FUNCTION ledger_refuse('listed_refunds are never deleted');
CREATE TRIGGER nights_finished BEFORE UPDATE ON nights FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
EXECUTE FUNCTION ledger_refuse('a finished night is never changed');
CREATE TRIGGER nights_delete BEFORE DELETE ON nights FOR EACH ROW EXECUTE FUNCTION ledger_refuse('nights are never deleted');
CREATE TRIGGER runs_truncate BEFORE TRUNCATE ON runs EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER run_orders_truncate BEFORE TRUNCATE ON run_orders EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER discrepancies_truncate BEFORE TRUNCATE ON discrepancies EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER run_discrepancies_truncate BEFORE TRUNCATE ON run_discrepancies EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER listed_refunds_truncate BEFORE TRUNCATE ON listed_refunds EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
CREATE TRIGGER nights_truncate BEFORE TRUNCATE ON nights EXECUTE FUNCTION ledger_refuse('nothing is ever truncated');
