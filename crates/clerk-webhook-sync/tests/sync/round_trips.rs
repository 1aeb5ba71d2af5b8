//! The number of round trips between a sync and the server.

use std::sync::atomic::Ordering;

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::ClerkSync;
use clerk_webhook_tests::round_trips::forward;
use sqlx::Postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};

use crate::databases::migrated;

/// The documentation of `ClerkSync` states these numbers: for a query, an event with one statement, and an
/// event with two.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sync_query_without_a_statement_cache_takes_four_round_trips() {
    let event = |id: &str, event_type: &str, data: &str| {
        let body = format!(r#"{{"data":{data},"timestamp":1700000000000,"type":"{event_type}"}}"#);
        Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
    };
    let deleted = r#"{"deleted":true,"id":"org_1","object":"organization"}"#;
    let user = r#"{"email_addresses":[],"id":"user_1","object":"user","updated_at":1700000000000}"#;
    for (statements, query, one_statement, two_statements) in [(100, 1, 1, 2 + 2), (0, 4, 4, 2 + 2 * 2)] {
        let test = format!("round_trips_{statements}");
        let Some(sync) = migrated::<Postgres>(&test).await else { return };
        let options = sync.pool().connect_options();
        let (port, asked) = forward(options.get_host().to_owned(), options.get_port()).await;
        let options =
            PgConnectOptions::clone(&options).host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        let options = options.statement_cache_capacity(statements);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .unwrap();
        let sync = ClerkSync::new(pool.clone());
        let trips = async || {
            while pool.num_idle() == 0 {
                tokio::task::yield_now().await;
            }
            asked.swap(0, Ordering::SeqCst) - 1
        };
        let mut last = (0, 0, 0);
        // The first update prepares the statements that replace the addresses.
        for round in 0..3 {
            sync.user("user_1").await.unwrap();
            let query = trips().await;
            sync.apply(&event("msg_1", "organization.deleted", deleted)).await.unwrap();
            let one_statement = trips().await;
            // One statement for the user's row, and one for its child rows.
            let user = user.replace("1700000000000", &format!("170000000000{round}"));
            sync.apply(&event("msg_2", "user.updated", &user)).await.unwrap();
            last = (query, one_statement, trips().await);
        }
        assert_eq!(last, (query, one_statement, two_statements), "with {statements} statements");
    }
}
