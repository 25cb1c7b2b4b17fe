-- +goose Up
-- A person says that the attempt made nothing: it casts no doubt on a later one.
ALTER TABLE attempts ADD COLUMN ruled boolean NOT NULL DEFAULT false CHECK (NOT ruled OR state = 'absent');

-- What the last probe found out.
CREATE INDEX events_probed ON events (id) WHERE kind = 'probed';
