//! The operations of each store, and the plain statements that they are compared with.

use std::env;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::process;
use std::time::Duration;

use clerk_webhook_store::internal::Mode;
use clerk_webhook_store::{
    Begin, Claim, DeliveryKey, DeliveryStore, DeliveryTransaction, LeaseState, PostgresStore, RedisStore,
    Scope, SqliteStore, TransactionalStore,
};
use redis::aio::ConnectionManager;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, Postgres};
use sqlx::sqlite::Sqlite;

use crate::measure::Contestant;

const STATEMENT: &str = "baseline, one statement";
const LEASE: &str = "claim, complete";
const TRANSACTION: &str = "plain transaction, one row";
const MARKED: &str = "store's transaction, one row";
const MARK_ALONE: &str = "store's transaction, no row";

type Fallible<T> = Result<T, Box<dyn Error>>;
type Later<T> = Pin<Box<dyn Future<Output = Fallible<T>>>>;

/// An engine, the address of its server, and the function that connects to it.
pub struct Entry {
    pub name: &'static str,
    /// The environment variable that contains the address. `None` if the engine needs no server.
    pub address: Option<&'static str>,
    pub start: fn(String) -> Later<Engine>,
}

/// All engines, in output order.
pub const ENGINES: &[Entry] = &[
    Entry { name: "SQLite", address: None, start: |_| Box::pin(sqlite()) },
    Entry {
        name: "Postgres, test_before_acquire(false)",
        address: Some("TEST_POSTGRES_URL"),
        start: |address| Box::pin(postgres(address, Pooling::Trusting)),
    },
    Entry {
        name: "Postgres, sqlx's defaults",
        address: Some("TEST_POSTGRES_URL"),
        start: |address| Box::pin(postgres(address, Pooling::Default)),
    },
    Entry {
        name: "Postgres, statement_cache_capacity(0)",
        address: Some("TEST_POSTGRES_URL"),
        start: |address| Box::pin(postgres(address, Pooling::PoolerSafe)),
    },
    Entry {
        name: "Postgres behind PgBouncer",
        address: Some("TEST_PGBOUNCER_URL"),
        start: |address| Box::pin(postgres(address, Pooling::PoolerSafe)),
    },
    Entry { name: "Redis", address: Some("TEST_REDIS_URL"), start: |address| Box::pin(with_redis(address)) },
];

/// A connected engine. The first contestant is the baseline.
pub struct Engine {
    /// The settings that determine the durability of a write.
    pub settings: String,
    pub contestants: Vec<Contestant>,
    pub goals: Vec<Goal>,
    /// Removes all data of the benchmark.
    pub clean: Box<dyn FnOnce() -> Later<()>>,
}

/// The time of `who` divided by the time of `against` is at most `ratio`.
pub struct Goal {
    pub who: &'static str,
    pub against: &'static str,
    pub ratio: f64,
}

const OF_LEASES: Goal = Goal { who: LEASE, against: STATEMENT, ratio: 2.2 };
const OF_POSTGRES_LEASES: Goal = Goal { ratio: 2.0, ..OF_LEASES };
const OF_TRANSACTIONS: Goal = Goal { who: MARKED, against: TRANSACTION, ratio: 1.4 };

/// The maximum concurrency, so that no task waits for a connection.
const CONNECTIONS: u32 = 16;

/// The duration of a lease, longer than any operation takes.
const MINUTE: Duration = Duration::from_secs(60);

async fn sqlite() -> Fallible<Engine> {
    let folder = env::temp_dir().join(format!("clerk-webhook-engines-{}", process::id()));
    fs::create_dir(&folder)?;
    let store = SqliteStore::open(folder.join("deliveries.db")).await?;
    store.migrate().await?;
    let pool = store.pool().clone();
    sqlx::query("CREATE TABLE work (message TEXT PRIMARY KEY, done_at INTEGER NOT NULL) STRICT")
        .execute(&pool)
        .await?;
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    Ok(Engine {
        settings: format!(
            "journal_mode {journal}, synchronous {synchronous} (2 is FULL), in {}",
            folder.display()
        ),
        contestants: contestants(&store),
        goals: vec![OF_LEASES, OF_TRANSACTIONS],
        clean: Box::new(move || {
            Box::pin(async move {
                pool.close().await;
                Ok(fs::remove_dir_all(folder)?)
            })
        }),
    })
}

/// The settings of the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pooling {
    /// Without `test_before_acquire`.
    Trusting,
    Default,
    /// Without a statement cache, as a pooler requires, and without `test_before_acquire`.
    PoolerSafe,
}

async fn postgres(address: String, pooling: Pooling) -> Fallible<Engine> {
    let mut options: PgConnectOptions = address.parse()?;
    if pooling == Pooling::PoolerSafe {
        options = options.statement_cache_capacity(0);
    }
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(pooling == Pooling::Default)
        .connect_with(options)
        .await?;
    let store = PostgresStore::new(pool.clone()).table("engines_delivery")?;
    sqlx::raw_sql(DROP).execute(&pool).await?;
    store.migrate().await?;
    sqlx::raw_sql("CREATE TABLE engines_work (message TEXT PRIMARY KEY, done_at BIGINT NOT NULL)")
        .execute(&pool)
        .await?;
    let show = async |setting| sqlx::raw_sql(setting).fetch_one(&pool).await?.try_get::<String, _>(0);
    let (fsync, commit) = (show("SHOW fsync").await?, show("SHOW synchronous_commit").await?);
    Ok(Engine {
        settings: format!("fsync {fsync}, synchronous_commit {commit}, {CONNECTIONS} connections"),
        contestants: contestants(&store),
        // The goals assume that each statement is prepared once.
        goals: if pooling == Pooling::PoolerSafe {
            Vec::new()
        } else {
            vec![OF_POSTGRES_LEASES, OF_TRANSACTIONS]
        },
        clean: Box::new(move || {
            Box::pin(async move {
                sqlx::raw_sql(DROP).execute(&pool).await?;
                pool.close().await;
                Ok(())
            })
        }),
    })
}

/// Removes the tables from this run and from an interrupted earlier run.
const DROP: &str = "SET client_min_messages = warning; DROP TABLE IF EXISTS engines_delivery, engines_work";

async fn with_redis(address: String) -> Fallible<Engine> {
    let prefix = format!("engines-{}", process::id());
    let mut connection = ConnectionManager::new(redis::Client::open(address)?).await?;
    let (_, append): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("appendonly").query_async(&mut connection).await?;
    let (_, fsync): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut connection).await?;
    let store = RedisStore::new(connection.clone()).prefix(prefix.clone())?;
    let (client, start) = (connection.clone(), format!("{prefix}:set:"));
    let set = move |number| {
        let (mut client, key) = (client.clone(), format!("{start}{}", message_id(number)));
        async move {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(number).arg("PX").arg(600_000);
            let answer: String = set.query_async(&mut client).await.unwrap();
            assert_eq!(answer, "OK");
        }
    };
    Ok(Engine {
        settings: format!("appendonly {append}, appendfsync {fsync}, one connection"),
        contestants: vec![Contestant::new(STATEMENT, set), lease(&store)],
        goals: vec![OF_LEASES],
        clean: Box::new(move || Box::pin(remove_keys(connection, format!("{prefix}:*")))),
    })
}

async fn remove_keys(mut connection: ConnectionManager, pattern: String) -> Fallible<()> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
        if !keys.is_empty() {
            let _: u64 = redis::cmd("UNLINK").arg(keys).query_async(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

/// A store in the application's database, and the application's own statements.
trait Sql: DeliveryStore + TransactionalStore + Clone {
    /// Returns whether the pool caches prepared statements.
    fn keeps_statements(&self) -> bool;

    /// Inserts a row with autocommit.
    fn statement(&self, message: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Inserts a row in a plain transaction.
    fn transaction(&self, message: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Inserts a row in the store's transaction, which also marks the delivery as handled.
    fn write(
        transaction: &mut Self::Transaction,
        message: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

macro_rules! insert {
    ($insert:literal, $message:ident) => {
        sqlx::query($insert).bind($message).bind(1_763_000_000_000_i64)
    };
}

/// Implements `Sql`. The code is the same for both databases, and sqlx's types differ.
macro_rules! sql {
    ($store:ty, $database:ty, $insert:literal, $begin:literal, $keeps_statements:expr) => {
        impl Sql for $store {
            fn keeps_statements(&self) -> bool {
                $keeps_statements(self)
            }

            async fn statement(&self, message: &str) -> sqlx::Result<()> {
                if !self.keeps_statements() {
                    return self.transaction(message).await;
                }
                insert!($insert, message).execute(self.pool()).await.map(drop)
            }

            async fn transaction(&self, message: &str) -> sqlx::Result<()> {
                let mut transaction = self.pool().begin_with($begin).await?;
                let insert = insert!($insert, message).persistent(self.keeps_statements());
                insert.execute(&mut *transaction).await?;
                transaction.commit().await
            }

            async fn write(
                transaction: &mut DeliveryTransaction<$database>,
                message: &str,
            ) -> sqlx::Result<()> {
                insert!($insert, message).execute(&mut **transaction).await.map(drop)
            }
        }
    };
}

sql!(SqliteStore, Sqlite, "INSERT INTO work (message, done_at) VALUES (?, ?)", "BEGIN IMMEDIATE", |_| true);
sql!(
    PostgresStore,
    Postgres,
    "INSERT INTO engines_work (message, done_at) VALUES ($1, $2)",
    "BEGIN",
    |store: &PostgresStore| Mode::of(store.pool()).keeps_statements()
);

fn contestants<S: Sql>(store: &S) -> Vec<Contestant> {
    vec![
        contestant(STATEMENT, store, async |store, number| {
            store.statement(&message_id(number)).await.unwrap();
        }),
        lease(store),
        contestant(TRANSACTION, store, async |store, number| {
            store.transaction(&message_id(number)).await.unwrap();
        }),
        contestant(MARKED, store, async |store, number| {
            let mut transaction = begin(&store, number).await;
            S::write(&mut transaction, &message_id(number)).await.unwrap();
            store.commit(transaction).await.unwrap();
        }),
        contestant(MARK_ALONE, store, async |store, number| {
            let transaction = begin(&store, number).await;
            store.commit(transaction).await.unwrap();
        }),
    ]
}

fn lease<S: DeliveryStore + Clone>(store: &S) -> Contestant {
    contestant(LEASE, store, async |store, number| {
        let claim = store.claim(&key(number), MINUTE).await.unwrap();
        let Claim::Acquired(lease) = claim else { panic!("the delivery is not new: {claim:?}") };
        assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
    })
}

async fn begin<S: Sql>(store: &S, number: u64) -> S::Transaction {
    let Begin::Acquired(transaction) = store.begin(&key(number)).await.unwrap() else {
        panic!("the delivery is not new")
    };
    transaction
}

fn contestant<S: Clone + Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    store: &S,
    call: impl Fn(S, u64) -> F + Send + Sync + 'static,
) -> Contestant {
    let store = store.clone();
    Contestant::new(name, move |number| call(store.clone(), number))
}

fn key(number: u64) -> DeliveryKey {
    DeliveryKey::new(Scope::default(), message_id(number).parse().unwrap())
}

/// Returns a message id of the same length as Svix's ids. Consecutive numbers give ids that are far apart.
fn message_id(number: u64) -> String {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("msg_{scattered:016x}{number:011}")
}
