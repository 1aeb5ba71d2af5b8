//! Postgres.

use clerk_webhook_core::Event;
use clerk_webhook_queue::PostgresQueue;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row as _};

use super::{Engine, new_event};
use crate::Fallible;

const DATABASE: &str = "clerk_webhook_bench_queue";

/// Enough for 16 senders and for a worker.
const CONNECTIONS: u32 = 20;

/// The number of events that are enqueued in one transaction. graphile_worker holds a lock for each of them.
const BATCH: usize = 200;

/// The number of concurrent transactions while a queue is filled.
const AT_ONCE: usize = 4;

#[derive(Clone)]
pub struct Postgres {
    server: PgPool,
    pool: PgPool,
}

impl Postgres {
    pub async fn start(address: &str) -> Fallible<Self> {
        let server = PgPool::connect(address).await?;
        drop_database(&server).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"))).execute(&server).await?;
        let options = address.parse::<PgConnectOptions>()?.database(DATABASE);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let pool = pool.connect_with(options).await?;
        let bare = "CREATE TABLE bare (message_id TEXT PRIMARY KEY, body BYTEA NOT NULL)";
        sqlx::query(bare).execute(&pool).await?;
        Ok(Self { server, pool })
    }
}

/// Also removes the database of an interrupted run.
async fn drop_database(server: &PgPool) -> sqlx::Result<()> {
    let drop = format!("SET client_min_messages = warning; DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)");
    // The server rejects `DROP DATABASE` in a message with other statements.
    for statement in drop.split("; ") {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(server).await?;
    }
    Ok(())
}

impl Engine for Postgres {
    type Queue = PostgresQueue;

    fn name(&self) -> &'static str {
        "Postgres"
    }

    async fn settings(&self) -> Fallible<String> {
        let show = async |setting: &'static str| {
            sqlx::raw_sql(setting).fetch_one(&self.pool).await?.try_get::<String, _>(0)
        };
        let (version, fsync) = (show("SHOW server_version").await?, show("SHOW fsync").await?);
        let commit = show("SHOW synchronous_commit").await?;
        Ok(format!(
            "version {version}, fsync {fsync}, synchronous_commit {commit}, {CONNECTIONS} connections, \
             `test_before_acquire(false)`."
        ))
    }

    fn jobs_per_second(&self) -> Option<f64> {
        Some(1500.0)
    }

    async fn new_queue(&self, name: &str) -> Fallible<PostgresQueue> {
        let queue = PostgresQueue::new(self.pool.clone());
        let queue = queue.table(&format!("queue_{name}"))?.graphile_schema(&format!("graphile_{name}"))?;
        queue.migrate().await?;
        Ok(queue)
    }

    async fn write(&self, event: &Event) {
        let insert = sqlx::query("INSERT INTO bare (message_id, body) VALUES ($1, $2)")
            .bind(event.message_id().as_str().to_owned())
            .bind(event.raw_body().to_vec());
        insert.execute(&self.pool).await.expect("Postgres stores the row");
    }

    async fn fill(&self, queue: &PostgresQueue, count: usize) -> Fallible<()> {
        let filled = stream::iter((0..count).step_by(BATCH))
            .map(async |first| {
                let mut transaction = queue.pool().begin().await?;
                for _ in first..count.min(first + BATCH) {
                    let _ = queue.enqueue_in(&mut transaction, &new_event()).await?;
                }
                transaction.commit().await
            })
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |()| Ok(()));
        filled.await?;
        // Autovacuum does the same within a minute.
        sqlx::raw_sql("ANALYZE").execute(&self.pool).await?;
        Ok(())
    }

    async fn clean(&self) -> Fallible<()> {
        self.pool.close().await;
        Ok(drop_database(&self.server).await?)
    }
}
