// Compares the responses of a Backend API with Clerk's OpenAPI file, with the proxy Prism.
//
//   node schema.mjs http://127.0.0.1:4011/v1 sk_test_… openapi.yml
//
// Prints a line for each unexpected response, and the number of requests at the end. The exit code is 0 without such a line,
// and 1 otherwise.
import { spawn } from "node:child_process";
import { get as send } from "node:http";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [upstream, key, schema] = process.argv.slice(2);
const prism = fileURLToPath(new URL("node_modules/@stoplight/prism-cli/dist/index.js", import.meta.url));

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const port = await freePort();
const options = ["proxy", "--host", "127.0.0.1", "--port", `${port}`, "--errors", schema, upstream];
const proxy = spawn(process.execPath, [prism, ...options], { stdio: ["ignore", "pipe", "inherit"] });
proxy.on("exit", () => process.exit(1));
process.on("exit", () => proxy.kill());
const lines = createInterface({ input: proxy.stdout });
await new Promise((resolve) => lines.on("line", (line) => line.includes("Prism is listening") && resolve()));

// In Clerk's file, these fields are `nullable`, but refer to an object that is not. The schema therefore rejects null.
const CONTRADICTIONS = ["affiliation_verification", "ownership_verification", "verification", "invitation"];
const isContradiction = ({ location, code, message }) =>
  code === "type" && message.endsWith("must be object") && location[2] === "data" && location.length === 5
  && CONTRADICTIONS.includes(location[4]);

// Prism lists all violations in a header, which exceeds the default limit of Node.
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

// Sends a request to Prism, and returns the status and the JSON.
const fetchJson = (path, authorization) =>
  new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, headers: { authorization }, maxHeaderSize: MAX_HEADER_BYTES };
    const request = send(options, async (response) => {
      try {
        resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(await response.toArray())) });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
  });

let requests = 0;

// Sends a request. Prints the violations, and a status that is not the expected one.
async function get(path, expected = 200, authorization = `Bearer ${key}`) {
  requests += 1;
  const { status, body } = await fetchJson(path, authorization);
  // Prism replaces a response with violations.
  const violations = (body.validation ?? []).filter((found) => found.severity === "Error" && found.location[0] === "response");
  const wrong = violations.filter((violation) => !isContradiction(violation));
  const isReplaced = status === 500 && violations.length > 0;
  if (wrong.length > 0 || (!isReplaced && status !== expected)) {
    console.log(`${path}: ${status} instead of ${expected} ${JSON.stringify(wrong).slice(0, 500)}`);
    process.exitCode = 1;
  }
}

// Reads the upstream API without Prism.
async function first(path) {
  const response = await fetch(`${upstream}${path}?limit=1`, { headers: { authorization: `Bearer ${key}` } });
  const body = await response.json();
  return (body.data ?? body)[0];
}

const [user, membership, invitation, domain, role, permission, entry] = await Promise.all(
  ["/users", "/organization_memberships", "/organization_invitations", "/organization_domains", "/organization_roles",
    "/organization_permissions", "/waitlist_entries"].map(first),
);
const organization = membership.organization;
const member = membership.public_user_data.user_id;

const lists = {
  "/users": ["user_id=" + member, "organization_id=" + organization.id, "created_at_after=1767225600000", "banned=false",
    "order_by=-updated_at", "starting_after=" + user.id, "query=a"],
  "/organizations": ["include_members_count=true", "include_missing_member_with_elevated_permissions=true",
    "organization_id=" + organization.id, "user_id=" + member, "order_by=members_count"],
  "/organization_memberships": ["order_by=created_at", "order_by=-email_address"],
  "/organization_invitations": ["status=pending", "status=accepted", "order_by=email_address"],
  "/organization_domains": ["organization_id=" + domain.organization_id, "verified=true", "order_by=name"],
  "/organization_roles": ["order_by=key", "query=" + role.id],
  "/organization_permissions": ["order_by=name"],
  "/waitlist_entries": ["query=" + entry.id, "status=pending", "order_by=created_at"],
  [`/users/${member}/organization_memberships`]: [],
  [`/organizations/${organization.id}/memberships`]: ["user_id=" + member, "role=" + membership.role],
  [`/organizations/${invitation.organization_id}/invitations`]: ["status=" + invitation.status],
  [`/organizations/${domain.organization_id}/domains`]: ["verified=true"],
};
for (const [path, parameters] of Object.entries(lists)) {
  for (const query of ["limit=500", "limit=3&offset=2", ...parameters]) await get(`${path}?${query}`);
  // Prism rejects the request, because the schema limits the number.
  await get(`${path}?limit=501`, 422);
}
for (const [path, name] of [
  [`/users/${user.id}`, "/users/unknown"],
  [`/organizations/${organization.id}`, "/organizations/unknown"],
  [`/organizations/${organization.slug}?include_members_count=true`],
  [`/organizations/${invitation.organization_id}/invitations/${invitation.id}`,
    `/organizations/${invitation.organization_id}/invitations/unknown`],
  [`/organization_roles/${role.id}`, "/organization_roles/unknown"],
  [`/organization_permissions/${permission.id}`, "/organization_permissions/unknown"],
]) {
  await get(path);
  if (name) await get(name, 404);
}
await get("/users/count");
await get("/users/count?banned=true");
await get("/instance");
await get("/users?order_by=password", 422);
await get("/users?offset=1&starting_after=" + user.id, 422);
await get("/users", 401, "Bearer sk_test_another");

console.log(`${requests} requests`);
proxy.removeAllListeners("exit");
// The connections of Prism keep this process running.
process.exit();
