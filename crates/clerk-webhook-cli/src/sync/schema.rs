//! `--schema`: the names of all tables that `serve` uses.

use std::fmt;
use std::str::FromStr;

#[cfg(any(feature = "queue", feature = "sync"))]
use crate::database::DatabaseKind;
#[cfg(any(feature = "queue", feature = "sync"))]
use crate::environment;
#[cfg(any(feature = "queue", feature = "sync"))]
use crate::failure::Failure;

/// The variable with the schema.
#[cfg(any(feature = "queue", feature = "sync"))]
pub(crate) const SCHEMA_VARIABLE: &str = "CLERK_WEBHOOK_SCHEMA";

/// The schema of the tables in Postgres. In SQLite, the names of the tables begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema(String);

#[cfg(any(feature = "queue", feature = "sync"))]
impl Schema {
    /// Returns the schema of an option, of the variable, or the default.
    pub(crate) fn find(option: Option<&Self>) -> Result<Self, Failure> {
        if let Some(schema) = option {
            return Ok(schema.clone());
        }
        let Some(variable) = environment::only(&[SCHEMA_VARIABLE])? else { return Ok(Self::default()) };
        let text = variable.announced();
        text.parse::<Self>().map_err(|hint| Failure::usage(format_args!("{SCHEMA_VARIABLE}: {hint}")))
    }

    #[cfg(feature = "sync")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the table of the deduplication store.
    #[cfg(feature = "sync")]
    pub(crate) fn deliveries(&self, kind: DatabaseKind) -> String {
        self.name(kind, "webhook_delivery")
    }

    /// Returns the table of the queue.
    #[cfg(feature = "queue")]
    pub(crate) fn queue(&self, kind: DatabaseKind) -> String {
        self.name(kind, "webhook_queue")
    }

    /// Returns the schema of graphile_worker. Workers of other applications must not take the jobs.
    #[cfg(feature = "queue")]
    pub(crate) fn worker(&self) -> String {
        format!("{}_worker", self.0)
    }

    fn name(&self, kind: DatabaseKind, table: &str) -> String {
        match kind {
            DatabaseKind::Sqlite => format!("{}_{table}", self.0),
            DatabaseKind::Postgres => format!("{}.{table}", self.0),
        }
    }
}

impl Default for Schema {
    fn default() -> Self {
        Self("clerk".to_owned())
    }
}

impl FromStr for Schema {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_first = |first: char| first.is_ascii_lowercase() || first == '_';
        let is_name = text.starts_with(is_first)
            && text.len() <= 31
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name {
            return Ok(Self(text.to_owned()));
        }
        Err("use up to 31 lowercase letters, digits and `_`, and do not begin with a digit")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
