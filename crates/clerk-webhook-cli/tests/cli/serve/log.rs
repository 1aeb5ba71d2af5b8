//! The log.

use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, fixture};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{Database, Server, check_log};
use crate::support::PATIENCE;
use crate::support::process::finish;

/// Waits for a line with this target about the delivery `msg_1`.
#[track_caller]
fn of_delivery(server: &Server, target: &str) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let is_searched = |line: &Value| line["target"] == target && line["messaging.message.id"] == "msg_1";
        if let Some(line) = server.lines().into_iter().find(is_searched) {
            return line;
        }
        assert!(Instant::now() < end, "no line of the delivery");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn json_lines_are_flat_and_have_the_names_of_the_span() {
    let database = Database::sqlite("log-json");
    let server = database.serve();
    let delivery = Delivery::of(fixture::user_created()).id("msg_1");
    assert_eq!(server.deliver(&delivery).status, 200);
    let line = of_delivery(&server, "clerk_webhook");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["clerk.event.type"], "user.created");
    assert_eq!(line["clerk.outcome"], "processed");
    assert!(line["message"].is_string() && line["target"].is_string(), "{line}");
    let time = line["timestamp"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    assert!(line.as_object().unwrap().values().all(|value| !value.is_object()), "{line}");
}

#[test]
fn lines_in_a_span_contain_its_fields() {
    let database = Database::sqlite("log-span");
    let server = Server::start(database.command().env("RUST_LOG", "debug"));
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    // The statements of the delivery run in its span.
    let line = of_delivery(&server, "sqlx::query");
    assert_eq!(
        (&line["clerk.event.type"], &line["clerk.scope"]),
        (&json!("user.created"), &json!("clerk")),
        "{line}"
    );
    // The library writes no message.
    assert_eq!(line["message"], "sqlx::query", "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_migration_are_logged_only_on_demand() {
    for (levels, are_logged) in
        [("info", false), ("info,graphile_worker_migrations=info", true), ("debug", true)]
    {
        let Some(database) = Database::postgres("log").await else { return };
        let drop = format!("DROP SCHEMA IF EXISTS {}_worker CASCADE", database.schema);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(database.postgres.as_ref().unwrap()).await.unwrap();
        let mut command = database.command();
        command.args(["--log", levels, "--forward-to", "http://127.0.0.1:9/", "--admin-listen", "off"]);
        // The start ends after the migration, because this machine does not have the address.
        let run = finish(command.args(["--listen", "192.0.2.1:1"]), b"");
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("updated the tables"), "{run:?}");
        let (step, notice) = ("Running breaking migration", "sqlx::postgres::notice");
        assert_eq!(run.stderr.contains(step), are_logged, "{levels}: {run:?}");
        assert_eq!(run.stderr.contains(notice), levels == "debug", "{levels}: {run:?}");
        run.stderr.lines().for_each(check_log);
    }
}

#[test]
fn the_level_and_the_format_can_be_set() {
    let database = Database::sqlite("log-text");
    let mut command = database.command();
    command.env("CLERK_WEBHOOK_LISTEN", "192.0.2.1:1").args(["--log-format", "text"]);
    let run = finish(&mut command, b"");
    assert_eq!(run.code, 2, "{run:?}");
    let first = run.stderr.lines().next().unwrap();
    assert!(first.contains("INFO") && !first.starts_with('{'), "{first}");

    let run =
        finish(database.command().env("CLERK_WEBHOOK_LISTEN", "192.0.2.1:1").env("RUST_LOG", "error"), b"");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    let mut command = database.command();
    command.env("RUST_LOG", "error").args(["--log", "info", "--json", "--print-config"]);
    let shown = finish(&mut command, b"").objects().remove(0);
    assert_eq!(shown["log"], json!({ "value": "info", "origin": "--log" }));
}

#[test]
fn shows_no_secret_at_the_finest_level() {
    let database = Database::sqlite("log-trace");
    let mut command = database.command();
    let server = Server::start(command.env("RUST_LOG", "trace"));
    // The helper checks each line.
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    server.signal("TERM");
    server.line("shut down");
}
