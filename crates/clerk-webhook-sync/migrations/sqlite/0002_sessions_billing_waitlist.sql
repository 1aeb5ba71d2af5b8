-- Tables for sessions, subscriptions with their items, and the waitlist. They are empty unless the settings
-- enable these objects. Run this file after 0001_tables.sql, which explains the first columns.

-- A user's sessions, each in one client. They contain no device, location or impersonator.
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
    last_active_at              INTEGER, -- as of the event; Clerk sends no event when a session is used
    expire_at                   INTEGER, -- when it expires; Clerk sends no event then
    abandon_at                  INTEGER, -- when it is abandoned if it is not used, as of the event
    raw                         TEXT     -- without the user's copy, device, location and actor
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_sessions_user ON clerk_sessions (user_id);

-- Plans to which users or organizations subscribe. A plan change ends one item and begins another.
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
    user_id                     TEXT,    -- set if a user pays
    organization_id             TEXT,    -- set if an organization pays
    plan_id                     TEXT,
    plan_slug                   TEXT,    -- the name by which an application identifies its plans
    plan_name                   TEXT,
    status                      TEXT,    -- active, canceled (until period_end), past_due, upcoming, ended, and others
    is_free_trial               INTEGER,
    period_start                INTEGER,
    period_end                  INTEGER, -- null for the free plan, which has no end
    billing_interval            TEXT,    -- month, annual
    amount                      INTEGER, -- the price, in the smallest unit of the currency
    currency                    TEXT,    -- an ISO 4217 code
    seats                       INTEGER, -- null if unlimited or not priced by seats
    raw                         TEXT     -- without the copy of the payer
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_subscription_items_subscription ON clerk_subscription_items (subscription_id);
CREATE INDEX IF NOT EXISTS clerk_subscription_items_user ON clerk_subscription_items (user_id);
CREATE INDEX IF NOT EXISTS clerk_subscription_items_organization ON clerk_subscription_items (organization_id);

-- Subscriptions of users or organizations. Each has items.
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
    user_id                     TEXT, -- set if a user pays
    organization_id             TEXT, -- set if an organization pays
    status                      TEXT, -- active, past_due, canceled, ended, and others
    active_at                   INTEGER,
    past_due_at                 INTEGER,
    canceled_at                 INTEGER,
    ended_at                    INTEGER,
    raw                         TEXT  -- without the copies of payer and items
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_subscriptions_user ON clerk_subscriptions (user_id);
CREATE INDEX IF NOT EXISTS clerk_subscriptions_organization ON clerk_subscriptions (organization_id);

-- Waitlist entries.
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
    invitation_id               TEXT, -- the invitation that was sent for the entry
    raw                         TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_email ON clerk_waitlist_entries (lower(email_address));

-- The live rows. Clerk sends no event when a session expires, so queries must also compare expire_at.
CREATE VIEW IF NOT EXISTS clerk_active_sessions AS
SELECT s.* FROM clerk_sessions s
 WHERE s.deleted_at IS NULL AND s.status = 'active'
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = s.user_id AND u.deleted_at IS NOT NULL);

-- A canceled or overdue item is live until an event reports its end. An item that is only a copy from its
-- subscription is live while the newest version of the subscription contains it. An item is not live if its
-- subscription ended at or after the time of the item's event, even if the event that ends the item was lost.
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

-- All entries that were not erased, whatever their status is.
CREATE VIEW IF NOT EXISTS clerk_active_waitlist_entries AS
SELECT * FROM clerk_waitlist_entries WHERE deleted_at IS NULL;

INSERT INTO clerk_sync_schema (version) VALUES (2) ON CONFLICT DO NOTHING;
