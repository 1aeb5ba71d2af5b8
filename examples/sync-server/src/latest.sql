-- What was written last. It reads all rows, since nothing but this page asks for their order and so no index has it. That is
-- why the page has a connection of its own and is kept for a second. Who wants it faster gives `synced_at` an index.
          SELECT 'user' AS kind, id, updated_at, synced_at, deleted_at FROM clerk_users
UNION ALL SELECT 'organization', id, updated_at, synced_at, deleted_at FROM clerk_organizations
UNION ALL SELECT 'membership', id, updated_at, synced_at, deleted_at FROM clerk_memberships
UNION ALL SELECT 'invitation', id, updated_at, synced_at, deleted_at FROM clerk_invitations
UNION ALL SELECT 'domain', id, updated_at, synced_at, deleted_at FROM clerk_domains
UNION ALL SELECT 'role', id, updated_at, synced_at, deleted_at FROM clerk_roles
UNION ALL SELECT 'permission', id, updated_at, synced_at, deleted_at FROM clerk_permissions
ORDER BY synced_at DESC, id LIMIT 10
