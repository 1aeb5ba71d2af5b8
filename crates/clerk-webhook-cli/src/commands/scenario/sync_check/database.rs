//! Reads the tables from the database.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection as _, Decode, Executor, PgConnection, Row, SqlSafeStr as _,
    SqlStr, SqliteConnection, Type,
};

use super::compare::{Key, Section, State};
use crate::database_error::{LONGEST, why};
use crate::failure::Failure;
use crate::output::printable;

/// The connection options of a database. The password is never printed.
pub(super) enum Database {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The prefix of all table names. Contains only characters that are safe in a query.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    schema: Option<String>,
    prefix: String,
}

pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl FromStr for Database {
    type Err = Failure;

    fn from_str(url: &str) -> Result<Self, Failure> {
        // The URL and the parser's message are not printed: they can contain a password.
        let wrong = || {
            Failure::usage(
                "--expect-sync expects the URL of a database: sqlite:app.db, or postgres://user:password@host/database",
            )
        };
        match url.split_once(':') {
            Some(("sqlite", _)) => {
                let options: SqliteConnectOptions = url.parse().map_err(|_| wrong())?;
                // A missing file is an error, so it is not created.
                Ok(Self::Sqlite(options.create_if_missing(false).read_only(true)))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.parse().map_err(|_| wrong())?)),
            _ => Err(wrong()),
        }
    }
}

impl Database {
    /// Connects, and starts a transaction with one snapshot, because handlers may still be writing.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let connected = match self {
            Self::Sqlite(options) => SqliteConnection::connect_with(options).await.map(Connection::Sqlite),
            Self::Postgres(options) => PgConnection::connect_with(options).await.map(Connection::Postgres),
        };
        let mut connection = connected.map_err(|error| {
            Failure::network(format_args!("cannot open the database of --expect-sync: {}", why(&error)))
        })?;
        let begin = match connection {
            Connection::Sqlite(_) => "BEGIN",
            Connection::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        connection.texts(begin.to_owned(), 0).await.map_err(|error| unreadable(&error))?;
        Ok(connection)
    }
}

impl FromStr for Prefix {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (schema, prefix) = match text.split_once('.') {
            Some((schema, prefix)) => (Some(schema), prefix),
            None => (None, text),
        };
        let is_name = |name: &str| {
            name.chars().all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_')
        };
        if schema.is_some_and(str::is_empty) || !schema.is_none_or(is_name) || !is_name(prefix) {
            return Err(Failure::usage(
                "--sync-prefix expects a prefix of table names such as clerk_ or schema.clerk_: lowercase letters, digits, \
                 and `_`",
            ));
        }
        Ok(Self { schema: schema.map(str::to_owned), prefix: prefix.to_owned() })
    }
}

impl Prefix {
    /// Returns the quoted name of a table or a view for a query.
    fn name(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!(r#""{schema}"."{}{name}""#, self.prefix),
            None => format!(r#""{}{name}""#, self.prefix),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.prefix)
    }
}

impl Connection {
    /// Fails if the table or view, or a column, is missing.
    pub(super) async fn probe(&mut self, section: &Section, prefix: &Prefix) -> Result<(), Failure> {
        let query = format!("SELECT * FROM ({}) AS probed WHERE 1 = 0", self.query(section, prefix));
        match self.texts(query, 0).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if is_absent(&*error) => Err(Failure::usage(format_args!(
                "the database of --expect-sync lacks tables or columns of clerk-webhook-sync with the prefix {prefix} ({}): \
                 run ClerkSync::migrate first, or set the prefix with --sync-prefix",
                printable(error.message().as_bytes(), LONGEST)
            ))),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Reads all rows of a section, each with its key.
    pub(super) async fn rows(
        &mut self,
        section: &Section,
        prefix: &Prefix,
    ) -> Result<Vec<(Key, Vec<Value>)>, Failure> {
        let keys = section.key.len();
        let query = self.query(section, prefix);
        let rows =
            self.texts(query, keys + section.columns.len()).await.map_err(|error| unreadable(&error))?;
        let read = |mut row: Vec<Option<String>>| {
            let values = row.split_off(keys);
            let key = row.into_iter().map(Option::unwrap_or_default).collect();
            let values = section.columns.iter().zip(values).map(|(column, text)| column.read(text));
            (key, values.collect())
        };
        Ok(rows.into_iter().map(read).collect())
    }

    pub(super) async fn close(self) {
        // All rows have been read, so an error while closing the connection has no effect.
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }

    /// Returns the query of a section. All its columns are cast to text.
    fn query(&self, section: &Section, prefix: &Prefix) -> String {
        let names = section.key.iter().copied().chain(section.columns.iter().map(|column| column.name));
        let columns: Vec<_> = names
            .map(|name| match self {
                // The name is qualified, because SQLite treats the quoted name of a missing column as a
                // string.
                Self::Sqlite(_) => format!(r#"CAST(t."{name}" AS TEXT) AS "{name}""#),
                Self::Postgres(_) => format!(r#"t."{name}"::text AS "{name}""#),
            })
            .collect();
        let condition = match section.state {
            State::Live => String::new(),
            State::Deleted => " WHERE t.deleted_at IS NOT NULL".to_owned(),
            State::Hidden => format!(
                " WHERE t.deleted_at IS NULL AND t.id NOT IN (SELECT id FROM {})",
                prefix.name(section.view)
            ),
        };
        format!("SELECT {} FROM {} AS t{condition}", columns.join(", "), prefix.name(section.source))
    }

    async fn texts(
        &mut self,
        query: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
        // The query contains only names that this program defines, and the checked prefix.
        let query = AssertSqlSafe(Arc::<str>::from(query)).into_sql_str();
        match self {
            Self::Sqlite(connection) => fetch(connection, query, columns).await,
            Self::Postgres(connection) => fetch(connection, query, columns).await,
        }
    }
}

async fn fetch<'c, DB, C>(
    connection: &'c mut C,
    query: SqlStr,
    columns: usize,
) -> Result<Vec<Vec<Option<String>>>, sqlx::Error>
where
    DB: sqlx::Database,
    &'c mut C: Executor<'c, Database = DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> Option<String>: Decode<'r, DB>,
    Option<String>: Type<DB>,
{
    let rows = connection.fetch_all(sqlx::raw_sql(query)).await?;
    rows.iter().map(|row| (0..columns).map(|column| row.try_get(column)).collect()).collect()
}

/// Returns whether the error means that a table, a column, or a schema is missing.
fn is_absent(error: &dyn DatabaseError) -> bool {
    let message = error.message();
    // SQLite has only one code for all errors in a statement, so its messages are compared. The Postgres
    // codes mean: no table, no column, no schema.
    ["no such table", "no such column", "unknown database"].iter().any(|cause| message.starts_with(cause))
        || matches!(error.code().as_deref(), Some("42P01" | "42703" | "3F000"))
}

fn unreadable(error: &sqlx::Error) -> Failure {
    Failure::network(format_args!("cannot read the database of --expect-sync: {}", why(error)))
}

#[cfg(test)]
mod tests {
    use clerk_webhook_sync::{ClerkSync, SyncDatabase};
    use clerk_webhook_tests::servers;
    use sqlx::postgres::PgPoolOptions;
    use sqlx::sqlite::{SqliteJournalMode, SqlitePoolOptions};

    use super::super::compare::sections;
    use super::super::final_state::FinalState;
    use super::*;

    /// Checks that a write during the comparison is not visible to the comparison.
    async fn assert_reads_one_moment<DB: SyncDatabase>(
        sync: ClerkSync<DB>,
        url: &str,
        prefix: &str,
        write: impl AsyncFn(&str),
    ) {
        sync.prefix(prefix).unwrap().migrate().await.unwrap();
        let insert = format!(
            "INSERT INTO {prefix}permissions (id, obs_rank, updated_at, event_at, tie, synced_at) \
             VALUES ('perm_1', 1, 1, 1, '', 1)"
        );
        let (database, prefix): (Database, Prefix) = (url.parse().unwrap(), prefix.parse().unwrap());
        let sections = sections(&FinalState::default());
        for expected in [0, 1] {
            let mut connection = database.connect().await.unwrap();
            let mut found = connection.rows(&sections[0], &prefix).await.unwrap().len();
            if expected == 0 {
                write(&insert).await;
            }
            for section in &sections {
                found += connection.rows(section, &prefix).await.unwrap().len();
            }
            connection.close().await;
            assert_eq!(found, expected);
        }
    }

    #[tokio::test]
    async fn reads_one_snapshot_of_sqlite() {
        let path = std::env::temp_dir().join(format!("clerk-webhook-moment-{}.db", std::process::id()));
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let write = async |statement: &str| {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        };
        let url = format!("sqlite:{}", path.display());
        assert_reads_one_moment(ClerkSync::new(pool.clone()), &url, "clerk_", write).await;
        // Closing the pool removes the write-ahead log files.
        pool.close().await;
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn reads_one_snapshot_of_postgres() {
        let Some(url) = servers::postgres("cli_moment") else { return };
        let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        let write = async |statement: &str| {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        };
        write("DROP SCHEMA IF EXISTS test_cli_moment CASCADE; CREATE SCHEMA test_cli_moment").await;
        assert_reads_one_moment(ClerkSync::new(pool.clone()), &url, "test_cli_moment.clerk_", write).await;
    }
}
