-- In the memberships view, a later membership now ends an earlier one with the same user and organization,
-- even if the later one was deleted. From this version on, a membership's tombstone keeps created_at. For an
-- older tombstone without created_at, the view compares deleted_at.

-- A membership is not live if its organization or its user was deleted, or if the same pair of user and
-- organization has a later membership. A pair has at most one membership at a time, so its memberships can be
-- ordered by any time at which each of them existed. This time is created_at. If created_at is unknown, it is
-- the deleted_at of a tombstone or the event_at of a live row. If these times are equal, the time of the last
-- event decides, and then the id.
CREATE OR REPLACE VIEW clerk_active_memberships AS
SELECT m.* FROM clerk_memberships m
 WHERE m.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_memberships n
                    WHERE n.organization_id = m.organization_id AND n.user_id = m.user_id
                      AND (coalesce(n.created_at, n.deleted_at, n.event_at), coalesce(n.deleted_at, n.event_at), n.id COLLATE "C")
                        > (coalesce(m.created_at, m.event_at), m.event_at, m.id COLLATE "C"));

-- A B-tree index entry is limited to 2,704 bytes, and values in these columns can be longer. A hash index has
-- no such limit and finds equal values, which is enough for these columns. Ids keep B-tree indexes, because
-- the sync shortens long ids.
DROP INDEX IF EXISTS clerk_users_email;
CREATE INDEX IF NOT EXISTS clerk_users_email ON clerk_users USING hash (primary_email) WHERE deleted_at IS NULL;
DROP INDEX IF EXISTS clerk_users_external;
CREATE INDEX IF NOT EXISTS clerk_users_external ON clerk_users USING hash (external_id) WHERE deleted_at IS NULL;
DROP INDEX IF EXISTS clerk_user_emails_email;
CREATE INDEX IF NOT EXISTS clerk_user_emails_email ON clerk_user_emails USING hash (email);
DROP INDEX IF EXISTS clerk_invitations_email;
CREATE INDEX IF NOT EXISTS clerk_invitations_email ON clerk_invitations USING hash (lower(email_address COLLATE "C"));
DROP INDEX IF EXISTS clerk_domains_name;
CREATE INDEX IF NOT EXISTS clerk_domains_name ON clerk_domains USING hash (name);
DROP INDEX IF EXISTS clerk_waitlist_entries_email;
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_email ON clerk_waitlist_entries USING hash (lower(email_address COLLATE "C"));

-- With the C collation, lower() converts only ASCII letters, in every database. Few addresses contain other
-- characters, and the sync compares these addresses in Rust.
CREATE INDEX IF NOT EXISTS clerk_invitations_beyond_ascii ON clerk_invitations (id) WHERE email_address ~ '[^[:ascii:]]';
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_beyond_ascii ON clerk_waitlist_entries (id) WHERE email_address ~ '[^[:ascii:]]';

-- A row whose updated_at is more than a day later than its event would be newer than every real change and
-- would never change again. The sync now uses the event's time instead. These statements repair existing
-- rows.
UPDATE clerk_users SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_organizations SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_memberships SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_invitations SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_domains SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_roles SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_permissions SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_sessions SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_subscription_items SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_subscriptions SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;
UPDATE clerk_waitlist_entries SET updated_at = event_at WHERE deleted_at IS NULL AND updated_at > event_at + 86400000;

INSERT INTO clerk_sync_schema (version) VALUES (3) ON CONFLICT DO NOTHING;
