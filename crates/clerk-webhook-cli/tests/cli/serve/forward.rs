//! `--forward-to`: the application receives each event until it answers with 2xx.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clerk_webhook_core::Verifier;
use clerk_webhook_test::{Delivery, fixture};
use clerk_webhook_tests::clients::{Judged, official_verdicts};
use serde_json::json;

use super::{Database, Server};
use crate::support::PATIENCE;
use crate::support::endpoint::receiver;
use crate::support::process::SECRET;
use crate::support::server::{self, response};

const OTHER: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

fn start(database: &Database, url: &str) -> Server {
    Server::start(database.command().args(["--forward-to", url]))
}

fn metric(result: &str) -> String {
    format!(r#"clerk_webhook_forward_attempts_total{{event_type="user.created",result="{result}"}}"#)
}

fn forwards(database: Database) {
    let (application, events) = receiver();
    let server = start(&database, &application.url);
    let delivery = Delivery::of(fixture::user_created()).id("msg_1");
    assert_eq!(server.deliver(&delivery).json(), json!({ "outcome": "processed" }));
    // The adapter has verified the event.
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(event.message_id().as_str(), "msg_1");
    assert_eq!(event.raw_body(), &delivery.body());
    // Duplicates are not forwarded, and types that have no table are.
    assert_eq!(server.deliver(&delivery).json(), json!({ "outcome": "duplicate" }));
    assert_eq!(server.deliver(&Delivery::of(fixture::session_created()).id("msg_2")).status, 200);
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().message_id().as_str(), "msg_2");
    server.wait_for(|status| status["queue"]["ready"] == 0 && status["queue"]["running"] == 0);
    assert!(events.try_recv().is_err());
    assert_eq!(server.metric(&metric("delivered")), Some(1.0));
    assert_eq!(server.metric("clerk_webhook_forward_duration_seconds_count"), Some(2.0));
    // The events of the queue do not count as deliveries a second time.
    let labels = r#"scope="clerk",event_type="user.created""#;
    let deliveries = |outcome: &str| {
        server.metric(&format!(r#"clerk_webhook_deliveries_total{{{labels},outcome="{outcome}"}}"#))
    };
    assert_eq!((deliveries("processed"), deliveries("duplicate")), (Some(1.0), Some(1.0)));
    let durations = format!("clerk_webhook_handler_duration_seconds_count{{{labels}}}");
    assert_eq!(server.metric(&durations), Some(1.0));
    assert_eq!(server.metric(r#"clerk_webhook_delivery_lag_seconds_count{scope="clerk"}"#), Some(3.0));
}

#[test]
fn forwards_signed_events_from_sqlite() {
    forwards(Database::sqlite("forward"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwards_signed_events_from_postgres() {
    let Some(database) = Database::postgres("forward").await else { return };
    tokio::task::spawn_blocking(move || forwards(database)).await.unwrap();
}

/// Each language's own libraries verify the request as if Clerk had sent it.
#[test]
fn the_official_libraries_accept_the_forwarded_request_unchanged() {
    let database = Database::sqlite("forward-official");
    let application = server::Server::new(|_| response(204, &[], ""));
    let server = start(&database, &application.url());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    let request = application.request();
    let judged = |name: &str, secret, authentic| Judged {
        name: name.to_owned(),
        secret,
        authentic,
        headers: request.pairs().into_iter().collect(),
        body: request.body.clone(),
    };
    let judged = [judged("forwarded", SECRET, true), judged("with another secret", OTHER, false)];
    for verdict in official_verdicts(&judged, "verifying forwarded events") {
        assert!(verdict.contains("svix 2"), "{verdict}");
    }
}

#[test]
fn sends_an_event_again_until_the_application_accepts_it() {
    let database = Database::sqlite("forward-retries");
    let elsewhere = server::Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let (attempts, url) = (Arc::new(AtomicUsize::new(0)), elsewhere.url());
    let application = server::Server::new(move |_| match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => response(500, &[], ""),
        1 => response(302, &[("location", &url)], ""),
        _ => response(200, &[], ""),
    });
    let server = start(&database, &application.url());
    let delivery = Delivery::of(fixture::user_created()).id("msg_1");
    assert_eq!(server.deliver(&delivery).status, 200);
    let verifier = Verifier::new(SECRET).unwrap();
    for attempt in ["1", "2", "3"] {
        let request = application.request();
        assert_eq!(request.header("clerk-webhook-attempt"), Some(attempt));
        assert_eq!(request.header("svix-id"), Some("msg_1"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.body, delivery.body());
        assert!(verifier.verify(&request.pairs(), &request.body).is_ok());
        if attempt != "3" {
            server.wait_for(|status| status["queue"]["ready"] == 1 || status["queue"]["running"] == 1);
        }
    }
    server.wait_for(|status| status["queue"]["ready"] == 0 && status["queue"]["running"] == 0);
    assert_eq!(
        (server.metric(&metric("retried")), server.metric(&metric("delivered"))),
        (Some(2.0), Some(1.0))
    );
    // A redirect is not followed.
    assert!(elsewhere.taken().is_empty());
    assert!(application.taken().is_empty());
}

#[test]
fn an_application_that_hangs_does_not_complete_an_event() {
    let database = Database::sqlite("forward-hangs");
    let application = server::Server::silent();
    let mut server = start(&database, &application.url());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    application.request();
    server.wait_for(|status| status["queue"]["running"] == 1);
    // The shutdown gives the event back, and another process sends it. The attempt does not count.
    server.signal("TERM");
    assert!(server.ended().success());
    drop(server);
    let application = server::Server::new(|_| response(204, &[], ""));
    let server = start(&database, &application.url());
    let request = application.request();
    assert_eq!(request.header("svix-id"), Some("msg_1"));
    assert_eq!(request.header("clerk-webhook-attempt"), Some("1"));
    server.wait_for(|status| status["queue"]["ready"] == 0 && status["queue"]["running"] == 0);
}

#[test]
fn sends_an_event_again_after_the_time_limit() {
    let database = Database::sqlite("forward-limit");
    let application = server::Server::silent();
    let server = start(&database, &application.url());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    application.request();
    assert_eq!(application.request().header("clerk-webhook-attempt"), Some("2"));
    assert_eq!(server.metric(&metric("retried")), Some(1.0));
}

#[test]
fn an_application_can_reject_an_event_for_good() {
    let database = Database::sqlite("forward-dead");
    for (id, answer, dead) in [
        ("msg_1", response(410, &[], ""), 1),
        ("msg_2", response(503, &[("webhook-delivery", "abort-message")], ""), 2),
    ] {
        let application = server::Server::new(move |_| answer.clone());
        let server = start(&database, &application.url());
        assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id(id)).status, 200);
        assert_eq!(application.request().header("svix-id"), Some(id));
        let status = server.wait_for(|status| status["queue"]["dead"] == dead);
        assert_eq!((&status["queue"]["ready"], &status["queue"]["running"]), (&json!(0), &json!(0)));
        assert_eq!(server.metric(&metric("dead")), Some(1.0));
        // Dead letters do not make the server unready.
        assert_eq!(server.admin("/readyz", "").status, 200);
    }
}

#[test]
fn keeps_to_the_delay_of_the_application() {
    let database = Database::sqlite("forward-delay");
    let application = server::Server::new(|_| response(503, &[("retry-after", "3600")], ""));
    let server = start(&database, &application.url());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    application.request();
    server.wait_for(|status| status["queue"]["ready"] == 1);
    let delay = "SELECT available_at - strftime('%s', 'now') * 1000 FROM clerk_webhook_queue";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let delay: i64 = runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&database.url).await.unwrap();
        sqlx::query_scalar(delay).fetch_one(&pool).await.unwrap()
    });
    assert!((3_500_000..3_610_000).contains(&delay), "{delay}");
}

#[test]
fn signs_with_the_secret_of_the_forward() {
    let database = Database::sqlite("forward-secret");
    let application = server::Server::new(|_| response(200, &[], ""));
    let mut command = database.command();
    command.env("CLERK_WEBHOOK_FORWARD_SECRET", OTHER).args(["--forward-to", &application.url()]);
    let server = Server::start(&mut command);
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    let request = application.request();
    let verifies =
        |secret: &str| Verifier::new(secret).unwrap().verify(&request.pairs(), &request.body).is_ok();
    assert_eq!((verifies(OTHER), verifies(SECRET)), (true, false));
}
