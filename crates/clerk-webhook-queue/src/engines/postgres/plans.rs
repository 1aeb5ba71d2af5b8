//! The plans of the statements.

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, SqlStr};

use super::queue::PostgresQueue;
use super::run::Statement;

/// Returns the plan of a statement for a table with 20,000 jobs, most of which are done.
async fn plan(queue: &PostgresQueue, statement: &SqlStr, bind: fn(Statement) -> Statement) -> String {
    let explain = AssertSqlSafe(format!("EXPLAIN {}", statement.as_str())).into_sql_str();
    let explain = bind(sqlx::query(explain).bind("clerk"));
    let rows = explain.fetch_all(queue.pool()).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn every_statement_searches_an_index() {
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
        assert!(std::env::var_os("CI").is_none(), "the test of the plans needs TEST_POSTGRES_URL");
        return;
    };
    let schema = format!("plans_{}", std::process::id());
    let pool = PgPoolOptions::new().connect(&url).await.unwrap();
    let run = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    run(format!("CREATE SCHEMA {schema}")).await;
    let queue = PostgresQueue::new(pool.clone()).table(&format!("{schema}.jobs")).unwrap();
    let queue = queue.graphile_schema(&format!("{schema}_graphile")).unwrap();
    queue.migrate().await.unwrap();
    run(format!(
        "INSERT INTO {schema}.jobs (scope, message_id, state, event_type, object_id, attempts, available_at,
             lease_until, attempted_at, enqueued_at, ended_at)
         SELECT 'clerk', 'msg_' || n, state, 'user.created', CASE WHEN state <> 1 THEN 'user_' || n % 50 END,
             1, n, CASE state WHEN 2 THEN n END, 0, 0, CASE WHEN state IN (1, 3) THEN n END
           FROM (SELECT n, CASE WHEN n % 20 < 4 THEN n % 20 ELSE 1 END AS state
                   FROM generate_series(1, 20000) AS n) AS numbers"
    ))
    .await;
    run(format!("VACUUM ANALYZE {schema}.jobs")).await;

    let of_lease: fn(Statement) -> Statement = |query| query.bind("msg_2").bind("0".repeat(32));
    let statements = &queue.statements;
    let message: fn(Statement) -> Statement = |query| query.bind("msg_2");
    let error: fn(Statement) -> Statement =
        |query| query.bind("msg_2").bind("0".repeat(32)).bind("a failure");
    let plans = [
        plan(&queue, &statements.lock, |query| query.bind("msg_2").bind(9_i64).bind(true)).await,
        plan(&queue, &statements.take, |query| {
            query.bind("msg_2").bind("0".repeat(32)).bind(9_i64).bind("user_2").bind(true)
        })
        .await,
        plan(&queue, &statements.complete, of_lease).await,
        plan(&queue, &statements.give_back, of_lease).await,
        plan(&queue, &statements.bury, error).await,
        plan(&queue, &statements.find, |query| query).await,
        plan(&queue, &statements.retry_dead, message).await,
        plan(&queue, &statements.dead_letters, |query| query.bind(9_i64)).await,
        plan(&queue, &statements.retry_all_dead, |query| query.bind(None::<String>).bind(9_i64).bind(9_i64))
            .await,
        plan(&queue, &statements.purge, |query| query.bind(9_i64).bind(9_i64)).await,
    ];
    for plan in &plans {
        assert!(plan.contains("Index") && !plan.contains("Seq Scan on jobs"), "{plan}");
    }
    // The wake-up searches the index of the objects.
    let wake = plan(&queue, &statements.wake, |query| query.bind("msg_2").bind("user_2")).await;
    assert!(wake.contains("jobs_object") && !wake.contains("Seq Scan on jobs"), "{wake}");
    let stats = plan(&queue, &statements.stats, |query| query).await;
    for index in ["jobs_ready", "jobs_running", "jobs_dead"] {
        assert!(stats.contains(&format!("Index Only Scan using {index} on jobs")), "{index}: {stats}");
    }
    assert!(!stats.contains("Seq Scan"), "{stats}");
    run(format!("DROP SCHEMA {schema}, {schema}_graphile CASCADE")).await;
}
