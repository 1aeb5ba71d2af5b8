-- The rows that were written last. The query reads all rows, because `synced_at` has no index. For this reason, the
-- page has its own connection and is cached for a second. Add an index on `synced_at` if you need a faster page.
          SELECT 'user' AS kind, id, updated_at, synced_at, deleted_at FROM clerk_users
UNION ALL SELECT 'organization', id, updated_at, synced_at, deleted_at FROM clerk_organizations
UNION ALL SELECT 'membership', id, updated_at, synced_at, deleted_at FROM clerk_memberships
UNION ALL SELECT 'invitation', id, updated_at, synced_at, deleted_at FROM clerk_invitations
UNION ALL SELECT 'domain', id, updated_at, synced_at, deleted_at FROM clerk_domains
UNION ALL SELECT 'role', id, updated_at, synced_at, deleted_at FROM clerk_roles
UNION ALL SELECT 'permission', id, updated_at, synced_at, deleted_at FROM clerk_permissions
ORDER BY synced_at DESC, id LIMIT 10
