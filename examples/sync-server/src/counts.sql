-- One statement, so that all counts are from the same moment.
          SELECT 'users', count(*) FROM clerk_active_users
UNION ALL SELECT 'organizations', count(*) FROM clerk_active_organizations
UNION ALL SELECT 'memberships', count(*) FROM clerk_active_memberships
UNION ALL SELECT 'invitations', count(*) FROM clerk_active_invitations
UNION ALL SELECT 'domains', count(*) FROM clerk_active_domains
UNION ALL SELECT 'roles', count(*) FROM clerk_active_roles
UNION ALL SELECT 'permissions', count(*) FROM clerk_active_permissions
UNION ALL SELECT 'deliveries', count(*) FROM clerk_webhook_delivery WHERE state = 1
UNION ALL SELECT 'tombstones',
       (SELECT count(*) FROM clerk_users WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_organizations WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_memberships WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_invitations WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_domains WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_roles WHERE deleted_at IS NOT NULL)
     + (SELECT count(*) FROM clerk_permissions WHERE deleted_at IS NOT NULL)
