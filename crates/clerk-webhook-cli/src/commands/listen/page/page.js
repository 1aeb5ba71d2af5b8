// The page of `clerk-webhook listen`. Deliveries are untrusted: they are inserted only as text, never as markup.

const ROOT = "/_clerk/";
const find = (id) => document.getElementById(id);

/** The deliveries by number, each with its row. */
const deliveries = new Map();
let about = { limit: 200, forward: null, secrets: 0 };
let opened = null;

// Building blocks

/** Creates an element. Strings among the children become text nodes. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const badge = (text, kind = "") => make("span", { className: `badge ${kind}` }, text);

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(millis) {
  const sign = millis < 0 ? "−" : "";
  const value = Math.abs(millis);
  if (value < 1000) return `${sign}${value} ms`;
  if (value < 10e3) return `${sign}${(value / 1e3).toFixed(1)} s`;
  if (value < 60e3) return `${sign}${Math.floor(value / 1e3)} s`;
  if (value < 3600e3) return `${sign}${Math.floor(value / 60e3)} min`;
  if (value < 86400e3) return `${sign}${Math.floor(value / 3600e3)} h`;
  return `${sign}${Math.floor(value / 86400e3)} d`;
}

const two = (number) => String(number).padStart(2, "0");

function clock(millis, fine = false) {
  const date = new Date(millis);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${time}.${String(date.getMilliseconds()).padStart(3, "0")}` : time;
}

function moment(millis) {
  return `${new Date(millis).toLocaleDateString()} ${clock(millis, true)}`;
}

const kind = (delivery) => ({ refused: "bad", unverified: "odd" })[delivery.origin] ?? "good";
const typeOf = (delivery) => delivery.type || "(no type)";
// The listener has no handler, so it only verifies.
const outcomeOf = (delivery) => delivery.outcome === "processed" ? "verified" : delivery.outcome;

async function copy(text, button) {
  let label = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    label = "Copying failed";
  }
  const before = button.textContent;
  button.textContent = label;
  setTimeout(() => { button.textContent = before; }, 1200);
}

// The list

function row(delivery) {
  const changed = delivery.changes.list.length + delivery.changes.more;
  const marks = make("span", { className: "marks" });
  const wellAnswered = delivery.status >= 200 && delivery.status < 300;
  if (delivery.status === null) marks.append(badge("no response", "bad"));
  else if (wellAnswered === (delivery.origin === "refused")) marks.append(badge(String(delivery.status), "bad"));
  if (delivery.seen > 1) marks.append(badge(`seen ${delivery.seen}×`, "odd"));
  if (delivery.overtaken_by_ms !== null || delivery.after_deletion) marks.append(badge("out of order", "odd"));
  if (delivery.unrecognized) marks.append(badge("unrecognized", "odd"));
  if (changed) marks.append(badge(`${changed} ${changed === 1 ? "change" : "changes"}`));
  return make("li", {},
    make("a", { className: "row", href: `#${delivery.number}` },
      make("span", { className: "time" }, clock(delivery.received_at)),
      make("span", { className: "type", title: typeOf(delivery) }, ...typeOf(delivery).match(/[^.]*\.|[^.]+/g).flatMap((part) => [part, make("wbr")])),
      make("span", { className: "outcome" }, badge(outcomeOf(delivery), kind(delivery))),
      make("span", { className: "number" }, delivery.lag_ms === null ? "" : duration(delivery.lag_ms)),
      make("span", { className: "number" }, size(delivery.bytes)),
      make("span", { className: "more" }, make("span", { className: "id" }, delivery.id ?? "(no id)"), marks)));
}

/** Deliveries that are not in the list yet. They are added in batches. */
let arrived = [];

function arrive(delivery) {
  if (!arrived.length) setTimeout(addArrived, 16);
  arrived.push({ delivery, isNew: caughtUp });
}

function addArrived() {
  const list = find("list");
  const height = list.scrollHeight;
  const items = [];
  for (const { delivery, isNew } of arrived) {
    if (deliveries.has(delivery.number)) continue;
    const item = row(delivery);
    item.hidden = !matches(delivery);
    item.firstChild.classList.toggle("new", isNew);
    deliveries.set(delivery.number, { delivery, item });
    items.unshift(item);
    addType(typeOf(delivery));
  }
  arrived = [];
  find("rows").prepend(...items);
  // Keeps the scroll position if the list is not at the top.
  if (list.scrollTop > 0) list.scrollTop += list.scrollHeight - height;
  while (deliveries.size > about.limit) {
    const [oldest, { item }] = deliveries.entries().next().value;
    item.remove();
    deliveries.delete(oldest);
  }
  deliveries.get(opened)?.item.firstChild.setAttribute("aria-current", "true");
  count();
}

function addType(type) {
  const select = find("type");
  const options = [...select.options].slice(1);
  if (options.some((option) => option.value === type)) return;
  const after = options.find((option) => option.value > type) ?? null;
  select.insertBefore(make("option", { value: type }, type), after);
}

function matches(delivery) {
  const text = find("text").value.trim().toLowerCase();
  const type = find("type").value;
  const outcome = find("outcome").value;
  if (type && typeOf(delivery) !== type) return false;
  if (outcome && (outcome === "refused") !== (delivery.origin === "refused")) return false;
  const words = [typeOf(delivery), delivery.id, outcomeOf(delivery), delivery.object?.id, delivery.path];
  return !text || words.some((word) => word?.toLowerCase().includes(text));
}

function filter() {
  for (const { delivery, item } of deliveries.values()) item.hidden = !matches(delivery);
  count();
}

function count() {
  const shown = [...deliveries.values()].filter(({ item }) => !item.hidden).length;
  const all = deliveries.size;
  find("count").textContent = shown === all ? `${all || ""}` : `${shown} of ${all}`;
  find("empty").hidden = all > 0;
  find("no-match").hidden = all === 0 || shown > 0;
}

function clear() {
  arrived = [];
  deliveries.clear();
  find("rows").replaceChildren();
  count();
}

/** Opens the next visible delivery above or below the open one. */
function step(by) {
  const rows = [...find("rows").children].filter((item) => !item.hidden).map((item) => item.firstChild);
  const at = rows.findIndex((link) => link.hash === location.hash);
  const next = rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  location.replace(next.hash);
}

// One delivery

async function open() {
  const number = Number(location.hash.slice(1)) || null;
  opened = number;
  for (const link of find("rows").querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  document.body.classList.toggle("open", number !== null);
  find("detail").hidden = number === null;
  find("nothing-open").hidden = number !== null;
  if (number === null) return;
  deliveries.get(number)?.item.firstChild.setAttribute("aria-current", "true");
  let response;
  try {
    response = await fetch(`${ROOT}deliveries/${number}`);
  } catch {
    response = null;
  }
  // Another delivery was opened in the meantime.
  if (opened !== number) return;
  if (!response?.ok) {
    const why = response?.status === 404
      ? "This delivery is no longer in the history. Increase --limit to keep more deliveries."
      : "clerk-webhook listen does not respond. Check that it is running.";
    find("detail").replaceChildren(backButton(), make("p", { className: "hint" }, why));
    return;
  }
  show(await response.json());
}

function backButton() {
  return make("button", { type: "button", id: "back", onclick: close }, "← Back");
}

function close() {
  history.replaceState(null, "", location.pathname);
  const number = opened;
  open();
  deliveries.get(number)?.item.firstChild.focus();
}

function show({ delivery, headers, payload, payload_is_cut: isCut }) {
  const title = make("header", {}, backButton(), make("h2", {}, typeOf(delivery)),
    badge(outcomeOf(delivery), kind(delivery)),
    badge(delivery.status === null ? "no response" : `response ${delivery.status}`));
  const resend = make("button", { type: "button", className: "main", id: "resend", disabled: !about.forward, title: about.forward ? `to ${about.forward}` : "" }, "Resend");
  resend.onclick = () => send(delivery, resend);
  title.append(make("div", { className: "actions" }, resend));
  if (!about.forward) {
    const option = make("code", {}, "--forward URL");
    title.append(make("p", { className: "needs" }, "To resend deliveries to your server, start the listener with ", option));
  }
  find("detail").replaceChildren(...[
    title,
    verdict(delivery),
    make("div", { id: "resent", className: "card", role: "status", hidden: true }),
    facts(delivery),
    ...changes(delivery),
    make("h3", {}, "Payload ", make("span", {}, "secrets are redacted")),
    make("div", { className: "card" }, make("pre", { id: "payload" }, ...payloadText(delivery, payload))),
    isCut ? make("p", { className: "hint" }, "The payload is truncated. Use --record to save complete payloads.") : null,
    make("h3", {}, "Headers"),
    make("div", { className: "card" }, make("table", { className: "headers" }, make("tbody", {},
      ...headers.map(([name, value]) => make("tr", {}, make("td", {}, name), make("td", {}, value)))))),
  ].filter(Boolean));
  find("detail-pane").scrollTop = 0;
}

function verdict(delivery) {
  if (!delivery.reason) return null;
  // Text between backticks is code.
  const words = delivery.advice?.split("`").map((text, index) => (index % 2 ? make("code", {}, text) : text));
  const advice = words ? make("p", {}, ...words) : null;
  return make("div", { className: `verdict ${kind(delivery)}` }, make("p", {}, delivery.reason), advice);
}

function facts(delivery) {
  const list = make("dl", { className: "facts" });
  const fact = (name, ...value) => list.append(make("dt", {}, name), make("dd", {}, ...value));
  const code = (text) => make("code", {}, text);
  fact("Message", code(delivery.id ?? "(no id)"), delivery.seen > 1 ? badge(`seen ${delivery.seen}×`, "odd") : "");
  if (delivery.object) fact("Object", `${delivery.object.kind} `, code(delivery.object.id), delivery.object.deleted ? badge("deleted", "bad") : "");
  fact("Received", moment(delivery.received_at), " at ", code(delivery.path));
  if (delivery.lag_ms !== null) fact("Lag", `${duration(delivery.lag_ms)} after the event`);
  // The timestamp header has a resolution of one second.
  const age = Math.round((delivery.age_ms ?? 0) / 1000);
  const signed = age > 1 ? `${duration(age * 1000)} before it arrived` : age < -1 ? `${duration(-age * 1000)} ahead of this machine’s clock` : "when it arrived";
  if (delivery.age_ms !== null) fact("Signed", `${signed}${delivery.secret && about.secrets > 1 ? `, with secret ${delivery.secret}` : ""}`);
  fact("Size", size(delivery.bytes));
  if (delivery.unrecognized) fact("Data", badge("unrecognized", "odd"), ` ${delivery.unrecognized}`);
  if (delivery.overtaken_by_ms !== null) fact("Order", badge("out of order", "odd"), ` a version that is ${duration(delivery.overtaken_by_ms)} newer arrived earlier`);
  if (delivery.after_deletion) fact("Order", badge("out of order", "odd"), " the object was already deleted");
  if (delivery.forwarded) {
    const { status, elapsed_ms: elapsed, error, remark } = delivery.forwarded;
    fact("Forwarded", status === null ? error : `${status} after ${elapsed} ms`, ...(remark ? [make("p", { className: "remark" }, remark)] : []));
  }
  if (delivery.recorded) fact("Recorded", code(delivery.recorded));
  if (delivery.record_error) fact("Recorded", badge("failed", "bad"), ` ${delivery.record_error}`);
  return list;
}

function changes(delivery) {
  if (delivery.previous === null) return [];
  const since = make("a", { href: `#${delivery.previous}` }, `delivery ${delivery.previous}`);
  const heading = make("h3", {}, "Changes ", make("span", {}, "since ", since));
  const { list, more } = delivery.changes;
  if (!list.length) return [heading, make("p", {}, "The data has not changed.")];
  const rows = list.map(({ path, before, after }) => {
    const values = [];
    if (before === after) return make("tr", {}, make("td", {}, path), make("td", { className: "redacted" }, "redacted value changed"));
    if (before !== null) values.push(make("del", {}, before));
    if (before !== null && after !== null) values.push(make("span", { className: "arrow" }, "→"));
    if (after !== null) values.push(make("ins", {}, after));
    return make("tr", {}, make("td", {}, path), make("td", {}, ...values));
  });
  if (more) rows.push(make("tr", {}, make("td", {}, `and ${more} more`), make("td", {})));
  return [heading, make("div", { className: "card" }, make("table", { className: "changes", id: "changes" }, make("tbody", {}, ...rows)))];
}

/** Splits JSON into tokens for syntax highlighting. */
function payloadText(delivery, payload) {
  if (payload === null) return [make("span", { className: "redacted" }, delivery.bytes ? "The body is not JSON and may contain secrets, so it is not shown." : "The body is empty.")];
  const parts = [];
  let end = 0;
  for (const match of payload.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g)) {
    if (match.index > end) parts.push(payload.slice(end, match.index));
    const [whole, string, colon] = match;
    const style = colon ? "key" : !string ? "value" : string.includes("[redacted") ? "redacted" : "string";
    parts.push(make("span", { className: style }, whole));
    end = match.index + whole.length;
  }
  parts.push(payload.slice(end));
  return parts;
}

async function send(delivery, button) {
  const place = find("resent");
  const say = (...children) => {
    place.hidden = false;
    place.replaceChildren(...children);
  };
  button.disabled = true;
  try {
    const response = await fetch(`${ROOT}deliveries/${delivery.number}/resend`, {
      method: "POST",
      headers: { "x-clerk-webhook-page": "1" },
    });
    if (!response.ok) {
      say(make("p", {}, await response.text()));
      return;
    }
    const { signed_anew: isSigned, result, body } = await response.json();
    const how = isSigned ? "Sent with a new timestamp and signature: " : "Sent unchanged: ";
    const good = result.status >= 200 && result.status < 300;
    say(make("p", {}, how, result.status === null ? badge(result.error, "bad") : badge(String(result.status), good ? "good" : "bad"),
      result.status === null ? "" : ` after ${result.elapsed_ms} ms`),
    ...(result.remark ? [make("p", { className: "remark" }, result.remark)] : []),
    ...(body ? [make("pre", {}, body)] : []));
  } catch {
    say(make("p", {}, "clerk-webhook listen does not respond. Check that it is running."));
  } finally {
    button.disabled = false;
  }
}

// The event stream

let caughtUp = false;
let isOther = true;

function connection(state, text) {
  find("connection").className = state;
  find("connection").textContent = text;
}

function hello(event) {
  about = JSON.parse(event.data);
  // Deliveries of another run have the same numbers.
  isOther = !about.continues;
  if (isOther) clear();
  find("endpoint").textContent = about.endpoint;
  const commands = {
    trigger: `clerk-webhook trigger user.created --to ${about.endpoint}`,
    clerk: `clerk webhooks listen --forward-to ${about.endpoint}`,
    tunnel: `cloudflared tunnel --url ${new URL(about.endpoint).origin}`,
  };
  for (const [name, command] of Object.entries(commands)) {
    document.querySelector(`[data-command=${name}]`).textContent = command;
  }
  const warning = find("warning");
  warning.hidden = about.secrets > 0;
  warning.textContent = "Deliveries are not verified, because no signing secret is set. Set CLERK_WEBHOOK_SIGNING_SECRET, or pass --secret or --secret-file, and restart.";
  connection("live", "live");
  caughtUp = false;
}

function follow() {
  const events = new EventSource(`${ROOT}follow`);
  events.addEventListener("hello", hello);
  // The history comes first. Deliveries after this event are new.
  events.addEventListener("caught-up", () => {
    caughtUp = true;
    // In another run, the number belongs to another delivery, or to none.
    if (isOther && opened !== null) open();
  });
  events.addEventListener("message", (event) => arrive(JSON.parse(event.data)));
  events.addEventListener("error", async () => {
    connection("lost", "not connected");
    // The browser reconnects automatically, unless the server rejected the request.
    if (events.readyState !== EventSource.CLOSED) return;
    const answer = await fetch(ROOT, { method: "HEAD" }).catch(() => null);
    if (answer?.status === 403) {
      // Another run has another token, or the address from --open was used a second time.
      connection("lost", "ended: open the printed address");
      return;
    }
    setTimeout(follow, 2000);
  });
}

// Input

find("filters").addEventListener("input", filter);
find("filters").addEventListener("submit", (event) => event.preventDefault());
find("clear").addEventListener("click", () => { find("filters").reset(); filter(); });
find("copy-endpoint").addEventListener("click", (event) => copy(find("endpoint").textContent, event.target));
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(document.querySelector(`[data-command=${button.dataset.copy}]`).textContent, button));
}
window.addEventListener("hashchange", open);
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (event.target === find("text")) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      step(1);
    } else if (event.key === "Escape") {
      event.target.value = "";
      event.target.blur();
      filter();
    }
  } else if (event.target.matches("select")) {
    return;
  } else if (event.key === "Escape" && opened !== null) {
    close();
  } else if (event.key === "/") {
    event.preventDefault();
    find("text").focus();
  } else if (by && !find("detail-pane").contains(document.activeElement)) {
    event.preventDefault();
    step(by);
  }
});

count();
follow();
open();
