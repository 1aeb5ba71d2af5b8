-- One row for each endpoint (scope) and message id (svix-id): the mark that finds duplicates, and the job.
-- `SqliteQueue::migrate` runs this file. If you manage migrations yourself, copy it to your folder of
-- migrations. Times are milliseconds since the Unix epoch.
CREATE TABLE IF NOT EXISTS clerk_webhook_queue (
    scope        TEXT    NOT NULL,
    message_id   TEXT    NOT NULL,
    state        INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3)), -- 0 ready, 1 done, 2 running, 3 dead
    event_type   TEXT    NOT NULL,
    object_id    TEXT,                                           -- the object that the event is about
    attempts     INTEGER NOT NULL,                               -- number of attempts so far
    available_at INTEGER NOT NULL,                               -- when a ready job can be taken
    lease_until  INTEGER,                                        -- of a running job
    owner        BLOB,                                           -- of the last lease: 16 bytes
    attempted_at INTEGER NOT NULL,                               -- when the sender signed the event
    enqueued_at  INTEGER NOT NULL,
    ended_at     INTEGER,                                        -- when the job became done or dead
    last_error   TEXT,
    payload      BLOB,                                           -- the signed body, NULL if the job is done
    PRIMARY KEY (scope, message_id)
) STRICT;

-- A row is in one of these indexes: a change of the state moves it to another one. The first index has
-- `object_id`, so that jobs about objects that are running are skipped without reading their rows.
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_ready ON clerk_webhook_queue (scope, available_at, object_id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_done ON clerk_webhook_queue (scope, ended_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_running ON clerk_webhook_queue (scope, lease_until) WHERE state = 2;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_dead ON clerk_webhook_queue (scope, ended_at) WHERE state = 3;
