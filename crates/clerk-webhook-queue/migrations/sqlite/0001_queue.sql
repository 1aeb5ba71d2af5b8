-- One row for each endpoint (scope) and message id (svix-id). The row is the job, and also identifies
-- duplicates. `SqliteQueue::migrate` runs this file. If you manage migrations yourself, copy it to your
-- `migrations` folder. Times are milliseconds since the Unix epoch.
CREATE TABLE IF NOT EXISTS clerk_webhook_queue (
    scope        TEXT    NOT NULL,
    message_id   TEXT    NOT NULL,
    state        INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3)), -- 0 ready, 1 done, 2 running, 3 dead
    event_type   TEXT    NOT NULL,
    object_id    TEXT,                                           -- the object that the event is about
    attempts     INTEGER NOT NULL,                               -- number of attempts so far
    available_at INTEGER NOT NULL,                               -- when a ready job can be taken
    lease_until  INTEGER,                                        -- when the lease of a running job expires
    owner        BLOB,                                           -- the owner of the last lease: 16 bytes
    attempted_at INTEGER NOT NULL,                               -- when the sender signed the event
    enqueued_at  INTEGER NOT NULL,
    ended_at     INTEGER,                                        -- when the job became done or dead
    last_error   TEXT,
    payload      BLOB,                                           -- the signed body; NULL if the job is done
    PRIMARY KEY (scope, message_id)
) STRICT;

-- Each row is in exactly one of these indexes, which depends on its state. The first index contains
-- `object_id`, so that `take` can skip jobs about an object with a running job without reading their rows. It
-- still visits the index entry of each job that it skips. The last columns let `stats` read only indexes.
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_ready ON clerk_webhook_queue (scope, available_at, object_id, event_type, enqueued_at) WHERE state = 0;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_done ON clerk_webhook_queue (scope, ended_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_running ON clerk_webhook_queue (scope, lease_until, event_type, enqueued_at) WHERE state = 2;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_dead ON clerk_webhook_queue (scope, ended_at, event_type) WHERE state = 3;
