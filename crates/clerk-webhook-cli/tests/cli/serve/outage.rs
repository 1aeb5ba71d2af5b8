//! The database is down, and comes back.

use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, fixture};
use clerk_webhook_tests::servers;
use serde_json::json;

use super::{Database, Server};
use crate::support::PATIENCE;

/// Waits until `/readyz` of the public listener answers with this status.
#[track_caller]
fn wait_until_ready_is(server: &Server, status: u16) {
    let end = Instant::now() + PATIENCE;
    while server.public("GET /readyz HTTP/1.1\r\nhost: a\r\n").status != status {
        assert!(Instant::now() < end, "/readyz never answered {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_503_while_postgres_is_down_and_recovers() {
    let Some(postgres) = servers::Postgres::start("an outage of serve") else { return };
    let database = Database::postgres_at(&postgres.url(), "outage").await;
    let server = database.serve();
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    assert_eq!(server.admin("/readyz", "").status, 200);

    postgres.kill();
    for id in ["msg_2", "msg_3"] {
        let began = Instant::now();
        let answer = server.deliver(&Delivery::of(fixture::user_updated()).id(id));
        assert!(began.elapsed() < Duration::from_secs(15), "the sender has timed out: {:?}", began.elapsed());
        assert_eq!((answer.status, answer.json()), (503, json!({ "outcome": "store_unavailable" })));
    }
    wait_until_ready_is(&server, 503);
    assert_eq!(server.public("GET /livez HTTP/1.1\r\nhost: a\r\n").status, 200);
    assert_eq!(server.admin("/livez", "").status, 200);
    let unready = server.admin("/readyz", "");
    let report = unready.json();
    assert_eq!((unready.status, &report["status"]), (503, &json!("unready")));
    let names = ["database", "schema", "secrets", "worker", "shutdown"];
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.iter().map(|check| &check["name"]).collect::<Vec<_>>(), names);
    let failed = checks.iter().filter(|check| check["ok"] == false).map(|check| &check["name"]);
    assert_eq!(failed.collect::<Vec<_>>(), ["database", "schema"]);
    assert!(checks[0]["error"].is_string() && checks[0]["age_ms"].is_u64(), "{report}");
    let status = server.status();
    assert_eq!((&status["tables"], &status["database"]["schema_version"]), (&json!(null), &json!(null)));
    assert_eq!(server.admin("/", "").status, 200);

    postgres.restart();
    wait_until_ready_is(&server, 200);
    for (id, outcome) in [("msg_1", "duplicate"), ("msg_2", "processed")] {
        let answer = server.deliver(&Delivery::of(fixture::user_updated()).id(id));
        assert_eq!((answer.status, answer.json()), (200, json!({ "outcome": outcome })));
    }
}
