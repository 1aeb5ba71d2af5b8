//! All statements that the sync runs.

use sqlx::SqlStr;

use super::dialect::Dialect;
use super::names::Names;
use super::queries::Queries;
use super::tables::Entity;
use super::writer::Writer;
use super::writes::TableStatements;
#[cfg(feature = "backend-api")]
use crate::value::Kind;

/// All statements, for one table name prefix.
#[derive(Debug)]
pub(crate) struct Statements {
    tables: Vec<TableStatements>,
    pub(crate) schema_exists: SqlStr,
    pub(crate) schema_version: SqlStr,
    pub(crate) migrations: Vec<SqlStr>,
    pub(crate) queries: Queries,
    #[cfg(feature = "backend-api")]
    pub(crate) state: StateStatements,
}

/// The statements for the table `sync_state`.
#[cfg(feature = "backend-api")]
#[derive(Debug)]
pub(crate) struct StateStatements {
    /// Reads all values and their times.
    pub(crate) all: SqlStr,
    /// Reads a value and its time. Parameter: the name.
    pub(crate) read: SqlStr,
    /// Writes a value. Parameters: the name, the value and the current time.
    pub(crate) write: SqlStr,
    /// Removes a value. Parameter: the name.
    pub(crate) forget: SqlStr,
    /// Removes a value if it is the given one. Parameters: the name and the value.
    pub(crate) forget_own: SqlStr,
    /// Writes a value that expires, unless a different value has not expired. Parameters: the name, the value,
    /// the time at which it expires, and the current time.
    pub(crate) lease: SqlStr,
}

impl Statements {
    pub(crate) fn new(names: &Names, dialect: Dialect) -> Self {
        let writer = Writer { names, dialect };
        Self {
            tables: Entity::ALL.iter().map(|entity| writer.table(entity.table())).collect(),
            schema_exists: writer.schema_exists(),
            schema_version: writer
                .safe(format!("SELECT max(version) AS version FROM {}", names.table("sync_schema"))),
            migrations: writer.migrations(),
            queries: writer.queries(),
            #[cfg(feature = "backend-api")]
            state: writer.state(),
        }
    }

    pub(crate) fn of(&self, entity: Entity) -> &TableStatements {
        &self.tables[entity as usize]
    }
}

impl Writer<'_> {
    fn migrations(&self) -> Vec<SqlStr> {
        let named = |migration: &str| self.safe(self.names.put_into(migration, self.dialect));
        self.dialect.migrations().into_iter().map(named).collect()
    }

    #[cfg(feature = "backend-api")]
    fn state(&self) -> StateStatements {
        let table = self.names.table("sync_state");
        let [name, value] = [1, 2].map(|number| self.dialect.parameter(number, Kind::Text));
        let [third, fourth] = [3, 4].map(|number| self.dialect.parameter(number, Kind::Integer));
        let write = format!(
            "INSERT INTO {table} AS known (name, value, updated_at) VALUES ({name}, {value}, {third}) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
        );
        StateStatements {
            all: self.safe(format!("SELECT name, value, updated_at FROM {table}")),
            read: self.safe(format!("SELECT value, updated_at FROM {table} WHERE name = {name}")),
            forget: self.safe(format!("DELETE FROM {table} WHERE name = {name}")),
            forget_own: self.safe(format!("DELETE FROM {table} WHERE name = {name} AND value = {value}")),
            lease: self.safe(format!("{write} WHERE known.value = {value} OR known.updated_at < {fourth}")),
            write: self.safe(write),
        }
    }

    /// Returns a query whose result is 1 if the table that records the migrations exists, and 0 otherwise.
    fn schema_exists(&self) -> SqlStr {
        let name = "sync_schema";
        self.safe(match self.dialect {
            Dialect::Postgres => {
                let table = self.names.table(name);
                format!("SELECT (pg_catalog.to_regclass('{table}') IS NOT NULL)::int::bigint AS version")
            }
            Dialect::Sqlite => {
                let catalog = match self.names.schema() {
                    Some(schema) => format!(r#""{schema}".sqlite_master"#),
                    None => "sqlite_master".to_owned(),
                };
                format!(
                    "SELECT count(*) AS version FROM {catalog} WHERE type = 'table' AND name = '{}'",
                    self.names.bare(name)
                )
            }
        })
    }
}
