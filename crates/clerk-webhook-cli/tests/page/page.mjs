// Tests the page of `clerk-webhook listen` in Chromium.
//
// The first line of standard input is a JSON object with the addresses and the deliveries to send. The script prints
// "restart" to request a new listener, whose address is the next line of standard input.
//
// If SCREENSHOTS is set to a folder, the script writes screenshots there.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { browser: executablePath, page: url, entrance, endpoint, deliveries } = JSON.parse((await lines.next()).value);

const profile = await mkdtemp(join(tmpdir(), "clerk-webhook-page-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  viewport: { width: 1280, height: 820 },
  colorScheme: "light",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = browser.pages()[0] ?? await browser.newPage();
page.setDefaultTimeout(30_000);

const failures = [];
let restarts = false;
page.on("dialog", (dialog) => { failures.push(`unexpected dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("pageerror", (error) => failures.push(`uncaught error: ${error}`));
page.on("console", (message) => {
  // While the listener restarts, connection errors are expected. The new listener rejects the old token with 403.
  const expected = message.text().includes("ERR_") || (restarts && message.text().includes("403"));
  if (message.type() === "error" && !expected) failures.push(`console error: ${message.text()}`);
});
page.on("request", (request) => { if (!request.url().startsWith(url)) failures.push(`request to another address: ${request.url()}`); });

async function deliver(name) {
  const { headers, body } = deliveries[name];
  const answer = await fetch(endpoint, { method: "POST", headers, body });
  await answer.arrayBuffer();
  return answer.status;
}

const rows = page.locator("#rows a");
const visibleRows = page.locator("#rows li:not([hidden]) a");
const row = (text) => page.locator("#rows a", { hasText: text });
const detail = page.locator("#detail");

async function shows(locator, text) {
  await locator.filter({ hasText: text }).first().waitFor();
}

async function count(locator, expected) {
  await page.waitForFunction(([selector, expected]) => document.querySelectorAll(selector).length === expected,
    [locator === rows ? "#rows a" : "#rows li:not([hidden]) a", expected]);
}

async function picture(name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}

try {
  // Without deliveries, the page shows instructions.
  await page.goto(entrance);
  assert.equal(page.url(), url);
  await shows(page.locator("#connection"), "live");
  await shows(page.locator("#empty"), `clerk-webhook trigger user.created --to ${endpoint}`);
  assert.ok(await page.locator("#warning").isHidden());
  await picture("empty");

  // Deliveries appear without a reload, the latest on top.
  assert.equal(await deliver("created"), 200);
  await count(rows, 1);
  assert.ok(await page.locator("#empty").isHidden());
  assert.equal(await deliver("updated"), 200);
  await count(rows, 2);
  await shows(rows.first(), "user.updated");
  await shows(rows.first(), "3 changes");
  assert.equal(await deliver("again"), 200);
  await shows(rows.first(), "seen 2×");
  assert.equal(await deliver("late"), 200);
  await shows(rows.first(), "out of order");
  assert.equal(await deliver("long"), 200);
  assert.equal(await deliver("forged"), 400);
  await shows(rows.first(), "invalid_signature");
  assert.equal(await deliver("email"), 200);
  assert.equal(await deliver("markup"), 200);
  assert.equal(await deliver("markup_in_name"), 200);
  await count(rows, 9);
  // The names of events are complete.
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 820 });
    const cut = await page.locator(".row .type").evaluateAll((names) => names.filter((name) =>
      !name.title.includes("<") && (name.scrollWidth > name.clientWidth || name.scrollHeight > name.clientHeight)).length);
    assert.equal(cut, 0, `${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 820 });

  // The details of a delivery show changes and no secrets.
  await row("3 changes").last().click();
  await shows(detail.locator("h2"), "user.updated");
  const changes = page.locator("#changes tr");
  assert.deepEqual(await changes.allInnerTexts(), [
    'first_name\t"Ada"→"Grace"',
    "private_metadata\tredacted value changed",
    "updated_at\t1000→2000",
  ]);
  await shows(page.locator("#payload"), '"first_name": "Grace"');
  await shows(detail.locator(".headers"), "v1,");
  assert.match(await detail.locator(".headers tr", { hasText: "svix-signature" }).innerText(), /v1,.{8}…/);
  await picture("light");

  await row("email.created").click();
  await shows(page.locator("#payload"), "[redacted: 94 characters]");
  const words = await page.evaluate(() => document.documentElement.outerHTML);
  for (const secret of deliveries.email.secrets) assert.ok(!words.includes(secret), secret);
  await picture("email");

  // Values of a delivery are never interpreted as markup.
  const markup = deliveries.markup.type;
  await row(markup).click();
  await shows(detail.locator("h2"), markup);
  await row("markup_in_name").click();
  await shows(page.locator("#payload"), markup.replaceAll('"', '\\"'));
  await shows(page.locator("#changes"), "onerror");
  await page.locator("#text").fill(markup);
  await count(visibleRows, 1);
  await page.locator("#text").fill("");
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  assert.equal(await page.evaluate(() => document.querySelectorAll("main img, main script, main iframe, main svg").length), 0);

  // A rejected delivery shows the reason, and is resent unchanged.
  await row("invalid_signature").click();
  await shows(detail.locator(".verdict"), "no signature matches");
  await page.locator("#resend").click();
  await shows(page.locator("#resent"), "Sent unchanged: 202");
  await shows(page.locator("#resent"), "the endpoint accepted a delivery that is not authentic");
  await picture("refused");
  // An authentic delivery is signed again.
  await row("3 changes").last().click();
  await shows(detail.locator("h2"), "user.updated");
  await page.locator("#resend").click();
  await shows(page.locator("#resent"), "Sent with a new timestamp and signature: 202");
  await shows(page.locator("#resent"), "thanks");

  // Filters.
  await page.locator("#outcome").selectOption("refused");
  await count(visibleRows, 1);
  await shows(page.locator("#count"), "1 of 9");
  await page.locator("#outcome").selectOption("");
  await page.locator("#type").selectOption("email.created");
  await count(visibleRows, 1);
  await page.locator("#text").fill("nothing like that");
  await page.locator("#clear").click();
  await count(visibleRows, 9);

  // The page is usable with the keyboard alone.
  await page.keyboard.press("Escape");
  await page.locator("#nothing-open").waitFor();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "text");
  await page.keyboard.type("email");
  await count(visibleRows, 1);
  await page.keyboard.press("ArrowDown");
  await shows(detail.locator("h2"), "email.created");
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  await count(visibleRows, 9);
  await page.keyboard.press("ArrowDown");
  await shows(detail.locator(".verdict"), "no signature");

  // An open delivery stays open after a reload.
  await page.reload();
  await shows(detail.locator(".verdict"), "no signature");
  await count(rows, 9);

  // Dark mode and a narrow window.
  await page.emulateMedia({ colorScheme: "dark" });
  await row("3 changes").last().click();
  await shows(detail.locator("h2"), "user.updated");
  await picture("dark");
  await page.setViewportSize({ width: 390, height: 800 });
  assert.ok(await page.locator("#list-pane").isHidden());
  await picture("narrow-detail");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.locator("#back").click();
  await rows.first().waitFor();
  assert.ok(await page.locator("#detail-pane").isHidden());
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await picture("narrow-list");

  // A new run of the listener requires its own address, and shows only its own deliveries.
  restarts = true;
  console.log("restart");
  const newEntrance = (await lines.next()).value;
  await shows(page.locator("#connection"), "open the printed address");
  restarts = false;
  await page.goto(newEntrance);
  assert.equal(page.url(), url);
  await shows(page.locator("#connection"), "live");
  await count(rows, 0);
  assert.equal(await deliver("created"), 200);
  await count(rows, 1);
  // This listener has no endpoint to resend to.
  await rows.first().click();
  await shows(detail.locator(".needs"), "start the listener with --forward URL");
  assert.ok(await page.locator("#resend").isDisabled());

  assert.deepEqual(failures, []);
} catch (error) {
  await picture("failure");
  console.error(error, failures);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}
process.exit();
