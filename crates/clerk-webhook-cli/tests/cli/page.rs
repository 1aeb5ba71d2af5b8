//! The page of `clerk-webhook listen`, in Chromium.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use clerk_webhook_core::Timestamp;
use clerk_webhook_test::{Delivery, fixture};
use serde_json::{Value, json};

use crate::support::listener::Listener;
use crate::support::server::Server;

/// Markup that would run a script if the page did not escape it.
const MARKUP: &str =
    r#"<img src=x onerror="globalThis.ran = true; alert(1)"><script>globalThis.ran = true</script>"#;

/// Returns the path of Chromium, or `None` after printing how to install what is missing.
///
/// # Panics
///
/// Panics instead of returning `None` if `CI` is set.
fn browser(folder: &Path) -> Option<OsString> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = names
        .iter()
        .find_map(|name| env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file()));
    let has_node = Command::new("node").arg("--version").output().is_ok();
    let missing = if !has_node {
        "Node, from https://nodejs.org"
    } else if !folder.join("node_modules/playwright-core").exists() {
        "playwright-core: npm ci --prefix crates/clerk-webhook-cli/tests/page"
    } else if found.is_none() {
        "Chromium: apt-get install chromium"
    } else {
        return found.map(Into::into);
    };
    assert!(env::var_os("CI").is_none(), "the page test needs {missing}");
    // Written directly, because the test harness captures `eprintln!`.
    let _ = writeln!(std::io::stderr(), "skipped: the page test needs {missing}");
    None
}

fn user(id: &str, name: &str, updated_at: i64) -> Delivery {
    let delivery = Delivery::of(fixture::user_updated()).id(id).set("/data/first_name", name);
    delivery.set("/data/updated_at", updated_at).set("/timestamp", Timestamp::now().as_millis())
}

fn described(delivery: &Delivery) -> Value {
    let headers: serde_json::Map<String, Value> =
        delivery.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let body = String::from_utf8(delivery.body().to_vec()).expect("text");
    json!({ "headers": headers, "body": body })
}

#[test]
fn the_page_shows_opens_and_resends_deliveries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let Some(browser) = browser(&folder) else { return };
    let sink =
        Server::always("HTTP/1.1 202 Accepted\r\ncontent-length: 6\r\nconnection: close\r\n\r\nthanks");
    // The listener responds as --respond says, so the sink's response appears only for resent deliveries.
    let arguments = ["--forward", &sink.url(), "--respond", "200"];
    let listener = Listener::start(&arguments);

    let created = Delivery::of(fixture::user_created()).id("msg_created");
    let updated = user("msg_updated", "Grace", 2000).set("/data/private_metadata/ledger", 1);
    let mut deliveries = json!({
        "created": described(&user("msg_first", "Ada", 1000)),
        "updated": described(&updated),
        "again": described(&updated),
        "late": described(&user("msg_late", "Ada", 1500)),
        "forged": described(&created.altered()),
        "long": described(&Delivery::of(fixture::subscription_item_free_trial_ending()).id("msg_long")),
        "email": described(&Delivery::of(fixture::email_created()).id("msg_email")),
        "markup": described(&Delivery::of_json(json!({ "type": MARKUP, "data": { "id": MARKUP, MARKUP: MARKUP } })).id("msg_markup")),
        "markup_in_name": described(&user("msg_markup_in_name", MARKUP, 3000)),
    });
    deliveries["markup"]["type"] = MARKUP.into();
    deliveries["email"]["secrets"] =
        json!(["602214", "Café Analytique with the code", "DOCTYPE html>\n<html lang"]);
    let task = json!({
        "browser": browser.to_str().expect("text"),
        "page": listener.url("/_clerk/"),
        "entrance": listener.url(&listener.entrance()),
        "endpoint": listener.url("/webhooks/clerk"),
        "deliveries": deliveries,
    });

    let mut script = Command::new("node")
        .arg(folder.join("page.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut input = script.stdin.take().expect("the stream is piped");
    writeln!(input, "{task}").expect("the script reads its input");
    let port = listener.port().to_string();
    let mut listener = Some(listener);
    for line in BufReader::new(script.stdout.take().expect("the stream is piped")).lines() {
        if line.expect("text") == "restart" {
            drop(listener.take());
            let other = Listener::start(&["--port", &port]);
            writeln!(input, "{}", other.url(&other.entrance())).expect("the script reads its input");
            listener = Some(other);
        }
    }
    assert!(script.wait().expect("the script runs").success(), "the page test failed; see its output above");
}
