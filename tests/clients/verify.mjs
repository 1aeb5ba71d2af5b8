// Verifies deliveries with the official libraries svix, standardwebhooks and @clerk/backend.
//
//   node verify.mjs < deliveries
//
// Each line of standard input is {"name": "…", "secret": "whsec_…", "authentic": true, "headers": {…}, "body": "base64"}.
// Prints a line for each unexpected verdict. The exit code is 0 without such a line, and 1 otherwise.
//
// With --verdicts, the lines have "now", the time in milliseconds, instead of "authentic". Prints the names of the accepted
// deliveries as {"library": [names]}.
import { createInterface } from "node:readline";
import { verifyWebhook } from "@clerk/backend/webhooks";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const renamed = (headers, from, to) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace(from, to), value]));

const libraries = {
  svix: ({ secret, headers, body }) => new SvixWebhook(secret).verify(body, headers),
  // This library knows only the webhook-* names. The signed content is the same.
  standardwebhooks: ({ secret, headers, body }) =>
    new StandardWebhook(secret).verify(body, renamed(headers, /^svix-/, "webhook-")),
  // This library knows only the svix-* names.
  "@clerk/backend": ({ secret, headers, body }) => {
    const request = new Request("http://127.0.0.1/", { method: "POST", headers: renamed(headers, /^webhook-/, "svix-"), body });
    return verifyWebhook(request, { signingSecret: secret });
  },
};

const printsVerdicts = process.argv.includes("--verdicts");
const accepted = Object.fromEntries(Object.keys(libraries).map((library) => [library, []]));
const counts = {};
for await (const line of createInterface({ input: process.stdin })) {
  const delivery = JSON.parse(line);
  delivery.body = Buffer.from(delivery.body, "base64");
  if (printsVerdicts) Date.now = () => delivery.now;
  for (const [library, verify] of Object.entries(libraries)) {
    let verdict;
    try {
      await verify(delivery);
      verdict = "authentic";
      accepted[library].push(delivery.name);
    } catch (error) {
      verdict = `rejected: ${error.message}`;
    }
    counts[library] = (counts[library] ?? 0) + 1;
    if (!printsVerdicts && (verdict === "authentic") !== delivery.authentic) {
      console.log(`${library}: ${delivery.name} is ${verdict}`);
      process.exitCode = 1;
    }
  }
}
const summary = Object.entries(counts).map(([library, count]) => `${library} ${count}`).join(", ");
console.log(printsVerdicts ? JSON.stringify(accepted) : summary);
