-- In the view of memberships, a later membership now ends an earlier one of the same user and organization, even if the later
-- one was deleted. From this version on, the tombstone of a membership keeps created_at. A tombstone without
-- created_at is compared by deleted_at.

-- A membership ends with its organization, with its user, and with a later membership of the same pair. A pair has one
-- membership at a time, so any time at which a membership existed puts it in order with the others of its pair. That time
-- is created_at. If created_at is unknown, it is deleted_at of a tombstone and event_at of a version. If these are equal,
-- the time of the last event decides, and then the id.
CREATE OR REPLACE VIEW clerk_active_memberships AS
SELECT m.* FROM clerk_memberships m
 WHERE m.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_memberships n
                    WHERE n.organization_id = m.organization_id AND n.user_id = m.user_id
                      AND (coalesce(n.created_at, n.deleted_at, n.event_at), coalesce(n.deleted_at, n.event_at), n.id COLLATE "C")
                        > (coalesce(m.created_at, m.event_at), m.event_at, m.id COLLATE "C"));

-- A B-tree of Postgres indexes no more than 2,704 bytes, and these columns have any length. A hash index finds equal values,
-- which is what these columns are looked up by. Ids are indexed by B-trees, because the sync shortens the long ones.
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

-- The collation C folds ASCII letters only, in every database. Addresses with other characters are few, and the sync compares
-- them itself.
CREATE INDEX IF NOT EXISTS clerk_invitations_beyond_ascii ON clerk_invitations (id) WHERE email_address ~ '[^[:ascii:]]';
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_beyond_ascii ON clerk_waitlist_entries (id) WHERE email_address ~ '[^[:ascii:]]';

-- A row whose updated_at is more than a day later than its event would be newer than each real change, and never change again.
-- The sync no longer believes such a time; these rows may have it from before.
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
