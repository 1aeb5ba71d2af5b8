//! What differs between the databases.

use super::table::Column;
use crate::value::Kind;

/// Which SQL a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    /// Returns the migrations, the first of which brings version 1.
    pub(crate) const fn migrations(self) -> [&'static str; 3] {
        match self {
            Self::Postgres => [
                include_str!("../../migrations/postgres/0001_tables.sql"),
                include_str!("../../migrations/postgres/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/postgres/0003_ends_and_long_values.sql"),
            ],
            Self::Sqlite => [
                include_str!("../../migrations/sqlite/0001_tables.sql"),
                include_str!("../../migrations/sqlite/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/sqlite/0003_ends_and_long_values.sql"),
            ],
        }
    }

    /// Returns the place of a parameter, counted from 1.
    pub(super) fn parameter(self, number: usize, kind: Kind) -> String {
        match (self, kind) {
            (Self::Sqlite, _) => format!("?{number}"),
            // The parameter itself is a text.
            (Self::Postgres, Kind::Json) => format!("${number}::jsonb"),
            (Self::Postgres, _) => format!("${number}"),
        }
    }

    /// Returns the smaller of two, and the other one where one is null.
    pub(super) fn least(self, one: &str, other: &str) -> String {
        match self {
            Self::Postgres => format!("LEAST({one}, {other})"),
            Self::Sqlite => format!("coalesce(min({one}, {other}), {one}, {other})"),
        }
    }

    /// Returns an address with its ASCII letters in lower case. SQLite folds no others, and what else Postgres folds depends on
    /// its locale.
    pub(super) const fn lower_email(self) -> &'static str {
        match self {
            Self::Postgres => r#"lower(email_address COLLATE "C")"#,
            Self::Sqlite => "lower(email_address)",
        }
    }

    /// Asks whether an address has other characters than ASCII.
    pub(super) const fn is_beyond_ascii(self) -> &'static str {
        match self {
            Self::Postgres => "email_address ~ '[^[:ascii:]]'",
            Self::Sqlite => "length(email_address) <> length(CAST(email_address AS BLOB))",
        }
    }

    /// Reads a column as its [`Kind`]. Its name in the result begins with the prefix.
    pub(crate) fn read(self, column: &Column, alias: &str, prefix: &str) -> String {
        let name = column.name;
        match (self, column.kind) {
            (Self::Postgres, Kind::Json) => format!("{alias}{name}::text AS {prefix}{name}"),
            _ => format!("{alias}{name} AS {prefix}{name}"),
        }
    }
}
