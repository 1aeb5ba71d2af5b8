-- What Clerk has told: users, organizations, memberships and what belongs to them.
-- `ClerkSync::migrate` runs this; who keeps migrations in a folder of their own copies it there.
--
-- Times are milliseconds since the Unix epoch. A row is the newest version that was observed, by the order (obs_rank,
-- updated_at, event_at, tie): obs_rank is 1 for an object, 0 for the copy of one inside of another object, and 9 for a
-- tombstone, which stays for ever and is empty but for deleted_at. No table refers to another one and nothing but ids is
-- unique, since events come in any order; the views say what is live.

-- A user, or the tombstone of one.
CREATE TABLE IF NOT EXISTS clerk_users (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL, -- when the event occurred that has told it
    tie                      TEXT    NOT NULL, -- the SHA-256 of the data
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL, -- when this row was written, by the clock of who wrote it
    created_at               INTEGER,
    external_id              TEXT,             -- the id in the application's own system
    username                 TEXT,
    first_name               TEXT,
    last_name                TEXT,
    image_url                TEXT,
    primary_email_id         TEXT,
    primary_email            TEXT,             -- the address with that id
    primary_email_verified   INTEGER,
    primary_phone            TEXT,
    banned                   INTEGER,
    locked                   INTEGER,
    last_sign_in_at          INTEGER,
    public_metadata          TEXT,
    raw                      TEXT              -- the data as it was sent
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_users_email ON clerk_users (primary_email) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS clerk_users_external ON clerk_users (external_id) WHERE deleted_at IS NULL;

-- All addresses of a user. Replaced as a whole with the user's row.
CREATE TABLE IF NOT EXISTS clerk_user_emails (
    user_id                  TEXT    NOT NULL,
    id                       TEXT    NOT NULL,
    email                    TEXT    NOT NULL,
    verified                 INTEGER NOT NULL,
    is_primary               INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS clerk_user_emails_email ON clerk_user_emails (email);

-- All phone numbers of a user. Replaced as a whole with the user's row.
CREATE TABLE IF NOT EXISTS clerk_user_phone_numbers (
    user_id                  TEXT    NOT NULL,
    id                       TEXT    NOT NULL,
    phone_number             TEXT    NOT NULL,
    verified                 INTEGER NOT NULL,
    is_primary               INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- The accounts elsewhere that a user signs in with. Replaced as a whole with the user's row.
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

-- An organization.
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
    max_allowed_memberships  INTEGER, -- 0: no limit
    created_by               TEXT,    -- the id of a user
    public_metadata          TEXT,
    raw                      TEXT
) STRICT;

-- The membership of a user in an organization. Who leaves and joins again has another one.
CREATE TABLE IF NOT EXISTS clerk_memberships (
    id                       TEXT    NOT NULL PRIMARY KEY,
    obs_rank                 INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    event_at                 INTEGER NOT NULL,
    tie                      TEXT    NOT NULL,
    deleted_at               INTEGER,
    synced_at                INTEGER NOT NULL,
    created_at               INTEGER,
    organization_id          TEXT, -- kept by a tombstone
    user_id                  TEXT, -- kept by a tombstone
    role                     TEXT, -- its key, such as org:admin
    role_name                TEXT,
    permissions              TEXT, -- an array of keys
    public_metadata          TEXT,
    raw                      TEXT  -- without the copies of organization and user
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_memberships_organization ON clerk_memberships (organization_id, user_id);
CREATE INDEX IF NOT EXISTS clerk_memberships_user ON clerk_memberships (user_id);

-- An invitation into an organization.
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
    inviter_id               TEXT, -- the user who invited
    user_id                  TEXT, -- the user who accepted
    expires_at               INTEGER,
    public_metadata          TEXT,
    raw                      TEXT  -- without the copies of organization and inviter
) STRICT;
CREATE INDEX IF NOT EXISTS clerk_invitations_organization ON clerk_invitations (organization_id);
CREATE INDEX IF NOT EXISTS clerk_invitations_email ON clerk_invitations (lower(email_address));
CREATE INDEX IF NOT EXISTS clerk_invitations_user ON clerk_invitations (user_id);

-- An e-mail domain of an organization.
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

-- A role that members can have.
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

-- A permission that roles can give.
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
    kind                     TEXT, -- system: Clerk's own
    raw                      TEXT
) STRICT;

-- What is live. A user or an organization of which only a copy has come is not shown: the object itself is on its way.
CREATE VIEW IF NOT EXISTS clerk_active_users AS
SELECT * FROM clerk_users WHERE deleted_at IS NULL AND obs_rank = 1;

CREATE VIEW IF NOT EXISTS clerk_active_organizations AS
SELECT * FROM clerk_organizations WHERE deleted_at IS NULL AND obs_rank = 1;

-- A membership ends with its organization and with its user, whether its own deletion has come or not, and where there
-- are two of the same pair the later one counts: the deletion of the other one is on its way.
CREATE VIEW IF NOT EXISTS clerk_active_memberships AS
SELECT m.* FROM clerk_memberships m
 WHERE m.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_memberships n
                    WHERE n.organization_id = m.organization_id AND n.user_id = m.user_id AND n.deleted_at IS NULL
                      AND (n.created_at, n.id) > (m.created_at, m.id));

-- Invitations and domains end with their organization.
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

-- Which of these files have run.
CREATE TABLE IF NOT EXISTS clerk_sync_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT;
INSERT INTO clerk_sync_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
