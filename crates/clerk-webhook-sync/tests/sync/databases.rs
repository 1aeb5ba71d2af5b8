//! Databases and sample data for the tests.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use clerk_webhook_tests::servers;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Pool, Postgres, Row as _, Sqlite};

/// A database in which tests run their own SQL.
pub(crate) trait Engine: SyncDatabase {
    const MIGRATIONS: [&str; 4];

    /// Creates an empty database, or returns `None` without a server.
    async fn empty(test: &str) -> Option<Pool<Self>>;

    /// Returns the only column of each row, which must be a text or null.
    async fn texts(pool: &Pool<Self>, query: &str) -> Vec<Option<String>> {
        Self::texts_in(&mut *pool.acquire().await.unwrap(), query).await.unwrap()
    }

    /// Same as [`texts`](Self::texts), on a connection.
    fn texts_in(
        connection: &mut Self::Connection,
        query: &str,
    ) -> impl Future<Output = Result<Vec<Option<String>>, sqlx::Error>> + Send;

    /// Runs statements.
    async fn run(pool: &Pool<Self>, statements: &str) {
        Self::run_in(&mut *pool.acquire().await.unwrap(), statements).await.unwrap();
    }

    /// Same as [`run`](Self::run), on a connection.
    fn run_in(
        connection: &mut Self::Connection,
        statements: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Returns an expression that reads a column as text.
    fn as_text(column: &str) -> String {
        format!("CAST({column} AS TEXT)")
    }
}

macro_rules! engine {
    ($database:literal) => {
        const MIGRATIONS: [&str; 4] = [
            include_str!(concat!("../../migrations/", $database, "/0001_tables.sql")),
            include_str!(concat!("../../migrations/", $database, "/0002_sessions_billing_waitlist.sql")),
            include_str!(concat!("../../migrations/", $database, "/0003_ends_and_long_values.sql")),
            include_str!(concat!("../../migrations/", $database, "/0004_state.sql")),
        ];

        async fn texts_in(
            connection: &mut Self::Connection,
            query: &str,
        ) -> Result<Vec<Option<String>>, sqlx::Error> {
            let rows = sqlx::query::<Self>(AssertSqlSafe(query)).fetch_all(connection).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        }

        async fn run_in(connection: &mut Self::Connection, statements: &str) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
        }
    };
}

impl Engine for Sqlite {
    engine!("sqlite");

    async fn empty(_test: &str) -> Option<Pool<Self>> {
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        Some(pool.connect("sqlite::memory:").await.unwrap())
    }
}

impl Engine for Postgres {
    engine!("postgres");

    async fn empty(test: &str) -> Option<Pool<Self>> {
        let options: PgConnectOptions = servers::postgres(test)?.parse().unwrap();
        let schema = format!("test_sync_{test}");
        let options = options.options([("search_path", &schema)]);
        let pool = PgPoolOptions::new().max_connections(6).connect_with(options).await.unwrap();
        <Self as Engine>::run(
            &pool,
            &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"),
        )
        .await;
        Some(pool)
    }
}

/// Creates an empty database, or returns `None` without a server.
pub(crate) async fn empty<DB: Engine>(test: &str) -> Option<Pool<DB>> {
    DB::empty(test).await
}

/// Creates a sync with empty tables, or returns `None` without a server.
pub(crate) async fn migrated<DB: Engine>(test: &str) -> Option<ClerkSync<DB>> {
    let sync = ClerkSync::new(DB::empty(test).await?);
    sync.migrate().await.unwrap();
    Some(sync)
}

/// Creates a test from each function for each engine.
///
/// The functions receive a sync with empty tables or, with `empty`, a pool without tables.
macro_rules! on_both_engines {
    (empty: $($test:ident),* $(,)?) => {
        crate::databases::on_both_engines!(@ empty: $($test),*);
    };
    ($($test:ident),* $(,)?) => {
        crate::databases::on_both_engines!(@ migrated: $($test),*);
    };
    (@ $create:ident: $($test:ident),*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let database = crate::databases::$create::<sqlx::Sqlite>(stringify!($test)).await;
                super::$test(database.unwrap()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let database = crate::databases::$create::<sqlx::Postgres>(stringify!($test)).await;
                if let Some(database) = database {
                    super::$test(database).await;
                }
            })*
        }
    };
}
pub(crate) use on_both_engines;

/// Returns an event with a new message id that occurred at `at`.
pub(crate) fn event(event_type: &str, at: i64, data: Value) -> Event {
    static IDS: AtomicU32 = AtomicU32::new(0);
    let id = format!("msg_{}", IDS.fetch_add(1, Ordering::Relaxed));
    let body = json!({ "data": data, "object": "event", "timestamp": at, "type": event_type });
    Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.to_string().into()).unwrap()
}

/// A time in milliseconds that is too large to be read as seconds.
pub(crate) const T: i64 = 1_700_000_000_000;

/// Returns the data of a user with one verified address.
pub(crate) fn user(id: &str, name: &str, updated_at: i64) -> Value {
    let address = format!("{}@example.com", name.to_lowercase());
    json!({
        "created_at": T, "first_name": name, "id": id, "primary_email_address_id": "idn_1", "updated_at": updated_at,
        "email_addresses": [
            { "email_address": address, "id": "idn_1", "verification": { "status": "verified", "strategy": "email_code" } },
        ],
        "private_metadata": { "note": "secret" }, "public_metadata": { "plan": "pro" },
    })
}

pub(crate) fn organization(id: &str, name: &str, updated_at: i64) -> Value {
    json!({
        "created_at": T, "created_by": "user_1", "id": id, "members_count": 1, "name": name,
        "private_metadata": { "note": "secret" }, "updated_at": updated_at,
    })
}

pub(crate) fn membership(id: &str, organization_id: &str, user_id: &str, updated_at: i64) -> Value {
    json!({
        "created_at": updated_at, "id": id, "permissions": ["org:read"], "role": "org:member", "updated_at": updated_at,
        "organization": { "created_at": T, "id": organization_id, "name": "Copy", "updated_at": updated_at },
        "public_user_data": { "first_name": "Copy", "identifier": "copy@example.com", "user_id": user_id },
    })
}

pub(crate) fn deleted(id: &str) -> Value {
    json!({ "deleted": true, "id": id, "object": "object" })
}
