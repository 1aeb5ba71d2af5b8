//! The differences between SQLite and Postgres.

use super::table::Column;
use crate::value::Kind;

/// A database's SQL dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    /// Returns the migrations in order. The first one creates version 1 of the tables.
    pub(crate) const fn migrations(self) -> [&'static str; 4] {
        match self {
            Self::Postgres => [
                include_str!("../../migrations/postgres/0001_tables.sql"),
                include_str!("../../migrations/postgres/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/postgres/0003_ends_and_long_values.sql"),
                include_str!("../../migrations/postgres/0004_state.sql"),
            ],
            Self::Sqlite => [
                include_str!("../../migrations/sqlite/0001_tables.sql"),
                include_str!("../../migrations/sqlite/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/sqlite/0003_ends_and_long_values.sql"),
                include_str!("../../migrations/sqlite/0004_state.sql"),
            ],
        }
    }

    /// Returns a parameter's placeholder. Numbers begin at 1.
    pub(super) fn parameter(self, number: usize, kind: Kind) -> String {
        match (self, kind) {
            (Self::Sqlite, _) => format!("?{number}"),
            // The parameter is bound as a text.
            (Self::Postgres, Kind::Json) => format!("${number}::jsonb"),
            (Self::Postgres, _) => format!("${number}"),
        }
    }

    /// Returns a null that is a text.
    #[cfg(feature = "backend-api")]
    pub(super) const fn null_text(self) -> &'static str {
        match self {
            Self::Postgres => "NULL::text",
            Self::Sqlite => "NULL",
        }
    }

    /// Returns an expression for the smaller of two values, or for the other value if one is null.
    pub(super) fn least(self, one: &str, other: &str) -> String {
        match self {
            Self::Postgres => format!("LEAST({one}, {other})"),
            Self::Sqlite => format!("coalesce(min({one}, {other}), {one}, {other})"),
        }
    }

    /// Returns an expression that converts the ASCII letters in an address to lower case.
    ///
    /// SQLite converts only ASCII letters. In Postgres, the conversion of other letters depends on the
    /// locale.
    pub(super) const fn lower_email(self) -> &'static str {
        match self {
            Self::Postgres => r#"lower(email_address COLLATE "C")"#,
            Self::Sqlite => "lower(email_address)",
        }
    }

    /// Returns a condition that selects addresses with non-ASCII characters.
    pub(super) const fn is_beyond_ascii(self) -> &'static str {
        match self {
            Self::Postgres => "email_address ~ '[^[:ascii:]]'",
            Self::Sqlite => "length(email_address) <> length(CAST(email_address AS BLOB))",
        }
    }

    /// Returns an SQL expression that reads a column as its [`Kind`]. In the query result, the column is named
    /// `{prefix}{name}`.
    pub(crate) fn read(self, column: &Column, alias: &str, prefix: &str) -> String {
        let name = column.name;
        match (self, column.kind) {
            (Self::Postgres, Kind::Json) => format!("{alias}{name}::text AS {prefix}{name}"),
            _ => format!("{alias}{name} AS {prefix}{name}"),
        }
    }
}
