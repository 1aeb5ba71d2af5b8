//! The answers of both listeners.

use clerk_webhook_test::{Delivery, fixture};
use serde_json::{Value, json};

use super::{Database, PATH, Server};

fn answers_deliveries(server: &Server) {
    let delivery = Delivery::of(fixture::user_created());
    for outcome in ["processed", "duplicate"] {
        let answer = server.deliver(&delivery);
        assert_eq!((answer.status, answer.json()), (200, json!({ "outcome": outcome })));
    }
    for forged in [delivery.clone().wrong_secret(), delivery.clone().stale(), delivery.unsigned()] {
        let answer = server.deliver(&forged);
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
    }
    // The sender must not retry what no retry can change.
    let unknown =
        Delivery::of_json(json!({ "type": "future.created", "data": { "id": "x_1" } })).id("msg_unknown");
    let without_id = Delivery::of(fixture::user_deleted_without_id()).id("msg_without_id");
    for ignored in [unknown, without_id] {
        let answer = server.deliver(&ignored);
        assert_eq!((answer.status, answer.json()), (200, json!({ "outcome": "ignored" })));
    }
    let status = server.status();
    assert_eq!(status["tables"]["users"], json!({ "live": 1, "deleted": 0 }), "{status}");
    assert!(status["deliveries"]["last_success_at"].is_string(), "{status}");
    for (metric, expected) in [
        (
            r#"clerk_webhook_deliveries_total{scope="clerk",event_type="user.created",outcome="processed"}"#,
            1.0,
        ),
        (
            r#"clerk_webhook_deliveries_total{scope="clerk",event_type="user.created",outcome="duplicate"}"#,
            1.0,
        ),
        (r#"clerk_webhook_verify_failures_total{reason="invalid_signature"}"#, 1.0),
        (r#"clerk_webhook_secret_matches_total{index="0"}"#, 4.0),
        (r#"clerk_sync_apply_total{table="users",result="inserted",source="event"}"#, 1.0),
    ] {
        assert_eq!(server.metric(metric), Some(expected), "{metric}");
    }
}

#[test]
fn answers_deliveries_with_sqlite() {
    answers_deliveries(&Database::sqlite("answers").serve());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_deliveries_with_postgres() {
    let Some(database) = Database::postgres("answers").await else { return };
    answers_deliveries(&database.serve());
}

#[test]
fn answers_the_paths_of_the_public_listener() {
    let server = Database::sqlite("public").serve();
    for (request, status, body) in [
        ("GET /livez HTTP/1.1\r\nhost: a\r\n", 200, r#"{"status":"alive"}"#),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\n", 200, r#"{"status":"alive"}"#),
        ("GET /readyz HTTP/1.1\r\nhost: a\r\n", 200, r#"{"status":"ready"}"#),
        ("HEAD /livez HTTP/1.1\r\nhost: a\r\n", 200, ""),
        ("POST /livez HTTP/1.1\r\nhost: a\r\n", 405, "use GET, HEAD\n"),
        ("GET /status HTTP/1.1\r\nhost: a\r\n", 404, "not found\n"),
        ("GET /metrics HTTP/1.1\r\nhost: a\r\n", 404, "not found\n"),
        ("GET / HTTP/1.1\r\nhost: a\r\n", 404, "not found\n"),
    ] {
        let answer = server.public(request);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{request}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{request}");
    }
    let answer = server.public(&format!("GET {PATH} HTTP/1.1\r\nhost: a\r\n"));
    assert_eq!((answer.status, answer.header("allow")), (405, Some("post")));
    let large = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 2097153\r\n");
    let delivery = Delivery::of(fixture::user_created());
    let headers: String =
        delivery.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    assert_eq!(server.public(&format!("{large}{headers}")).status, 413);
}

/// Returns the kinds of the values, so that a test can compare the form of an object.
fn form(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), form(value))).collect(),
        Value::Array(_) => json!("array"),
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_its_status() {
    for database in
        [Some(Database::sqlite("status")), Database::postgres("status").await].into_iter().flatten()
    {
        let mut command = database.command();
        let server = Server::start(command.env("CLERK_INSTANCE_ID", "ins_test"));
        let status = server.status();
        let rows = json!({ "live": "number", "deleted": "number" });
        let tables =
            ["users", "organizations", "memberships", "invitations", "domains", "roles", "permissions"];
        let tables = tables.into_iter().chain(["waitlist_entries"]);
        let tables: serde_json::Map<_, _> = tables.map(|table| (table.to_owned(), rows.clone())).collect();
        let is_postgres = database.postgres.is_some();
        let tls = if is_postgres { "bool" } else { "null" };
        let expected = json!({
            "version": "string",
            "started_at": "string",
            "instance_id": "string",
            "database": { "kind": "string", "schema_version": "number", "tls": tls },
            "deliveries": { "last_at": "null", "last_success_at": "null", "in_flight": "number" },
            "tables": tables,
            "sweep": { "running": "null", "last": "null" },
            "queue": "null",
        });
        assert_eq!(form(&status), expected, "{status}");
        assert_eq!(status["database"]["kind"], if is_postgres { "postgres" } else { "sqlite" });
        assert_eq!(status["instance_id"], "ins_test");
    }
}

#[test]
fn stores_the_event_for_the_forward_in_the_same_transaction() {
    let database = Database::sqlite("enqueue");
    let closed = crate::support::server::closed_port();
    let mut command = database.command();
    let server = Server::start(command.env("CLERK_WEBHOOK_FORWARD_TO", format!("http://{closed}/")));
    // The sync does not store emails, but the forward gets them.
    for (id, delivery) in
        [("msg_1", Delivery::of(fixture::user_created())), ("msg_2", Delivery::of(fixture::email_created()))]
    {
        let delivery = delivery.id(id);
        assert_eq!(server.deliver(&delivery).json(), json!({ "outcome": "processed" }));
        assert_eq!(server.deliver(&delivery).json(), json!({ "outcome": "duplicate" }));
    }
    // Attempts that fail at once are running for a moment.
    let queue = server.wait_for(|status| status["queue"]["ready"] == 2)["queue"].clone();
    assert!(queue["oldest_ready_s"].is_u64() && queue["dead"] == 0, "{queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_the_event_for_the_forward_in_postgres() {
    let Some(database) = Database::postgres("enqueue").await else { return };
    let closed = crate::support::server::closed_port();
    let mut command = database.command();
    let server = Server::start(command.env("CLERK_WEBHOOK_FORWARD_TO", format!("http://{closed}/")));
    assert_eq!(
        server.deliver(&Delivery::of(fixture::user_created())).json(),
        json!({ "outcome": "processed" })
    );
    let queue = server.status()["queue"].clone();
    assert_eq!(queue["ready"].as_u64().unwrap() + queue["running"].as_u64().unwrap(), 1, "{queue}");
}

#[test]
fn ignores_the_events_of_another_instance() {
    let database = Database::sqlite("other-instance");
    let closed = crate::support::server::closed_port();
    let mut command = database.command();
    command
        .env("CLERK_INSTANCE_ID", "ins_other")
        .env("CLERK_WEBHOOK_FORWARD_TO", format!("http://{closed}/"));
    let server = Server::start(&mut command);
    let answer = server.deliver(&Delivery::of(fixture::user_created()));
    assert_eq!((answer.status, answer.json()), (200, json!({ "outcome": "ignored" })));
    let status = server.status();
    assert_eq!((&status["tables"]["users"]["live"], &status["queue"]["ready"]), (&json!(0), &json!(0)));
}

#[test]
fn names_its_metrics_as_documented() {
    let server = Database::sqlite("metrics").serve();
    server.deliver(&Delivery::of(fixture::user_created()));
    let answer = server.admin("/metrics", "");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    for line in [
        "# TYPE clerk_webhook_build_info gauge",
        "# TYPE clerk_webhook_deliveries_total counter",
        "# TYPE clerk_webhook_handler_duration_seconds histogram",
        "# TYPE clerk_webhook_delivery_lag_seconds histogram",
        "# TYPE clerk_webhook_in_flight gauge",
        "# TYPE clerk_webhook_last_success_timestamp_seconds gauge",
        "# TYPE clerk_webhook_secret_matches_total counter",
        "# TYPE clerk_webhook_db_connections gauge",
        "# TYPE clerk_sync_apply_total counter",
        "# TYPE process_start_time_seconds gauge",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line}\n{}", answer.body);
    }
    // The connection can be in use by a sweep or a check.
    let connections = ["idle", "used"]
        .map(|state| server.metric(&format!(r#"clerk_webhook_db_connections{{state="{state}"}}"#)));
    assert!(connections.iter().all(Option::is_some), "{}", answer.body);
    let lag = r#"clerk_webhook_delivery_lag_seconds_bucket{scope="clerk",le="172800"}"#;
    let duration =
        r#"clerk_webhook_handler_duration_seconds_bucket{scope="clerk",event_type="user.created",le="15"}"#;
    assert!(server.metric(lag).is_some() && server.metric(duration) == Some(1.0), "{}", answer.body);
    if cfg!(target_os = "linux") {
        assert!(server.metric("process_resident_memory_bytes").unwrap() > 1e6);
        assert!(server.metric("process_open_fds").unwrap() > 3.0);
    }
    assert!(!answer.body.contains("user_") && !answer.body.contains("msg_"), "{}", answer.body);
}

#[test]
fn shows_a_page_without_scripts() {
    let server = Database::sqlite("page").serve();
    server.deliver(&Delivery::of(fixture::user_created()));
    let page = server.admin("/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.body.contains("<script") && !page.body.contains("<form"), "{}", page.body);
    assert!(page.body.contains(r#"<th scope="row">users</th><td>1</td><td>0</td>"#), "{}", page.body);
    assert!(!page.body.contains("@example") && !page.body.contains("user_2"), "{}", page.body);
}

#[test]
fn the_log_has_a_line_for_each_delivery_without_its_payload() {
    let server = Database::sqlite("log").serve();
    server.deliver(&Delivery::of(fixture::user_created()).id("msg_log"));
    let line = server.line("answered a delivery");
    assert_eq!(
        (&line["level"], &line["messaging.message.id"], &line["clerk.outcome"], &line["clerk.event.type"]),
        (&json!("INFO"), &json!("msg_log"), &json!("processed"), &json!("user.created")),
        "{line}"
    );
    assert!(line["duration_ms"].is_u64() && line["timestamp"].is_string(), "{line}");
    // The lines of duplicates and ignored events have the level debug.
    server.deliver(&Delivery::of(fixture::user_created()).id("msg_log"));
    server.deliver(&Delivery::of(fixture::user_deleted_without_id()).id("msg_ignored"));
    server.deliver(&Delivery::of(fixture::user_created()).id("msg_again").wrong_secret());
    let line = server.next_line();
    assert_eq!(line["message"], "rejected a delivery", "{line}");
    assert_eq!(
        (&line["level"], &line["clerk.outcome"]),
        (&json!("WARN"), &json!("invalid_signature")),
        "{line}"
    );
}
