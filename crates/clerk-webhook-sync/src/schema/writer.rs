//! What all statements share.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::dialect::Dialect;
use super::names::Names;
use super::table::Table;

/// Writes statements for tables of certain names.
pub(super) struct Writer<'a> {
    pub(super) names: &'a Names,
    pub(super) dialect: Dialect,
}

impl Writer<'_> {
    /// The names were checked, and everything else is part of the program.
    pub(super) fn safe(&self, statement: String) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(statement)).into_sql_str()
    }

    /// Lists the columns from which a row is read, as a part of SELECT. Their names in the result begin with the prefix.
    pub(super) fn columns(&self, table: &Table, alias: &str, prefix: &str) -> String {
        let read = |name| self.dialect.read(name, alias, prefix);
        table.read_columns().map(read).collect::<Vec<_>>().join(", ")
    }
}
