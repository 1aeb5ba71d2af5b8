-- Two instances may start at once, and `IF NOT EXISTS` alone fails in a race.
BEGIN;
SELECT pg_advisory_xact_lock(7238001);

CREATE TABLE IF NOT EXISTS users (
    id         TEXT    PRIMARY KEY,
    email      TEXT,
    updated_at BIGINT  NOT NULL,              -- of the data, in ms: events come in any order
    deleted    BOOLEAN NOT NULL DEFAULT FALSE -- a row stays, so that a late event does not bring the user back
);

-- What is to be sent, by something that reads this table and passes the message id on as its idempotency key.
-- Nothing but the transaction keeps a message from being there twice.
CREATE TABLE IF NOT EXISTS welcome_mails (
    message_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    sent_at    TIMESTAMPTZ
);

COMMIT;
