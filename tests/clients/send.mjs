// Signs an event with an official library and delivers it as Svix does.
//
//   node send.mjs URL [EVENT.json] [options]
//
//   --secret whsec_…       default: CLERK_WEBHOOK_SIGNING_SECRET
//   --old-secret whsec_…   a second signing secret, as during a rotation
//   --library NAME         svix (default) or standardwebhooks
//   --headers NAME         header names: svix (default) or webhook
//   --age SECONDS          age of the signature; negative for the future
//   --tamper               change the body after signing
//
// Prints the status and the body of the response. The exit code is 0 for 2xx, 1 for any other status, 2 for a usage error.
// With `--lines` alone, makes one delivery for each line of standard input, which is a JSON array of these arguments.
import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

async function deliver(args) {
  const { values: options, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      secret: { type: "string", default: process.env.CLERK_WEBHOOK_SIGNING_SECRET },
      "old-secret": { type: "string" },
      library: { type: "string", default: "svix" },
      headers: { type: "string", default: "svix" },
      age: { type: "string", default: "0" },
      tamper: { type: "boolean", default: false },
    },
  });
  const [url, event = new URL("../../crates/clerk-webhook-test/fixtures/events/user.created.json", import.meta.url)] = positionals;
  if (!url || !options.secret) {
    console.error("usage: node send.mjs URL [EVENT.json] [--secret whsec_…]; see the comment at the top of send.mjs");
    process.exit(2);
  }

  const { Webhook } = await import(options.library);
  const body = await readFile(event);
  const id = `msg_${randomUUID().replaceAll("-", "").slice(0, 27)}`;
  const seconds = Math.floor(Date.now() / 1000) - Number(options.age);
  const secrets = [options.secret, options["old-secret"]].filter(Boolean);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, new Date(seconds * 1000), body.toString()));
  if (options.tamper) {
    body[body.length - 3] ^= 1;
  }

  const answer = await fetch(url, {
    method: "POST",
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(15_000),
    headers: {
      connection: "close",
      "content-type": "application/json",
      [`${options.headers}-id`]: id,
      [`${options.headers}-timestamp`]: String(seconds),
      [`${options.headers}-signature`]: signatures.join(" "),
    },
  });
  console.log(`${answer.status} ${await answer.text()}`.trim());
  return answer.ok ? 0 : 1;
}

if (process.argv[2] === "--lines") {
  for await (const line of createInterface({ input: process.stdin })) {
    await deliver(JSON.parse(line));
  }
} else {
  process.exitCode = await deliver(process.argv.slice(2));
}
