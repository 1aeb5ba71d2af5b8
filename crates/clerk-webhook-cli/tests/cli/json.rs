//! Compares `JSON.md` with the output of `--json`.

use std::collections::BTreeSet;

use clerk_webhook_test::{Delivery, fixture};
use serde_json::Value;

#[cfg(feature = "queue")]
use crate::queue::Application;
use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::listener::Listener;
use crate::support::process::{SECRET, run, run_with};
use crate::support::server::{Server, response};

const DOCUMENT: &str = include_str!("../../JSON.md");

/// Fields whose members are data and not part of the format.
const FREE: [&str; 6] = ["example", "headers", "outcomes", "payload", "skip_reasons", "body"];

/// The section of the document about a command.
fn section(command: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("\n## `{command}`\n")).expect("a section");
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// Returns the names of fields in the code of a text. A path such as `changes[].path` contains several names.
fn names(text: &str) -> BTreeSet<String> {
    let code = text.split('`').skip(1).step_by(2);
    let is_part = |character: char| !character.is_ascii_alphanumeric() && character != '_';
    code.flat_map(|code| code.split(is_part)).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Returns the names in the first column of all tables of fields.
fn rows(section: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_table = false;
    for line in section.lines() {
        is_table = line.starts_with("| field ") || (is_table && line.starts_with('|'));
        if let Some((_, cells)) = line.split_once("| ").filter(|_| is_table && line.starts_with("| `")) {
            found.extend(names(cells.split(" | ").next().unwrap_or_default()));
        }
    }
    found
}

/// Collects the names of the fields of an object, and of the objects inside it.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(name.clone());
                if !FREE.contains(&name.as_str()) {
                    fields(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

/// Fails unless the section describes all fields of these objects, and only fields that occur in them.
fn check(command: &str, objects: &[Value]) {
    let section = section(command);
    let mut described = names(section);
    for line in section.lines().filter(|line| line.starts_with('{')) {
        fields(&serde_json::from_str(line).expect("an example is JSON"), &mut described);
    }
    for other in ["trigger", "backfill"] {
        if section.contains(&format!("(#{other})")) {
            described.extend(names(self::section(other)));
        }
    }
    let mut found = BTreeSet::new();
    objects.iter().for_each(|object| fields(object, &mut found));
    let missing: Vec<_> = found.difference(&described).collect();
    assert!(missing.is_empty(), "JSON.md does not describe these fields of {command}: {missing:?}");
    let unknown: Vec<_> = rows(section).into_iter().filter(|name| !found.contains(name)).collect();
    assert!(unknown.is_empty(), "JSON.md describes fields that {command} does not print: {unknown:?}");
}

#[test]
fn the_document_describes_all_fields_of_commands_without_network() {
    let folder = Folder::new("json-document");
    check(
        "secret",
        &[run(&["secret", "new", "--json"]).objects(), run(&["secret", "check", "--json"]).objects()]
            .concat(),
    );
    check(
        "events",
        &[run(&["events", "--json"]).objects(), run(&["events", "user.created", "--json"]).objects()]
            .concat(),
    );
    let signed = run_with(&["sign", "--json"], Some(SECRET), b"{}");
    check("sign", &signed.objects());
    let line = signed.stdout;
    let forged = line.replace("e30=", "W10=");
    let lines = folder.write("lines.ndjson", format!("{line}{forged}").as_bytes());
    folder.write("unreadable.http", b"");
    check(
        "verify",
        &[run(&["verify", &lines, "--json"]).objects(), run(&["verify", folder.path(), "--json"]).objects()]
            .concat(),
    );
}

#[test]
fn the_document_describes_all_fields_of_commands_that_send() {
    let server = Server::new(|_| response(500, &[("retry-after", "1")], r#"{"outcome":"failed"}"#));
    let url = server.url();
    let run_all = |calls: &[&[&str]]| {
        calls
            .iter()
            .flat_map(|call| run(&[call, &["--to", &url, "--json"][..]].concat()).objects())
            .collect::<Vec<_>>()
    };
    check("trigger", &run_all(&[&["trigger", "user.created"], &["trigger", "user.created", "--dry-run"]]));
    check(
        "scenario",
        &run_all(&[
            &["scenario", "all", "--events", "3", "--each"],
            &["scenario", "all", "--events", "3", "--dry-run"],
        ]),
    );
    let folder = Folder::new("json-document-replay");
    let line = run_with(&["sign", "--json"], Some(SECRET), b"{}").stdout;
    folder.write("lines.ndjson", format!("{line}{}", line.replace("e30=", "W10=")).as_bytes());
    folder.write("unreadable.http", b"");
    let folder = folder.path();
    check("replay", &run_all(&[&["replay", folder], &["replay", folder, "--dry-run"]]));
    check("doctor", &run(&["doctor", &url, "--json"]).objects());
}

#[cfg(feature = "sync")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_describes_all_fields_of_imports() {
    let (backfill, reconcile, db) = crate::import::all_objects().await;
    check("backfill", &backfill);
    check("reconcile", &reconcile);
    check("db", &db);
}

#[cfg(feature = "queue")]
#[tokio::test]
async fn the_document_describes_all_fields_of_queue() {
    let application = Application::new("json-document").await;
    application.three_dead().await;
    application.add("msg_4", "user.created", "{}").await;
    let calls: [&[&str]; 7] = [
        &["list"],
        &["show", "msg_1"],
        &["show", "msg_1", "--payload"],
        &["stats"],
        &["retry", "msg_1"],
        &["discard", "msg_2", "--yes"],
        &["retry", "--all"],
    ];
    let objects: Vec<_> = calls.iter().flat_map(|call| application.objects(call)).collect();
    check("queue", &objects);
}

#[cfg(feature = "serve")]
#[test]
fn the_document_describes_all_fields_of_health() {
    // Nothing listens on this port.
    check("health", &run(&["health", "http://127.0.0.1:9/livez", "--json"]).objects());
}

#[test]
fn the_document_describes_all_fields_of_listen() {
    let server = Server::new(|_| response(500, &[], ""));
    let folder = Folder::new("json-document-listen");
    let listener = Listener::start(&["--json", "--forward", &server.url(), "--record", folder.path()]);
    let changed =
        Delivery::of(fixture::user_created()).set("/data/first_name", "Grace").set("/data/updated_at", 1);
    let deliveries = [Delivery::of(fixture::user_created()), changed];
    let objects = deliveries.map(|delivery| {
        listener.deliver(&delivery);
        listener.json()
    });
    check("listen", &objects);
}

#[test]
fn the_document_describes_all_fields_of_api() {
    let api = Api::start(&["--json", "--events", "20"]);
    let start = serde_json::from_str(&api.first).unwrap();
    api.get("/users");
    check("api", &[start, serde_json::from_str(&api.line()).unwrap()]);
}
