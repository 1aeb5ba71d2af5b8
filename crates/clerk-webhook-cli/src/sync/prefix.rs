//! The prefix of the tables' names.

use std::fmt;
use std::str::FromStr;

use super::schema::Schema;
#[cfg(feature = "sync")]
use crate::database::DatabaseKind;

/// The schema and the prefix of the tables' names. Both are safe in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    schema: Option<String>,
    prefix: String,
    /// The value of `--schema`, if the names of the tables come from it.
    of_server: Option<Schema>,
}

impl Prefix {
    /// Returns the prefix of the tables that `serve` uses with a schema.
    #[cfg(feature = "sync")]
    pub(crate) fn of_server(schema: &Schema, kind: DatabaseKind) -> Self {
        let of_server = Some(schema.clone());
        match kind {
            DatabaseKind::Sqlite => Self { schema: None, prefix: format!("{schema}_"), of_server },
            DatabaseKind::Postgres => {
                Self { schema: Some(schema.to_string()), prefix: String::new(), of_server }
            }
        }
    }

    /// Returns the quoted name of a table or a view for a statement.
    #[cfg(feature = "sync")]
    pub(crate) fn name(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!(r#""{schema}"."{}{name}""#, self.prefix),
            None => format!(r#""{}{name}""#, self.prefix),
        }
    }

    #[cfg(feature = "sync")]
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns the option that selects these tables, with a space before it, or nothing for the default.
    #[cfg(feature = "sync")]
    pub(crate) fn option(&self) -> String {
        match &self.of_server {
            Some(schema) if *schema == Schema::default() => String::new(),
            Some(schema) => format!(" --schema {schema}"),
            None => format!(" --prefix {self}"),
        }
    }

    /// Returns what the tables have in common, for messages.
    #[cfg(feature = "sync")]
    pub(crate) fn described(&self) -> String {
        match &self.of_server {
            Some(schema) => format!("of schema {schema}"),
            None => format!("with the prefix {self}"),
        }
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const INVALID: &str = "use 1 to 32 lowercase letters, digits and `_`, and do not begin with a digit; a schema and \
                               a dot can precede them, such as auth.clerk_";
        let is_part = |next: char| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_';
        let is_name = |name: &str, longest: usize| {
            !name.starts_with(|first: char| first.is_ascii_digit())
                && (1..=longest).contains(&name.len())
                && name.chars().all(is_part)
        };
        let (schema, prefix) = match text.split_once('.') {
            Some((schema, prefix)) => (Some(schema), prefix),
            None => (None, text),
        };
        let is_prefix = is_name(prefix, 32) || (schema.is_some() && prefix.is_empty());
        if !is_prefix || schema.is_some_and(|schema| !is_name(schema, 63)) {
            return Err(INVALID);
        }
        Ok(Self { schema: schema.map(str::to_owned), prefix: prefix.to_owned(), of_server: None })
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
