-- Tables for Clerk's users, organizations, memberships, invitations, domains, roles and permissions.
-- `ClerkSync::migrate` runs this file. To run migrations with another tool, copy the file.
--
-- Times are milliseconds since the Unix epoch. A row stores the newest version of its object, in the order of
-- (obs_rank, updated_at, event_at, tie). obs_rank is 1 for an object, 0 for incomplete data or a copy inside
-- another object, and 9 for a tombstone. A tombstone is permanent. Its data columns are null, except for the
-- columns marked below. Events arrive in any order, so the tables have no foreign keys and only ids are
-- unique. The views show the live rows.

-- Users.
CREATE TABLE IF NOT EXISTS clerk_users (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL, -- when this version's event occurred
    tie                      TEXT    NOT NULL, -- the SHA-256 of the data
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL, -- when this row was written, by the writer's clock
    created_at               INTEGER,
    external_id              TEXT,             -- the id in the application's system
    username                 TEXT,
    first_name               TEXT,
    last_name                TEXT,
    image_url                TEXT,
    primary_email_id         TEXT,
    primary_email            TEXT,             -- the address with the id primary_email_id
    primary_email_verified   INTEGER,
    primary_phone            TEXT,
    banned                   INTEGER,
    locked                   INTEGER,
    last_sign_in_at          INTEGER,
    public_metadata          TEXT,
    raw                      TEXT              -- the event's data
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_users_email ON clerk_users (primary_email) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS clerk_users_external ON clerk_users (external_id) WHERE deleted_at IS NULL;

-- A user's email addresses. They are replaced together with the user's row.
CREATE TABLE IF NOT EXISTS clerk_user_emails (
    user_id                  TEXT    NOT NULL,
    id                       TEXT    NOT NULL,
    email                    TEXT    NOT NULL,
    verified                 INTEGER NOT NULL,
    is_primary               INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS clerk_user_emails_email ON clerk_user_emails (email);

-- A user's phone numbers. They are replaced together with the user's row.
CREATE TABLE IF NOT EXISTS clerk_user_phone_numbers (
    user_id                  TEXT    NOT NULL,
    id                       TEXT    NOT NULL,
    phone_number             TEXT    NOT NULL,
    verified                 INTEGER NOT NULL,
    is_primary               INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- The external accounts with which a user signs in. They are replaced together with the user's row.
CREATE TABLE IF NOT EXISTS clerk_user_external_accounts (
    user_id                  TEXT    NOT NULL,
    id                       TEXT    NOT NULL,
    provider                 TEXT,
    provider_user_id         TEXT,
    email                    TEXT,
    username                 TEXT,
    verified                 INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- Organizations.
CREATE TABLE IF NOT EXISTS clerk_organizations (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    name                     TEXT,
    slug                     TEXT,
    image_url                TEXT,
    members_count            INTEGER,
    max_allowed_memberships  INTEGER, -- 0 means no limit
    created_by               TEXT,    -- a user's id
    public_metadata          TEXT,
    raw                      TEXT
) STRICT;

-- Memberships of users in organizations. A user who leaves and joins again gets a new membership.
CREATE TABLE IF NOT EXISTS clerk_memberships (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    organization_id          TEXT, -- a tombstone keeps it
    user_id                  TEXT, -- a tombstone keeps it
    role                     TEXT, -- the role's key, such as org:admin
    role_name                TEXT,
    permissions              TEXT, -- an array of keys
    public_metadata          TEXT,
    raw                      TEXT  -- without the copies of organization and user
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_memberships_organization ON clerk_memberships (organization_id, user_id);
CREATE INDEX IF NOT EXISTS clerk_memberships_user ON clerk_memberships (user_id);

-- Invitations to organizations.
CREATE TABLE IF NOT EXISTS clerk_invitations (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    organization_id          TEXT,
    email_address            TEXT,
    role                     TEXT,
    role_name                TEXT,
    status                   TEXT, -- pending, accepted, revoked, expired
    inviter_id               TEXT, -- the user who sent the invitation
    user_id                  TEXT, -- the user who accepted the invitation
    expires_at               INTEGER,
    public_metadata          TEXT,
    raw                      TEXT  -- without the copies of organization and inviter
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_invitations_organization ON clerk_invitations (organization_id);
CREATE INDEX IF NOT EXISTS clerk_invitations_email ON clerk_invitations (lower(email_address));
CREATE INDEX IF NOT EXISTS clerk_invitations_user ON clerk_invitations (user_id);

-- Email domains of organizations.
CREATE TABLE IF NOT EXISTS clerk_domains (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    organization_id          TEXT,
    name                     TEXT, -- such as example.com
    enrollment_mode          TEXT,
    verified                 INTEGER,
    raw                      TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_domains_organization ON clerk_domains (organization_id);
CREATE INDEX IF NOT EXISTS clerk_domains_name ON clerk_domains (name);

-- Roles of members.
CREATE TABLE IF NOT EXISTS clerk_roles (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    name                     TEXT,
    key                      TEXT, -- such as org:admin
    description              TEXT,
    is_creator_eligible      INTEGER,
    permissions              TEXT, -- an array of keys
    raw                      TEXT
) STRICT;

-- Permissions that roles grant.
CREATE TABLE IF NOT EXISTS clerk_permissions (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    name                     TEXT,
    key                      TEXT, -- such as org:invoices:read
    description              TEXT,
    kind                     TEXT, -- system or user
    raw                      TEXT
) STRICT;

-- The live rows. Copies of users and organizations are not shown, because no event about the object itself
-- has arrived yet.
CREATE VIEW IF NOT EXISTS clerk_active_users AS
SELECT * FROM clerk_users WHERE deleted_at IS NULL AND obs_rank = 1;

CREATE VIEW IF NOT EXISTS clerk_active_organizations AS
SELECT * FROM clerk_organizations WHERE deleted_at IS NULL AND obs_rank = 1;

-- A membership is not live if its organization or its user was deleted, even if its own deletion event has
-- not arrived. If a user has two memberships in an organization, only the later one is live, because the
-- earlier one must have ended, although its deletion event has not arrived yet.
CREATE VIEW IF NOT EXISTS clerk_active_memberships AS
SELECT m.* FROM clerk_memberships m
 WHERE m.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_memberships n
                    WHERE n.organization_id = m.organization_id AND n.user_id = m.user_id AND n.deleted_at IS NULL
                      AND (n.created_at, n.id) > (m.created_at, m.id));

-- Invitations and domains are not live if their organization was deleted.
CREATE VIEW IF NOT EXISTS clerk_active_invitations AS
SELECT i.* FROM clerk_invitations i
 WHERE i.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = i.organization_id AND o.deleted_at IS NOT NULL);

CREATE VIEW IF NOT EXISTS clerk_active_domains AS
SELECT d.* FROM clerk_domains d
 WHERE d.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = d.organization_id AND o.deleted_at IS NOT NULL);

CREATE VIEW IF NOT EXISTS clerk_active_roles AS
SELECT * FROM clerk_roles WHERE deleted_at IS NULL;

CREATE VIEW IF NOT EXISTS clerk_active_permissions AS
SELECT * FROM clerk_permissions WHERE deleted_at IS NULL;

-- The migrations that have run.
CREATE TABLE IF NOT EXISTS clerk_sync_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT;
INSERT INTO clerk_sync_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
