-- One row for each endpoint (scope) and message id (svix-id). The row is the record of the job, and also
-- identifies duplicates. `PostgresQueue::migrate` runs this file. If you manage migrations yourself, copy it
-- to your `migrations` folder. Times are milliseconds since the Unix epoch, of the server's clock.
CREATE TABLE IF NOT EXISTS clerk_webhook_queue (
    scope        TEXT     NOT NULL,
    message_id   TEXT     NOT NULL,
    state        SMALLINT NOT NULL CHECK (state IN (0, 1, 2, 3)), -- 0 ready, 1 done, 2 running, 3 dead
    event_type   TEXT     NOT NULL,
    object_id    TEXT,                                            -- the object that the event is about
    attempts     BIGINT   NOT NULL,                               -- number of attempts so far
    available_at BIGINT   NOT NULL,                               -- when a ready job can be taken
    lease_until  BIGINT,                                          -- when the lease of a running job expires
    owner        UUID,                                            -- the owner of the last lease
    attempted_at BIGINT   NOT NULL,                               -- when the sender signed the event
    enqueued_at  BIGINT   NOT NULL,
    ended_at     BIGINT,                                          -- when the job became done or dead
    last_error   TEXT,
    payload      BYTEA,                                           -- the signed body; NULL if the job is done
    PRIMARY KEY (scope, message_id)
);

-- Each row is in one of the first four indexes, which depends on its state. Their last columns let `stats`
-- read only indexes. The fifth one finds the other jobs about an object.
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_ready ON clerk_webhook_queue (scope, available_at, event_type, enqueued_at) WHERE state = 0;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_done ON clerk_webhook_queue (scope, ended_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_running ON clerk_webhook_queue (scope, lease_until, event_type, enqueued_at) WHERE state = 2;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_dead ON clerk_webhook_queue (scope, ended_at, event_type) WHERE state = 3;
CREATE INDEX IF NOT EXISTS clerk_webhook_queue_object ON clerk_webhook_queue (scope, object_id, state, available_at) WHERE state IN (0, 2) AND object_id IS NOT NULL;
