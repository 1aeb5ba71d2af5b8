//! The table names.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::dialect::Dialect;

/// The prefix in the migrations' SQL.
const DEFAULT: &str = "clerk_";

/// The length limit of identifiers in Postgres, which truncates longer ones.
const LONGEST_IDENTIFIER: usize = 63;

/// The length limit of the prefix. The rest of an index name has at most 31 characters.
const LONGEST_PREFIX: usize = 32;

/// The schema and the table name prefix. Both are safe to use in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    schema: Option<String>,
    prefix: String,
}

impl Names {
    /// Returns the quoted name of a table for a statement. Without quotes, a keyword would not be a valid
    /// name.
    pub(crate) fn table(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!(r#""{schema}"."{}{name}""#, self.prefix),
            None => format!(r#""{}{name}""#, self.prefix),
        }
    }

    /// Returns a table's name without its schema, as the databases' catalogs contain it.
    pub(crate) fn bare(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Replaces the default prefix in a migration's SQL.
    pub(crate) fn put_into(&self, migration: &str, dialect: Dialect) -> String {
        let mut parts = migration.split(DEFAULT);
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|next: char| !is_part_of_name(next)).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let is_index = named.ends_with("INDEX IF NOT EXISTS ");
            let is_indexed = named.ends_with(" ON ");
            // Postgres rejects a schema in a new index's name. SQLite rejects it in the name of the index's
            // table. SQLite also stores a view's text, which must not contain the schema, because the
            // database can be attached under a different name later.
            let with_schema = match dialect {
                Dialect::Postgres => !is_index,
                Dialect::Sqlite => !is_indexed && !is_in_view(&named),
            };
            named += &if with_schema { self.table(name) } else { format!(r#""{}""#, self.bare(name)) };
            named += rest;
        }
        named
    }
}

impl Default for Names {
    fn default() -> Self {
        Self { schema: None, prefix: DEFAULT.to_owned() }
    }
}

impl FromStr for Names {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let begins_well =
            |name: &str| name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let is_identifier = |name: &str, longest: usize| {
            begins_well(name) && name.len() <= longest && name.chars().all(is_part_of_name)
        };
        let (schema, prefix) = match text.split_once('.') {
            Some((schema, prefix)) => (Some(schema), prefix),
            None => (None, text),
        };
        // With a schema, the prefix may be empty.
        let valid = match schema {
            Some(schema) => {
                is_identifier(schema, LONGEST_IDENTIFIER)
                    && (prefix.is_empty() || is_identifier(prefix, LONGEST_PREFIX))
            }
            None => is_identifier(prefix, LONGEST_PREFIX),
        };
        if !valid {
            return Err(InvalidPrefix);
        }
        Ok(Self { schema: schema.map(str::to_owned), prefix: prefix.to_owned() })
    }
}

/// Returns whether this beginning of a migration ends inside a view's SELECT.
fn is_in_view(migration: &str) -> bool {
    const CREATE: &str = "CREATE VIEW IF NOT EXISTS ";
    let view = migration.rfind(CREATE).map(|begin| &migration[begin + CREATE.len()..]);
    view.is_some_and(|view| !view.is_empty() && !view.contains(";\n"))
}

fn is_part_of_name(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
}

/// The error for an invalid table name prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidPrefix;

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the table name prefix is invalid. Use 1 to 32 lowercase ASCII letters, digits and `_`, and do not \
             begin with a digit. To select a schema, write its name (at most 63 of these characters) and a dot first, \
             such as `auth.clerk_` or `auth.`",
        )
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidPrefix {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_prefixes() {
        let longest = "x".repeat(32);
        for valid in
            ["clerk_", "_", "c1", "clerk.", "hooks.clerk_", &longest, &format!("{}.", "s".repeat(63))]
        {
            assert!(valid.parse::<Names>().is_ok(), "{valid}");
        }
        let long = ["x".repeat(33), format!("{}.", "s".repeat(64))];
        let invalid = [
            "", ".", ".a", "a.b.c", "1", "1a", "Clerk_", "a b", "a ", "a-b", r#""a""#, "a;", "ä", "a\n",
            "a\0",
        ];
        for invalid in invalid.into_iter().chain(long.iter().map(String::as_str)) {
            assert_eq!(invalid.parse::<Names>(), Err(InvalidPrefix), "{invalid:?}");
        }
        assert!(InvalidPrefix.to_string().starts_with("the table name prefix is invalid. Use 1 to 32 "));
        assert_eq!(format!("{InvalidPrefix:?}"), InvalidPrefix.to_string());
    }

    #[test]
    fn no_identifier_exceeds_the_length_limit_of_postgres() {
        for migration in Dialect::ALL.iter().flat_map(|dialect| dialect.migrations()) {
            for part in migration.split(DEFAULT).skip(1) {
                let name = part.split(|next: char| !is_part_of_name(next)).next().unwrap_or_default();
                assert!(!name.is_empty() && LONGEST_PREFIX + name.len() <= LONGEST_IDENTIFIER, "{name}");
            }
        }
    }

    #[test]
    fn replaces_the_prefix_in_migrations() {
        let migration = "CREATE INDEX IF NOT EXISTS clerk_users_email ON clerk_users (a);\n\
                         CREATE VIEW IF NOT EXISTS clerk_view AS SELECT FROM clerk_users, clerk_roles;\n\
                         SELECT FROM clerk_users;";
        let named = |names: &str, dialect| names.parse::<Names>().unwrap().put_into(migration, dialect);
        assert_eq!(
            named("hooks.", Dialect::Postgres),
            r#"CREATE INDEX IF NOT EXISTS "users_email" ON "hooks"."users" (a);
CREATE VIEW IF NOT EXISTS "hooks"."view" AS SELECT FROM "hooks"."users", "hooks"."roles";
SELECT FROM "hooks"."users";"#
        );
        assert_eq!(
            named("hooks.clerk_", Dialect::Sqlite),
            r#"CREATE INDEX IF NOT EXISTS "hooks"."clerk_users_email" ON "clerk_users" (a);
CREATE VIEW IF NOT EXISTS "hooks"."clerk_view" AS SELECT FROM "clerk_users", "clerk_roles";
SELECT FROM "hooks"."clerk_users";"#
        );
    }
}
