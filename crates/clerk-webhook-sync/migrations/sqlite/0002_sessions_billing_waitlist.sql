-- Sessions, subscriptions with their items, and the waitlist: tables that are empty unless the settings keep these.
-- Runs after 0001_tables.sql, which says what the first columns are.

-- A session of a user in one client. Of the device, the place and an impersonator nothing is kept.
CREATE TABLE IF NOT EXISTS clerk_sessions (
    id                          TEXT    NOT NULL PRIMARY KEY,
    obs_rank                    INTEGER NOT NULL,
    updated_at                  INTEGER NOT NULL,
    event_at                    INTEGER NOT NULL,
    tie                         TEXT    NOT NULL,
    deleted_at                  INTEGER,
    synced_at                   INTEGER NOT NULL,
    created_at                  INTEGER,
    user_id                     TEXT,
    client_id                   TEXT,
    status                      TEXT,    -- active, pending, ended, removed, revoked, and others
    last_active_organization_id TEXT,
    last_active_at              INTEGER, -- as of the event: no event tells of mere use
    expire_at                   INTEGER, -- when it ends whatever happens, of which no event tells
    abandon_at                  INTEGER, -- when it ends if it is not used until then, as of the event
    raw                         TEXT     -- without the copy of the user, and without device, place and actor
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_sessions_user ON clerk_sessions (user_id);

-- A plan that a user or an organization subscribes to. A change of plan ends one and begins another.
CREATE TABLE IF NOT EXISTS clerk_subscription_items (
    id                          TEXT    NOT NULL PRIMARY KEY,
    obs_rank                    INTEGER NOT NULL,
    updated_at                  INTEGER NOT NULL,
    event_at                    INTEGER NOT NULL,
    tie                         TEXT    NOT NULL,
    deleted_at                  INTEGER,
    synced_at                   INTEGER NOT NULL,
    created_at                  INTEGER,
    subscription_id             TEXT,
    payer_id                    TEXT,
    user_id                     TEXT,    -- who pays, or
    organization_id             TEXT,    -- who pays
    plan_id                     TEXT,
    plan_slug                   TEXT,    -- by which an application knows its plans
    plan_name                   TEXT,
    status                      TEXT,    -- active, canceled (until period_end), past_due, upcoming, ended, and others
    is_free_trial               INTEGER,
    period_start                INTEGER,
    period_end                  INTEGER, -- null: the free plan, which does not end
    billing_interval            TEXT,    -- month, annual
    amount                      INTEGER, -- the price, in the smallest unit of the currency
    currency                    TEXT,    -- as an ISO 4217 code
    seats                       INTEGER, -- null: not paid by the seat, or no limit
    raw                         TEXT     -- without the copy of the payer
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_subscription_items_subscription ON clerk_subscription_items (subscription_id);
CREATE INDEX IF NOT EXISTS clerk_subscription_items_user ON clerk_subscription_items (user_id);
CREATE INDEX IF NOT EXISTS clerk_subscription_items_organization ON clerk_subscription_items (organization_id);

-- The subscription of a user or an organization, which has items.
CREATE TABLE IF NOT EXISTS clerk_subscriptions (
    id                          TEXT    NOT NULL PRIMARY KEY,
    obs_rank                    INTEGER NOT NULL,
    updated_at                  INTEGER NOT NULL,
    event_at                    INTEGER NOT NULL,
    tie                         TEXT    NOT NULL,
    deleted_at                  INTEGER,
    synced_at                   INTEGER NOT NULL,
    created_at                  INTEGER,
    payer_id                    TEXT,
    user_id                     TEXT, -- who pays, or
    organization_id             TEXT, -- who pays
    status                      TEXT, -- active, past_due, canceled, ended, and others
    active_at                   INTEGER,
    past_due_at                 INTEGER,
    canceled_at                 INTEGER,
    ended_at                    INTEGER,
    raw                         TEXT  -- without the copies of payer and items
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_subscriptions_user ON clerk_subscriptions (user_id);
CREATE INDEX IF NOT EXISTS clerk_subscriptions_organization ON clerk_subscriptions (organization_id);

-- Somebody who waits to be let into the application.
CREATE TABLE IF NOT EXISTS clerk_waitlist_entries (
    id                          TEXT    NOT NULL PRIMARY KEY,
    obs_rank                    INTEGER NOT NULL,
    updated_at                  INTEGER NOT NULL,
    event_at                    INTEGER NOT NULL,
    tie                         TEXT    NOT NULL,
    deleted_at                  INTEGER,
    synced_at                   INTEGER NOT NULL,
    created_at                  INTEGER,
    email_address               TEXT,
    status                      TEXT, -- pending, invited, completed, rejected
    is_locked                   INTEGER,
    invitation_id               TEXT, -- the invitation that has answered it
    raw                         TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_email ON clerk_waitlist_entries (lower(email_address));

-- What is live. Clerk tells of the end of a session that runs out by no event: look at expire_at as well.
CREATE VIEW IF NOT EXISTS clerk_active_sessions AS
SELECT s.* FROM clerk_sessions s
 WHERE s.deleted_at IS NULL AND s.status = 'active'
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = s.user_id AND u.deleted_at IS NOT NULL);

-- What is cancelled or overdue goes on until Clerk says that it has ended. An item that only its subscription has shown
-- counts as long as the newest version of that shows it. And with a subscription that has ended its items have, also those
-- whose own end was never told; what a subscription was before an item was told of says nothing of it.
CREATE VIEW IF NOT EXISTS clerk_active_subscription_items AS
SELECT i.* FROM clerk_subscription_items i
 WHERE i.deleted_at IS NULL AND i.status IN ('active', 'canceled', 'past_due')
   AND NOT (i.obs_rank = 0 AND EXISTS (SELECT 1 FROM clerk_subscriptions s
                                        WHERE s.id = i.subscription_id AND s.event_at > i.event_at))
   AND NOT EXISTS (SELECT 1 FROM clerk_subscriptions s
                    WHERE s.id = i.subscription_id AND s.event_at >= i.event_at
                      AND s.status IN ('ended', 'expired', 'abandoned'))
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = i.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = i.organization_id AND o.deleted_at IS NOT NULL);

CREATE VIEW IF NOT EXISTS clerk_active_subscriptions AS
SELECT s.* FROM clerk_subscriptions s
 WHERE s.deleted_at IS NULL AND s.status IN ('active', 'canceled', 'past_due')
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = s.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = s.organization_id AND o.deleted_at IS NOT NULL);

-- All that were not erased, whatever has become of them.
CREATE VIEW IF NOT EXISTS clerk_active_waitlist_entries AS
SELECT * FROM clerk_waitlist_entries WHERE deleted_at IS NULL;

INSERT INTO clerk_sync_schema (version) VALUES (2) ON CONFLICT DO NOTHING;
