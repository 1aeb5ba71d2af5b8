//! SQL databases: their URLs, connections and errors.

mod error;
mod open;
#[cfg(feature = "sync")]
mod schema;

#[cfg(feature = "queue")]
pub(crate) use error::LONGEST;
pub(crate) use error::why;
#[cfg(feature = "sync")]
pub(crate) use open::open_or_create_sqlite;
#[cfg(feature = "queue")]
pub(crate) use open::scheme;
pub(crate) use open::{DatabaseKind, SqlDatabase, open_postgres, open_sqlite};
#[cfg(feature = "sync")]
pub(crate) use schema::create_schema;
