//! The tables of the sync, the store and the queue, and their versions.

use std::sync::Arc;

use clerk_webhook_queue::{PostgresQueue, SqliteQueue};
use clerk_webhook_store::{PostgresStore, SqliteStore};
use clerk_webhook_sync::{ClerkSync, SchemaVersion, SyncDatabase};
use sqlx::{AssertSqlSafe, Executor, Pool};
use tracing::info;

use crate::commands::serve::config::Config;
use crate::database::why;
use crate::failure::Failure;
use crate::sync::{Schema, explain_database, is_missing};

/// Tables that can be created or updated.
pub(in super::super) trait Migrate {
    async fn migrate(&self) -> Result<(), sqlx::Error>;
}

macro_rules! migrate {
    ($($type:ty),*) => {
        $(impl Migrate for $type {
            async fn migrate(&self) -> Result<(), sqlx::Error> {
                Self::migrate(self).await
            }
        })*
    };
}
migrate!(SqliteStore, SqliteQueue, PostgresStore, PostgresQueue);

/// The parts that have tables.
pub(in super::super) struct Tables<DB: SyncDatabase, S, Q> {
    pub(in super::super) sync: ClerkSync<DB>,
    pub(in super::super) store: S,
    pub(in super::super) queue: Option<Q>,
}

impl<DB, S: Migrate, Q: Migrate> Tables<DB, S, Q>
where
    DB: SyncDatabase,
    for<'p> &'p Pool<DB>: Executor<'p, Database = DB>,
{
    /// Applies the settings, creates or updates the tables if that is allowed, and checks their version.
    ///
    /// Returns also whether the tables are complete. They are always complete, except in a check.
    pub(super) async fn prepare(self, config: &Config) -> Result<(Self, bool), Failure> {
        let sync = self.sync.raw(config.raw);
        let sync = if config.tables.sessions { sync.keep_sessions() } else { sync };
        let sync = if config.tables.billing { sync.keep_billing() } else { sync };
        let sync = if config.tables.waitlist { sync.keep_waitlist() } else { sync };
        let tables = Self { sync, ..self };
        let schema = &config.schema;
        let SchemaVersion { found, needed, .. } = tables.refuse_newer(schema).await?;
        if config.migrate && !config.check {
            tables.migrate(schema).await?;
            if found != needed {
                info!(%schema, found, version = needed, "updated the tables");
            }
            return Ok((tables, true));
        }
        if found == needed && tables.are_complete(config).await? {
            return Ok((tables, true));
        }
        if config.migrate {
            return Ok((tables, false));
        }
        let run = format!("Run: clerk-webhook db migrate --schema {schema}");
        Err(Failure::Schema(match found == needed {
            true => format!("Schema {schema} lacks tables of the server. {run}"),
            false => format!("Schema {schema} is at version {found}, this version needs {needed}. {run}"),
        }))
    }

    /// Returns the version, or an error if the tables are newer than this program.
    pub(in super::super) async fn refuse_newer(&self, schema: &Schema) -> Result<SchemaVersion, Failure> {
        let version = self.sync.schema_version().await.map_err(|error| explain_database(&error))?;
        let SchemaVersion { found, needed, .. } = version;
        if found > needed {
            return Err(Failure::Schema(format!(
                "Schema {schema} is at version {found}, newer than {needed}. Upgrade clerk-webhook."
            )));
        }
        Ok(version)
    }

    /// Creates or updates all tables. Another process can do the same at the same time.
    pub(in super::super) async fn migrate(&self, schema: &Schema) -> Result<(), Failure> {
        let migrate = async {
            self.sync.migrate().await?;
            self.store.migrate().await?;
            match &self.queue {
                Some(queue) => queue.migrate().await,
                None => Ok(()),
            }
        };
        migrate.await.map_err(|error| {
            let reason = match &error {
                sqlx::Error::Configuration(reason) => reason.to_string(),
                error => why(error),
            };
            Failure::Schema(format!("cannot update the tables of schema {schema}: {reason}"))
        })
    }

    /// Returns whether the tables of the store and the queue exist.
    async fn are_complete(&self, config: &Config) -> Result<bool, Failure> {
        let names = ["webhook_delivery", "webhook_queue"];
        for name in names.into_iter().take(1 + usize::from(self.queue.is_some())) {
            let select = format!("SELECT 1 FROM {} LIMIT 0", config.prefix.name(name));
            match self.sync.pool().execute(sqlx::raw_sql(AssertSqlSafe(Arc::<str>::from(select)))).await {
                Ok(_) => {}
                Err(error) if is_missing(&error) => return Ok(false),
                Err(error) => return Err(explain_database(&error)),
            }
        }
        Ok(true)
    }
}
