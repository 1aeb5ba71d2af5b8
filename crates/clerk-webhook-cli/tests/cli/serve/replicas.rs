//! Two processes with the same tables.

use clerk_webhook_test::ObjectKind;
use clerk_webhook_tests::servers;
use serde_json::json;

use super::sweeps::{clerk, history};
use super::{Database, Server};
use crate::support::clerk::Reaction;

/// One of two replicas imports. It is killed, and the other one takes over.
async fn another_replica_takes_over(database: Database) {
    let history = history(600);
    let clerk = clerk(&history).await;
    clerk.set_rule(|path, _| {
        (path.contains("/users") && path.contains("starting_after")).then_some(Reaction::Hang)
    });
    let first = Server::start(&mut database.command_with(&clerk.url));
    clerk.hanging().await;
    let second = Server::start(&mut database.command_with(&clerk.url));
    second.line("another process is sweeping");
    assert_eq!(first.status()["sweep"]["running"], "backfill");
    // The owner of the lease renews it while it waits for Clerk, and logs its progress.
    let line = first.line("sweep in progress");
    assert_eq!((&line["table"], line["seen"].as_u64() > Some(0)), (&json!("users"), true), "{line}");
    assert!(second.lines().iter().all(|line| line["message"] != "sweep finished"));

    first.signal("KILL");
    clerk.remove_rule();
    let line = second.line("sweep finished");
    assert_eq!(line["kind"], "backfill", "{line}");
    let users = clerk.fake.objects(ObjectKind::User).len();
    assert_eq!(second.status()["tables"]["users"]["live"], users);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_takes_over_in_postgres() {
    let Some(database) = Database::postgres("replicas").await else { return };
    another_replica_takes_over(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_takes_over_behind_pgbouncer() {
    let (Some(pooler), Some(database)) =
        (servers::pgbouncer("replicas"), Database::postgres("replicas_pooled").await)
    else {
        return;
    };
    let database = Database { url: pooler, ..database };
    another_replica_takes_over(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_replica_imports() {
    let Some(database) = Database::postgres("one").await else { return };
    let clerk = clerk(&history(300)).await;
    // Tables exist before both start, so that both begin at the same time.
    drop(database.serve());
    let servers = [(); 2].map(|()| Server::start(&mut database.command_with(&clerk.url)));
    for server in &servers {
        server.line("next comparison with Clerk");
    }
    let users = clerk.fake.objects(ObjectKind::User).len();
    let inserted = r#"clerk_sync_apply_total{table="users",result="inserted",source="backfill"}"#;
    let imported = servers.iter().filter_map(|server| server.metric(inserted));
    assert_eq!(imported.collect::<Vec<_>>(), [users as f64]);
    for server in &servers {
        let status = server.status();
        assert_eq!(
            (&status["tables"]["users"]["live"], &status["sweep"]["last"]["kind"]),
            (&json!(users), &json!("backfill")),
            "{status}"
        );
    }
}
