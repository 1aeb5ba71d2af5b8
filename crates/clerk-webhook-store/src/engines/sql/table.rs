//! The table name, and how it is put into statements.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// The table name in this crate's SQL.
const DEFAULT: &str = "clerk_webhook_delivery";

/// The index name is the table name with this suffix.
const INDEX_SUFFIX: &str = "_age";

/// The length of the longest identifier in Postgres, which truncates longer ones.
const LONGEST_IDENTIFIER: usize = 63;

/// A table name that is safe in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    table: String,
}

/// The name that carries the schema in `CREATE INDEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaOf {
    /// The name of the index, as in SQLite.
    Index,
    /// The name of the table, as in Postgres.
    IndexedTable,
}

/// Defines an engine's `Statements` struct, with a constructor that puts a table name into each statement.
macro_rules! statements {
    ($schema_of:expr; $($name:ident: $sql:expr,)*) => {
        /// The engine's statements, for one table.
        #[derive(Debug)]
        pub(super) struct Statements {
            $(pub(super) $name: sqlx::SqlStr,)*
        }

        impl Statements {
            pub(super) fn of(table: &$crate::engines::sql::TableName) -> Self {
                Self { $($name: table.statement($sql, $schema_of),)* }
            }
        }
    };
}
pub(crate) use statements;

impl TableName {
    /// Returns a statement with this table name. `statement` contains the default name.
    pub(crate) fn statement(&self, statement: &str, schema_of: SchemaOf) -> SqlStr {
        AssertSqlSafe(self.put_into(statement, schema_of)).into_sql_str()
    }

    /// Replaces the default name in a statement.
    fn put_into(&self, statement: &str, schema_of: SchemaOf) -> String {
        let qualified = |name: &str, with_schema: bool| match &self.schema {
            // Names are quoted, because a table name may be a keyword, such as `order` or `user`.
            Some(schema) if with_schema => format!(r#""{schema}"."{name}""#),
            _ => format!(r#""{name}""#),
        };
        let mut parts = statement.split(DEFAULT);
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            if let Some(rest) = part.strip_prefix(INDEX_SUFFIX) {
                named += &qualified(&format!("{}{INDEX_SUFFIX}", self.table), schema_of == SchemaOf::Index);
                named += rest;
            } else {
                let indexed = named.ends_with(" ON ");
                named += &qualified(&self.table, !indexed || schema_of == SchemaOf::IndexedTable);
                named += part;
            }
        }
        named
    }
}

impl Default for TableName {
    fn default() -> Self {
        Self { schema: None, table: DEFAULT.to_owned() }
    }
}

impl FromStr for TableName {
    type Err = InvalidTableName;

    fn from_str(text: &str) -> Result<Self, InvalidTableName> {
        let is_identifier = |name: &str, longest: usize| {
            let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            begins && name.len() <= longest && name.bytes().all(allowed)
        };
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, text),
        };
        let valid = schema.is_none_or(|schema| is_identifier(schema, LONGEST_IDENTIFIER))
            && is_identifier(table, LONGEST_IDENTIFIER - INDEX_SUFFIX.len());
        if !valid {
            return Err(InvalidTableName);
        }
        Ok(Self { schema: schema.map(str::to_owned), table: table.to_owned() })
    }
}

/// The error for a text that is not a valid table name.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTableName;

impl fmt::Display for InvalidTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a table name consists of 1 to 59 lowercase ASCII letters, digits and `_`, and does not start with \
             a digit. A schema of 1 to 63 such characters and a dot may precede it",
        )
    }
}

debug_is_display!(InvalidTableName);

impl Error for InvalidTableName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_names_that_are_safe_in_a_statement() {
        for valid in
            ["deliveries", "_d1", "hooks.deliveries", &"x".repeat(59), &format!("{0}.d", "s".repeat(63))]
        {
            assert!(valid.parse::<TableName>().is_ok(), "{valid}");
        }
        let long = ["x".repeat(60), format!("{}.d", "s".repeat(64))];
        let invalid = [
            "",
            ".",
            "a.",
            ".a",
            "a.b.c",
            "1a",
            "Deliveries",
            "a b",
            "a-b",
            r#"a""#,
            "a;",
            "ä",
            "a\n",
            "a\0",
        ];
        for invalid in invalid.into_iter().chain(long.iter().map(String::as_str)) {
            assert_eq!(invalid.parse::<TableName>(), Err(InvalidTableName), "{invalid:?}");
        }
        assert!(InvalidTableName.to_string().contains("1 to 59 lowercase ASCII letters"));
    }

    #[test]
    fn puts_the_name_and_the_schema_into_a_statement() {
        let statement = "CREATE INDEX clerk_webhook_delivery_age ON clerk_webhook_delivery (a); \
                         DELETE FROM clerk_webhook_delivery";
        let named = |name: &str, schema_of| name.parse::<TableName>().unwrap().put_into(statement, schema_of);
        assert_eq!(
            named("s.clerk_webhook_delivery_age", SchemaOf::IndexedTable),
            r#"CREATE INDEX "clerk_webhook_delivery_age_age" ON "s"."clerk_webhook_delivery_age" (a); DELETE FROM "s"."clerk_webhook_delivery_age""#
        );
        assert_eq!(
            named("s.user", SchemaOf::Index),
            r#"CREATE INDEX "s"."user_age" ON "user" (a); DELETE FROM "s"."user""#
        );
    }
}
