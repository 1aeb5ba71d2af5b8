//! The check for the readiness probe of an application.

use clerk_webhook_sync::{ClerkSync, NotReady};
use sqlx::Pool;

use crate::databases::{Engine, on_both_engines};

on_both_engines!(empty: only_tables_of_this_version_or_a_newer_one_are_ready, a_database_that_does_not_answer_is_not_ready);

async fn only_tables_of_this_version_or_a_newer_one_are_ready<DB: Engine>(pool: Pool<DB>) {
    let sync = ClerkSync::new(pool);
    let error = sync.check().await.unwrap_err();
    let needed = sync.migrations().len();
    assert!(matches!(error, NotReady::OldTables(version) if version.found == 0 && version.needed == needed));
    sync.migrate().await.unwrap();
    sync.check().await.unwrap();
    let newer = format!("INSERT INTO clerk_sync_schema (version) VALUES ({})", needed + 1);
    <DB as Engine>::run(sync.pool(), &newer).await;
    sync.check().await.unwrap();
    let older = format!("DELETE FROM clerk_sync_schema WHERE version >= {needed}");
    <DB as Engine>::run(sync.pool(), &older).await;
    assert!(matches!(sync.check().await, Err(NotReady::OldTables(_))));
}

async fn a_database_that_does_not_answer_is_not_ready<DB: Engine>(pool: Pool<DB>) {
    let sync = ClerkSync::new(pool);
    sync.migrate().await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..sync.pool().options().get_max_connections() {
        connections.push(sync.pool().acquire().await.unwrap());
    }
    let error = sync.check().await.unwrap_err();
    assert_eq!(error.to_string(), "the database did not answer in 1 s");
    drop(connections);
    sync.check().await.unwrap();
    sync.pool().close().await;
    assert!(matches!(sync.check().await, Err(NotReady::Database(_))));
}
