//! All statements that the sync runs.

use sqlx::SqlStr;

use super::dialect::Dialect;
use super::names::Names;
use super::queries::Queries;
use super::tables::Entity;
use super::writer::Writer;
use super::writes::TableStatements;

/// All statements, for one table name prefix.
#[derive(Debug)]
pub(crate) struct Statements {
    tables: Vec<TableStatements>,
    pub(crate) schema_exists: SqlStr,
    pub(crate) schema_version: SqlStr,
    pub(crate) migrations: Vec<SqlStr>,
    pub(crate) queries: Queries,
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
