//! SQL databases: their URLs, connections and errors.

mod error;
mod open;

#[cfg(feature = "queue")]
pub(crate) use error::LONGEST;
pub(crate) use error::why;
#[cfg(feature = "sync")]
pub(crate) use open::open_or_create_sqlite;
#[cfg(feature = "queue")]
pub(crate) use open::scheme;
pub(crate) use open::{SqlDatabase, open_postgres, open_sqlite};
