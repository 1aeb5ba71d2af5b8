//! The checks of the start, in this order: the database, its tables, the secret key, the instance.

mod clerk;
mod folder;
mod opened;
pub(super) mod postgres;
pub(super) mod schema;
pub(super) mod sqlite;

pub(super) use self::opened::{Open, Opened};
use super::config::Config;
use crate::database::SqlDatabase;
use crate::failure::Failure;

/// Opens the database and runs the checks.
pub(super) async fn open(config: &Config) -> Result<Opened, Failure> {
    match &config.database {
        SqlDatabase::Sqlite(options) => sqlite::open(config, options).await.map(Opened::Sqlite),
        SqlDatabase::Postgres(options) => postgres::open(config, options).await.map(Opened::Postgres),
    }
}
