// Reads a Backend API completely with the official library @clerk/backend.
//
//   node list.mjs http://127.0.0.1:4011 sk_test_…
//
// Prints {"instance": "ins_…", "lists": {"users": [ids], …}, "objects": [ids of the objects that were read one by one]}.
import { createClerkClient } from "@clerk/backend";

const [apiUrl, secretKey] = process.argv.slice(2);
const clerk = createClerkClient({ apiUrl, secretKey, telemetry: { disabled: true } });
const LIMIT = 7;

// Reads pages until the total count is reached.
async function all(page) {
  const ids = [];
  for (;;) {
    const { data, totalCount } = await page({ limit: LIMIT, offset: ids.length });
    ids.push(...data.map(({ id }) => id));
    if (data.length === 0 || ids.length >= totalCount) return ids;
  }
}

const { organizations, organizationPermissions, organizationRoles, users, waitlistEntries } = clerk;
const ofEach = async (list, organizationIds) =>
  (await Promise.all(organizationIds.map((organizationId) => all((page) => list({ organizationId, ...page }))))).flat();
const organizationIds = await all((page) => organizations.getOrganizationList({ includeMembersCount: true, ...page }));
const lists = {
  users: await all((page) => users.getUserList({ orderBy: "created_at", ...page })),
  organizations: organizationIds,
  memberships: await all((page) => organizations.getInstanceOrganizationMembershipList(page)),
  // The library has no lists of all invitations and all domains.
  invitations: await ofEach((page) => organizations.getOrganizationInvitationList(page), organizationIds),
  domains: await ofEach((page) => organizations.getOrganizationDomainList(page), organizationIds),
  roles: await all((page) => organizationRoles.getOrganizationRoleList(page)),
  permissions: await all((page) => organizationPermissions.getOrganizationPermissionList(page)),
  waitlist_entries: await all((page) => waitlistEntries.list(page)),
};
const objects = await Promise.all([
  ...lists.users.map((id) => users.getUser(id)),
  ...lists.organizations.map((organizationId) => organizations.getOrganization({ organizationId })),
  ...lists.roles.map((id) => organizationRoles.getOrganizationRole(id)),
  ...lists.permissions.map((id) => organizationPermissions.getOrganizationPermission(id)),
]);
const instance = (await clerk.instance.get()).id;
console.log(JSON.stringify({ instance, lists, objects: objects.map(({ id }) => id) }));
