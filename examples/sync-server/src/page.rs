//! A page that shows the tables' contents without personal data.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{FromRow, query_as};
use tokio::{sync::Mutex, time};
use tracing::error;

/// The timeout for a connection and for the health check.
const SOON: Duration = Duration::from_secs(1);

/// The timeout for each of the page's queries, which read all rows.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a response is cached, so that many simultaneous requests cause one query.
const CACHED: Duration = Duration::from_secs(1);

type Answer = Result<Json<Value>, StatusCode>;

/// The tables in either database, over one connection. Views and columns have the same names in both
/// databases.
pub enum Tables {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Tables {
    pub fn postgres(options: &PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(SOON);
        Self::Postgres(pool.connect_lazy_with(options.clone()))
    }

    pub fn sqlite(file: &SqliteConnectOptions) -> Self {
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(SOON);
        Self::Sqlite(pool.connect_lazy_with(file.clone()))
    }

    async fn ask<T>(&self, question: &'static str, patience: Duration) -> Result<Vec<T>, StatusCode>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let asking = async {
            match self {
                Self::Postgres(pool) => query_as(question).fetch_all(pool).await,
                Self::Sqlite(pool) => query_as(question).fetch_all(pool).await,
            }
        };
        let rows = time::timeout(patience, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        rows.map_err(|error| {
            error!(%error, "cannot read the tables");
            StatusCode::SERVICE_UNAVAILABLE
        })
    }
}

/// Returns the routes for the page and for the health check, which a load balancer calls every few seconds.
///
/// Each route has its own connection, so that a slow page delays neither the deliveries nor the health check.
pub fn router(tables: impl Fn() -> Tables) -> Router {
    let page = get(page).with_state(Arc::new(Page { tables: tables(), last: Mutex::default() }));
    Router::new().route("/", page).route("/health", get(health).with_state(Arc::new(tables())))
}

struct Page {
    tables: Tables,
    last: Mutex<Option<(Instant, Answer)>>,
}

impl Page {
    /// Returns the cached response or a new one. One request runs the queries, and the others wait for it.
    async fn answer(&self) -> Answer {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < CACHED
        {
            return answer.clone();
        }
        let answer = self.read().await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn read(&self) -> Answer {
        let as_of = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let counts = self.tables.ask::<(String, i64)>(include_str!("counts.sql"), PATIENCE).await?;
        let mut live: Map<_, _> = counts.into_iter().map(|(of, count)| (of, Value::from(count))).collect();
        let (tombstones, deliveries) = (live.remove("tombstones"), live.remove("deliveries"));

        type Row = (String, String, i64, i64, Option<i64>);
        let rows = self.tables.ask::<Row>(include_str!("latest.sql"), PATIENCE).await?;
        let latest = rows.into_iter().map(|(kind, id, updated_at, synced_at, deleted_at)| {
            // The only time in a tombstone is the time of the deletion.
            let (changed_at, deleted) = (deleted_at.unwrap_or(updated_at), deleted_at.is_some());
            json!({"kind": kind, "id": id, "changed_at": changed_at, "synced_at": synced_at, "deleted": deleted})
        });
        let latest: Vec<_> = latest.collect();
        Ok(Json(json!({
            "as_of": as_of, "live": live, "tombstones": tombstones, "deliveries": deliveries, "latest": latest,
        })))
    }
}

async fn page(State(page): State<Arc<Page>>) -> Answer {
    // The task continues if the client closes the connection, because other clients are waiting for the same
    // response.
    let reading = tokio::spawn(async move { page.answer().await });
    reading.await.unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn health(State(tables): State<Arc<Tables>>) -> Result<&'static str, StatusCode> {
    tables.ask::<(i32,)>("SELECT 1", SOON).await?;
    Ok("ok")
}
