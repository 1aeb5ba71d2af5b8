-- One row for each endpoint (scope) and message id (svix-id), with the state of its handling.
-- `PostgresStore::migrate` runs this file. If you manage migrations yourself, copy it to your migrations
-- folder.
CREATE TABLE IF NOT EXISTS clerk_webhook_delivery (
    scope         TEXT        NOT NULL,
    message_id    TEXT        NOT NULL,
    state         SMALLINT    NOT NULL CHECK (state IN (0, 1, 2)), -- 0 in progress, 1 completed, 2 released
    owner         UUID        NOT NULL,                            -- of the last claim
    attempt       INTEGER     NOT NULL,                            -- number of claims so far
    lease_until   TIMESTAMPTZ NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,                            -- completion time of a completed row
    PRIMARY KEY (scope, message_id)
);

-- For the purge of old rows. `first_seen_at` never changes, so a completion does not have to update the
-- index.
CREATE INDEX IF NOT EXISTS clerk_webhook_delivery_age ON clerk_webhook_delivery (first_seen_at);
