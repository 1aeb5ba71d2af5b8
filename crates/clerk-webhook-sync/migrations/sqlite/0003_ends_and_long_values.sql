-- In the memberships view, a later membership now ends an earlier one with the same user and organization,
-- even if the later one was deleted. From this version on, a membership's tombstone keeps created_at. For an
-- older tombstone without created_at, the view compares deleted_at.

-- A membership is not live if its organization or its user was deleted, or if the same pair of user and
-- organization has a later membership. A pair has at most one membership at a time, so its memberships can be
-- ordered by any time at which each of them existed. This time is created_at. If created_at is unknown, it is
-- the deleted_at of a tombstone or the event_at of a live row. If these times are equal, the time of the last
-- event decides, and then the id.
DROP VIEW IF EXISTS clerk_active_memberships;
CREATE VIEW IF NOT EXISTS clerk_active_memberships AS
SELECT m.* FROM clerk_memberships m
 WHERE m.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM clerk_organizations o WHERE o.id = m.organization_id AND o.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_users u WHERE u.id = m.user_id AND u.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM clerk_memberships n
                    WHERE n.organization_id = m.organization_id AND n.user_id = m.user_id
                      AND (coalesce(n.created_at, n.deleted_at, n.event_at), coalesce(n.deleted_at, n.event_at), n.id)
                        > (coalesce(m.created_at, m.event_at), m.event_at, m.id));

-- lower() converts only ASCII letters. Few addresses contain other characters, and the sync compares these addresses in
-- Rust.
CREATE INDEX IF NOT EXISTS clerk_invitations_beyond_ascii ON clerk_invitations (id) WHERE length(email_address) <> length(CAST(email_address AS BLOB));
CREATE INDEX IF NOT EXISTS clerk_waitlist_entries_beyond_ascii ON clerk_waitlist_entries (id) WHERE length(email_address) <> length(CAST(email_address AS BLOB));

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
