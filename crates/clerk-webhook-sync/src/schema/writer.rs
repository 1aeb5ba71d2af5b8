//! The parts that all statements share.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::dialect::Dialect;
use super::names::Names;
use super::table::Table;

/// Writes the statements for one prefix and one dialect.
pub(super) struct Writer<'a> {
    pub(super) names: &'a Names,
    pub(super) dialect: Dialect,
}

impl Writer<'_> {
    /// Marks a statement as safe: the names were checked, and the rest is constant.
    pub(super) fn safe(&self, statement: String) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(statement)).into_sql_str()
    }

    /// Returns the columns of the row type for a SELECT. Their names in the result begin with the prefix.
    pub(super) fn columns(&self, table: &Table, alias: &str, prefix: &str) -> String {
        let read = |name| self.dialect.read(name, alias, prefix);
        table.read_columns().map(read).collect::<Vec<_>>().join(", ")
    }
}
