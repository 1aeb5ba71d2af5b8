//! PgBouncer in transaction mode between the store and Postgres, with three server connections for all
//! clients.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use clerk_webhook_core::{Event, Handled, Outcome, Timestamp};
use clerk_webhook_store::conformance::{Harness, Suite};
use clerk_webhook_store::{
    DEFAULT_RETENTION, Deduplicator, DeliveryStore as _, DeliveryTransaction, ExactlyOnce, PostgresStore,
    SharedTransaction, TransactionalStore as _, purge,
};
use clerk_webhook_tests::servers;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Row as _};

use crate::databases::{Engine as _, LONG_PATIENCE, PostgresDatabase, begin_new, key};

/// The number of tasks that share the three server connections.
const TASKS: u32 = 16;

/// A schema for one test, and the connection options for the pooler.
struct Pooler {
    options: PgConnectOptions,
    schema: String,
    /// Connects to the server directly.
    direct: PgPool,
}

impl Pooler {
    async fn create(test: &str) -> Option<Self> {
        let options: PgConnectOptions = servers::pgbouncer(test)?.parse().unwrap();
        let direct = PgPool::connect(&servers::postgres(test)?).await.unwrap();
        let schema = format!("test_pooler_{test}");
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&direct).await.unwrap();
        Some(Self { options, schema, direct })
    }

    /// Returns a pool that connects to the pooler and caches this number of statements.
    fn pool(&self, statements: usize) -> PgPool {
        let options = self.options.clone().statement_cache_capacity(statements);
        PgPoolOptions::new().max_connections(TASKS).connect_lazy_with(options)
    }

    fn store(&self, pool: PgPool) -> PostgresStore {
        // The pooler does not forward `search_path`.
        PostgresStore::new(pool).table(&format!("{}.deliveries", self.schema)).unwrap()
    }

    async fn migrated(&self) -> PostgresStore {
        let store = self.store(self.pool(0));
        store.migrate().await.unwrap();
        store
    }
}

impl Harness for Pooler {
    type Store = PostgresStore;

    async fn client(&self) -> PostgresStore {
        self.store(self.pool(0)).lock_timeout(LONG_PATIENCE)
    }
}

fn event(number: u32) -> Event {
    let body = format!(r#"{{"data":{{"id":"user_{number}"}},"type":"user.created"}}"#);
    Event::from_trusted(format!("msg_{number}").parse().unwrap(), Timestamp::now(), body.into()).unwrap()
}

/// Runs tasks concurrently and waits for all of them.
async fn at_once<F: Future<Output = ()> + Send + 'static>(tasks: u32, task: impl Fn(u32) -> F) {
    let tasks: Vec<_> = (0..tasks).map(|number| tokio::spawn(task(number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Returns the names of all statements that are prepared on the pooler's server connections.
async fn statements_left(pooler: &Pooler) -> Vec<String> {
    let pool = pooler.pool(0);
    let mut names = Vec::new();
    let mut open = Vec::new();
    // Each open transaction has a different server connection.
    for _ in 0..3 {
        let mut transaction = pool.begin().await.unwrap();
        let rows = sqlx::raw_sql("SELECT name, statement FROM pg_prepared_statements");
        for row in rows.fetch_all(&mut *transaction).await.unwrap() {
            let (name, statement): (String, String) = (row.get(0), row.get(1));
            if statement.contains(&pooler.schema) {
                names.push(name);
            }
        }
        open.push(transaction);
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn passes_the_conformance_suite_behind_a_pooler() {
    let Some(pooler) = Pooler::create("conformance").await else { return };
    pooler.migrated().await;
    Suite::new(&pooler).run().await;
    assert_eq!(statements_left(&pooler).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deduplicator_handles_each_event_once_behind_a_pooler() {
    let Some(pooler) = Pooler::create("deduplicator").await else { return };
    let deduplicator = Deduplicator::new(pooler.migrated().await);
    let runs = Arc::new(Mutex::new(BTreeMap::<u32, u32>::new()));
    at_once(TASKS, |task| {
        let (deduplicator, runs) = (deduplicator.clone(), Arc::clone(&runs));
        async move {
            for number in (task * 60)..(task * 60 + 60) {
                let runs = Arc::clone(&runs);
                let handle = move |_event, _attempt| async move {
                    *runs.lock().unwrap().entry(number).or_default() += 1;
                    Ok(Handled::Processed)
                };
                let answer = deduplicator.run(event(number), handle).await;
                assert_eq!(answer.outcome(), Outcome::Processed, "{number}");
            }
        }
    })
    .await;
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), 960);
    assert!(runs.values().all(|runs| *runs == 1), "{runs:?}");
}

/// The handler uses ordinary statements, without special settings for a pooler.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_once_writes_each_effect_once_behind_a_pooler() {
    let Some(pooler) = Pooler::create("exactly_once").await else { return };
    let schema = &pooler.schema;
    for table in 0..4 {
        let create = format!("CREATE TABLE {schema}.effect_{table} (id TEXT NOT NULL)");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pooler.direct).await.unwrap();
    }
    let exactly_once = ExactlyOnce::new(pooler.migrated().await);
    let again = Arc::new(AtomicU32::new(0));
    at_once(TASKS, |task| {
        let (exactly_once, schema, again) = (exactly_once.clone(), schema.clone(), Arc::clone(&again));
        async move {
            // Two tasks handle each event at the same time.
            for number in (task / 2 * 60)..(task / 2 * 60 + 60) {
                loop {
                    let schema = schema.clone();
                    let handle = move |event: Event, transaction: SharedTransaction<DeliveryTransaction<Postgres>>| async move {
                        let insert = format!("INSERT INTO {schema}.effect_{} VALUES ($1)", number % 4);
                        let insert = sqlx::query(AssertSqlSafe(insert)).bind(event.message_id().as_str().to_owned());
                        insert.execute(&mut **transaction.lock().await?).await?;
                        Ok(Handled::Processed)
                    };
                    match exactly_once.run(event(number), handle).await.outcome() {
                        Outcome::Processed | Outcome::Duplicate => break,
                        Outcome::InProgress => again.fetch_add(1, Ordering::Relaxed),
                        outcome => panic!("{outcome} for {number}"),
                    };
                }
            }
        }
    })
    .await;
    for table in 0..4 {
        let read = format!("SELECT id FROM {schema}.effect_{table}");
        let found =
            sqlx::query_scalar::<_, String>(AssertSqlSafe(read)).fetch_all(&pooler.direct).await.unwrap();
        let mut found: Vec<u32> = found.iter().map(|id| id["msg_".len()..].parse().unwrap()).collect();
        found.sort_unstable();
        let expected: Vec<u32> = (0..480).filter(|number| number % 4 == table).collect();
        assert_eq!(found, expected, "effect_{table}");
    }
}

/// Otherwise, two clients of one server connection could use the same name for different statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn removes_the_statements_of_other_clients_from_a_pooled_connection() {
    let Some(pooler) = Pooler::create("names").await else { return };
    let stores = [pooler.migrated().await, pooler.migrated().await];
    for round in 0..20 {
        for (number, store) in stores.iter().enumerate() {
            let mut transaction = begin_new(store, &format!("msg_{round}_{number}")).await;
            // Usually the first statement on this client connection.
            let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *transaction).await.unwrap();
            assert_eq!(one, 1);
            transaction.commit().await.unwrap();
        }
    }
}

/// A connection inside a failed transaction would reject every later statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_begin_without_a_statement_cache_leaves_the_connection_usable() {
    let Some(url) = servers::postgres("failed_begin") else { return };
    let direct = PgPool::connect(&url).await.unwrap();
    let name = "test_pooler_failed_begin";
    let drop_database = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    for statement in [drop_database.clone(), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&direct).await.unwrap();
    }
    let options: PgConnectOptions = url.parse().unwrap();
    let options = options.database(name).statement_cache_capacity(0);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    // Without plpgsql, the store cannot remove other clients' statements.
    sqlx::raw_sql("DROP EXTENSION plpgsql").execute(&pool).await.unwrap();
    let error = store.begin(&key("msg_1")).await.unwrap_err();
    assert!(error.to_string().contains("plpgsql"), "{error}");
    for _ in 0..3 {
        sqlx::raw_sql("SELECT 1").execute(&pool).await.unwrap();
    }
    pool.close().await;
    sqlx::raw_sql(AssertSqlSafe(drop_database)).execute(&direct).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leaves_no_prepared_statement_without_a_statement_cache() {
    let Some(database) = PostgresDatabase::create("nothing_prepared").await else { return };
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect_with(database.options().statement_cache_capacity(0)).await.unwrap();
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    let deduplicator = Deduplicator::new(store.clone());
    for number in 0..10 {
        let handle = |_event, _attempt| async { Ok(Handled::Processed) };
        for outcome in [Outcome::Processed, Outcome::Duplicate] {
            assert_eq!(deduplicator.run(event(number), handle).await.outcome(), outcome);
        }
        begin_new(&store, &format!("msg_t{number}")).await.commit().await.unwrap();
    }
    purge(&store, DEFAULT_RETENTION).await.unwrap();
    assert!(store.forget(&key("msg_1")).await.unwrap());
    let left = sqlx::raw_sql("SELECT name FROM pg_prepared_statements").fetch_all(&pool).await.unwrap();
    assert_eq!(left.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrate_rejects_a_statement_cache_behind_a_pooler() {
    let Some(pooler) = Pooler::create("refused").await else { return };
    // The check also runs if the table exists, and for a cache of any size.
    pooler.migrated().await;
    for statements in [100, 1] {
        let error = pooler.store(pooler.pool(statements)).migrate().await.unwrap_err();
        assert!(error.to_string().contains("statement_cache_capacity(0)"), "{error}");
        assert!(format!("{error:?}").contains("statement_cache_capacity(0)"), "{error:?}");
    }
}

/// Other clients use the server connections between the checks of the probe.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrate_rejects_a_statement_cache_behind_a_busy_pooler() {
    let Some(pooler) = Pooler::create("refused_busy").await else { return };
    pooler.migrated().await;
    let busy = pooler.pool(0);
    let others: Vec<_> = (0..TASKS)
        .map(|_| {
            let busy = busy.clone();
            tokio::spawn(async move {
                loop {
                    let mut transaction = busy.begin().await.unwrap();
                    sqlx::raw_sql("SELECT 1").execute(&mut *transaction).await.unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for round in 0..20 {
        assert!(pooler.store(pooler.pool(100)).migrate().await.is_err(), "round {round}");
    }
    for other in others {
        other.abort();
    }
}
