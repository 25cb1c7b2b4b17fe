-- +goose Up
-- A person says that the attempt made nothing: it casts no doubt on a later one.
ALTER TABLE attempts ADD COLUMN ruled INTEGER NOT NULL DEFAULT 0 CHECK (ruled IN (0, 1) AND (ruled = 0 OR state = 'absent'));

-- What the last probe found out.
CREATE INDEX events_probed ON events (id) WHERE kind = 'probed';
