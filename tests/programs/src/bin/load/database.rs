//! The database of a form, and the comparison of its tables with the events that were sent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use clerk_webhook_test::{History, ObjectKind};
use clerk_webhook_tests::servers::Postgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

/// The tables that `serve` keeps by default, with the objects that they contain.
const TABLES: [(&str, ObjectKind); 7] = [
    ("users", ObjectKind::User),
    ("organizations", ObjectKind::Organization),
    ("memberships", ObjectKind::OrganizationMembership),
    ("invitations", ObjectKind::OrganizationInvitation),
    ("domains", ObjectKind::OrganizationDomain),
    ("roles", ObjectKind::Role),
    ("permissions", ObjectKind::Permission),
];

/// The number of differences in a message.
const SHOWN: usize = 5;

type Row = (String, i64, Option<i64>);

/// A new database, and the folder of the form.
pub struct Database {
    folder: PathBuf,
    url: String,
    pub postgres: Option<Postgres>,
}

impl Database {
    /// Returns a SQLite file that does not exist yet.
    pub fn sqlite() -> Self {
        let folder = folder("sqlite");
        Self { url: format!("sqlite:{}", folder.join("app.db").display()), folder, postgres: None }
    }

    /// Starts a Postgres server for this form. Returns `None` if Postgres is not installed.
    pub fn postgres() -> Option<Self> {
        let postgres = Postgres::start("the load of two instances with Postgres")?;
        Some(Self { folder: folder("postgres"), url: postgres.url(), postgres: Some(postgres) })
    }

    pub fn name(&self) -> &'static str {
        if self.postgres.is_some() { "Postgres" } else { "SQLite" }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of instances that use the database at the same time.
    pub fn instances(&self) -> usize {
        if self.postgres.is_some() { 2 } else { 1 }
    }

    /// The beginning of the names of the tables.
    pub fn prefix(&self) -> &'static str {
        if self.postgres.is_some() { "clerk." } else { "clerk_" }
    }

    /// Keeps the folder, and returns its path.
    pub fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.folder)
    }

    /// Checks that the messages are marked as handled, and that the last state of each object is in the tables.
    pub fn check<'a>(
        &self,
        history: &History,
        acknowledged: impl Iterator<Item = &'a str>,
        runtime: &Runtime,
    ) -> Result<(), String> {
        let prefix = self.prefix();
        let marks = "SELECT message_id, CAST(state AS BIGINT), CAST(NULL AS BIGINT)";
        let marks = self.rows(&format!("{marks} FROM {prefix}webhook_delivery WHERE state = 1"), runtime)?;
        let missing = acknowledged.filter(|id| !marks.contains_key(*id));
        none("acknowledged events that are not marked as handled", missing)?;
        let truth = history.truth();
        for (table, kind) in TABLES {
            let query = format!("SELECT id, updated_at, deleted_at FROM {prefix}{table}");
            let rows = self.rows(&query, runtime)?;
            let wrong = truth.live(kind).iter().filter(|(id, data)| {
                let expected = data["updated_at"].as_i64().map(|updated_at| (updated_at, None));
                rows.get(*id).copied() != expected
            });
            none(&format!("objects without their last state in {table}"), wrong.map(|(id, _)| &**id))?;
            let wrong = truth.deleted(kind).keys().filter(|id| !matches!(rows.get(*id), Some((_, Some(_)))));
            none(&format!("deleted objects without a tombstone in {table}"), wrong.map(|id| &**id))?;
        }
        Ok(())
    }

    /// Returns the rows of a query by their first column.
    fn rows(&self, query: &str, runtime: &Runtime) -> Result<HashMap<String, (i64, Option<i64>)>, String> {
        let rows = runtime.block_on(async {
            let query = AssertSqlSafe(query.to_owned());
            if self.postgres.is_some() {
                let mut connection = PgConnection::connect(&self.url).await?;
                sqlx::query_as::<_, Row>(query).fetch_all(&mut connection).await
            } else {
                let mut connection = SqliteConnection::connect(&self.url).await?;
                sqlx::query_as::<_, Row>(query).fetch_all(&mut connection).await
            }
        });
        let rows = rows.map_err(|error: sqlx::Error| format!("{query}: {error}"))?;
        Ok(rows.into_iter().map(|(id, number, deleted_at)| (id, (number, deleted_at))).collect())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Empty if the folder is kept.
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Returns an error with the number and the first ids, if there are any.
pub fn none<'a>(what: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let shown = ids.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    Err(format!("{what} ({}): {shown}{}", ids.len(), if ids.len() > SHOWN { ", …" } else { "" }))
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("clerk-webhook-load-{}-{name}", process::id()));
    fs::create_dir(&folder).expect("could not create the folder");
    folder
}
