//! What is in the tables, without anybody's name or address.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{FromRow, query_as};
use tracing::error;

/// The tables, in either database: views and columns have the same names in both.
#[derive(Clone)]
pub enum Tables {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Tables {
    async fn ask<T>(&self, question: &'static str) -> Result<Vec<T>, StatusCode>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let rows = match self {
            Self::Postgres(pool) => query_as(question).fetch_all(pool).await,
            Self::Sqlite(pool) => query_as(question).fetch_all(pool).await,
        };
        rows.map_err(|error| {
            error!(%error, "the tables cannot be read");
            StatusCode::SERVICE_UNAVAILABLE
        })
    }
}

/// Returns the page, which is for people, and what a load balancer asks every few seconds.
pub fn router(tables: Tables) -> Router {
    Router::new().route("/", get(page)).route("/health", get(health)).with_state(tables)
}

async fn page(State(tables): State<Tables>) -> Result<Json<Value>, StatusCode> {
    let counts = tables.ask::<(String, i64)>(include_str!("counts.sql")).await?;
    let mut live: Map<_, _> = counts.into_iter().map(|(of, count)| (of, Value::from(count))).collect();
    let (tombstones, deliveries) = (live.remove("tombstones"), live.remove("deliveries"));

    type Row = (String, String, i64, i64, Option<i64>);
    let rows = tables.ask::<Row>(include_str!("latest.sql")).await?;
    let latest = rows.into_iter().map(|(kind, id, updated_at, synced_at, deleted_at)| {
        // A tombstone has no time but that of the deletion.
        let (changed_at, deleted) = (deleted_at.unwrap_or(updated_at), deleted_at.is_some());
        json!({"kind": kind, "id": id, "changed_at": changed_at, "synced_at": synced_at, "deleted": deleted})
    });
    let latest: Vec<_> = latest.collect();
    Ok(Json(json!({"live": live, "tombstones": tombstones, "deliveries": deliveries, "latest": latest})))
}

async fn health(State(tables): State<Tables>) -> Result<&'static str, StatusCode> {
    tables.ask::<(i32,)>("SELECT 1").await?;
    Ok("ok")
}
