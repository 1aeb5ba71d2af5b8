-- One row for each endpoint (scope) and message id (svix-id), with the state of its handling.
-- `SqliteStore::migrate` runs this file. If you manage migrations yourself, copy it to your migrations
-- folder. Times are milliseconds since the Unix epoch.
CREATE TABLE IF NOT EXISTS clerk_webhook_delivery (
    scope         TEXT    NOT NULL,
    message_id    TEXT    NOT NULL,
    state         INTEGER NOT NULL CHECK (state IN (0, 1, 2)), -- 0 in progress, 1 completed, 2 released
    owner         BLOB    NOT NULL,                            -- of the last claim: 16 bytes
    attempt       INTEGER NOT NULL,                            -- number of claims so far
    lease_until   INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,                            -- completion time of a completed row
    PRIMARY KEY (scope, message_id)
) STRICT, WITHOUT ROWID;

-- For the purge of old rows. `first_seen_at` never changes, so a completion does not have to update the
-- index.
CREATE INDEX IF NOT EXISTS clerk_webhook_delivery_age ON clerk_webhook_delivery (first_seen_at);
