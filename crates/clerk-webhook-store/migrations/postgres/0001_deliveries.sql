-- What was delivered and what came of it: one row for each endpoint (scope) and message (svix-id).
-- `PostgresStore::migrate` runs this; who keeps migrations in a folder of their own copies it there.
CREATE TABLE IF NOT EXISTS clerk_webhook_delivery (
    scope         TEXT        NOT NULL,
    message_id    TEXT        NOT NULL,
    state         SMALLINT    NOT NULL CHECK (state IN (0, 1, 2)), -- 0 in progress, 1 completed, 2 released
    owner         UUID        NOT NULL,                            -- who claimed it last
    attempt       INTEGER     NOT NULL,                            -- how often it was claimed
    lease_until   TIMESTAMPTZ NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,                            -- of a completed one: when that was
    PRIMARY KEY (scope, message_id)
);

-- For the removal of old rows. By a time that never changes, so that a completion has no index to change.
CREATE INDEX IF NOT EXISTS clerk_webhook_delivery_age ON clerk_webhook_delivery (first_seen_at);
