//! The automatic import, and comparisons by schedule.

use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, FakeBackendApi, History, ObjectKind, Scenario, fixture};
use serde_json::{Value, json};

use super::{Database, Server};
use crate::support::PATIENCE;
use crate::support::clerk::{Clerk, Reaction};

pub(super) fn history(users: usize) -> History {
    History::builder().scenario(Scenario::SignUp).seed(7).users(users).build()
}

/// Starts the API at the end of a history, an hour after its last event.
pub(super) async fn clerk(history: &History) -> Clerk {
    let fake = FakeBackendApi::new(history);
    fake.pass(Duration::from_secs(3600));
    Clerk::start(fake).await
}

fn is_done(status: &Value, kind: &str) -> bool {
    status["sweep"]["last"]["kind"] == kind && status["sweep"]["running"].is_null()
}

async fn imports_once(database: Database) {
    let history = history(30);
    let clerk = clerk(&history).await;
    let server = Server::start(&mut database.command_with(&clerk.url));
    let line = server.line("sweep finished");
    let users = clerk.fake.objects(ObjectKind::User).len();
    assert_eq!((&line["kind"], &line["inserted"]), (&json!("backfill"), &json!(users)), "{line}");
    let status = server.wait_for(|status| is_done(status, "backfill"));
    assert_eq!(status["sweep"]["last"]["result"], "ok", "{status}");
    assert_eq!(status["tables"]["users"]["live"], users, "{status}");
    assert_eq!(status["instance_id"], clerk.fake.instance_id());
    let inserted = r#"clerk_sync_apply_total{table="users",result="inserted",source="backfill"}"#;
    assert_eq!(server.metric(inserted), Some(users as f64));
    assert!(server.metric(r#"clerk_sync_last_sweep_timestamp_seconds{kind="backfill"}"#).is_some());
    let requests = r#"clerk_api_requests_total{endpoint="/users",status="200"}"#;
    assert!(server.metric(requests).unwrap() >= 1.0);
    drop(server);

    // The import has completed, so the next start does not import.
    clerk.set_rule(|path, _| path.contains("/users").then_some(Reaction::Hang));
    let server = Server::start(&mut database.command_with(&clerk.url));
    server.line("next comparison with Clerk");
    let status = server.status();
    assert!(status["sweep"]["running"].is_null(), "{status}");
    assert_eq!(status["sweep"]["last"]["kind"], "backfill", "{status}");
    assert!(server.metric(r#"clerk_sync_last_sweep_timestamp_seconds{kind="backfill"}"#).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_once_into_sqlite() {
    imports_once(Database::sqlite("import")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_once_into_postgres() {
    let Some(database) = Database::postgres("import").await else { return };
    imports_once(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_what_was_deleted_while_it_was_down_and_warns_that_no_delivery_arrives() {
    let database = Database::sqlite("deleted");
    let history = History::builder().scenario(Scenario::Churn).seed(7).events(400).build();
    let all = history.events();
    let last = all.iter().rposition(|event| event.event_type() == "user.deleted").unwrap();
    let fake = FakeBackendApi::from_events(all[..last].to_vec());
    fake.advance_to(usize::MAX);
    fake.pass(Duration::from_secs(3600));
    let before = Clerk::start(fake.with_instance_id("ins_1")).await;
    let server = Server::start(&mut database.command_with(&before.url));
    server.line("sweep finished");
    drop(server);
    let deleted_before = database.count("users", "deleted_at IS NOT NULL").await;

    // Clerk deletes a user while the server is down.
    let fake = FakeBackendApi::from_events(all[..=last].to_vec());
    fake.advance_to(usize::MAX);
    // A row becomes a tombstone only if it has not changed for a while.
    fake.pass(Duration::from_secs(2 * 3600));
    let after = Clerk::start(fake.with_instance_id("ins_1")).await;
    let mut command = database.command_with(&after.url);
    let server = Server::start(command.env("CLERK_WEBHOOK_RECONCILE_EVERY", "1s"));
    let line = server.line("sweep finished");
    assert_eq!((&line["kind"], &line["tombstoned"]), (&json!("reconcile"), &json!(1)), "{line}");
    let warning = server.line("no delivery arrives");
    assert_eq!(
        (&warning["level"], &warning["last_delivery_at"]),
        (&json!("WARN"), &json!("never")),
        "{warning}"
    );
    assert_eq!(database.count("users", "deleted_at IS NOT NULL").await, deleted_before + 1);
    let extra = server.metric(r#"clerk_sync_drift_rows{table="users",kind="extra"}"#);
    assert!(extra.is_some(), "{}", server.admin("/metrics", "").body);
    // The next comparison repairs nothing, so it does not warn.
    server.line("next comparison");
    server.line("sweep finished");
    does_not_warn(&server);
}

/// Reads the lines until the next comparison is planned. None may warn that no delivery arrives.
#[track_caller]
fn does_not_warn(server: &Server) {
    loop {
        let line = server.next_line();
        let message = line["message"].as_str().unwrap();
        assert!(!message.contains("no delivery"), "{line}");
        if message.starts_with("next comparison") {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_not_warn_if_deliveries_arrive() {
    let database = Database::sqlite("arrives");
    let history = history(30);
    let clerk = clerk(&history).await;
    let mut command = database.command_with(&clerk.url);
    command.env("CLERK_WEBHOOK_BACKFILL", "off").env("CLERK_WEBHOOK_RECONCILE_EVERY", "3s");
    let server = Server::start(&mut command);
    // Deliveries arrive before, during and after the sweep.
    let end = Instant::now() + PATIENCE;
    let line = loop {
        assert!(Instant::now() < end, "no sweep has finished");
        assert_eq!(server.deliver(&Delivery::of(fixture::email_created())).status, 200);
        let lines = server.lines();
        let warns = |line: &&Value| line["message"].as_str().unwrap_or_default().contains("no delivery");
        assert_eq!(lines.iter().find(warns), None);
        if let Some(line) = lines.into_iter().find(|line| line["message"] == "sweep finished") {
            break line;
        }
    };
    assert_eq!(line["kind"], "reconcile");
    does_not_warn(&server);
    assert!(line["inserted"].as_u64() > Some(0), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_a_failed_sweep_and_continues_to_accept_deliveries() {
    let database = Database::sqlite("failed");
    let history = history(30);
    let clerk = clerk(&history).await;
    let mut command = database.command_with(&clerk.url);
    let server = Server::start(
        command.env("CLERK_WEBHOOK_BACKFILL", "off").env("CLERK_WEBHOOK_RECONCILE_EVERY", "1s"),
    );
    server.line("sweep finished");
    clerk.set_rule(|path, _| path.contains("/users").then_some(Reaction::Status(404)));
    let line = server.line("sweep failed");
    assert_eq!(line["level"], "ERROR", "{line}");
    let status = server.wait_for(|status| status["sweep"]["last"]["result"] == "failed");
    assert_eq!(status["sweep"]["last"]["kind"], "reconcile", "{status}");
    assert_eq!(server.deliver(&Delivery::of(fixture::email_created())).status, 200);
}
