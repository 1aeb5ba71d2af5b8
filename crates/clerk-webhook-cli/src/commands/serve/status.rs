//! What `/status` and the page show. It contains no payload and no id except the instance's.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{ImportState, Resource};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::deliver::Deliveries;
use super::storage::Storage;
use super::sweep_log::{Ended, SweepLog};
use crate::failure::Failure;
use crate::sync::{TableStatus, Target, explain_database, explain_sync, on};
use crate::text::date;

/// How long the numbers from the database may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the numbers come from.
pub(super) struct Sources {
    pub(super) target: Arc<Target>,
    pub(super) storage: Arc<Storage>,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) sweeps: Arc<SweepLog>,
    pub(super) started_at: Timestamp,
    /// The instance of the secret key or the setting. If neither exists, the tables may know it.
    pub(super) instance_id: Option<String>,
    pub(super) tls: Option<bool>,
}

/// The state of this process and its tables. Times are in RFC 3339. What the database did not tell is null.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) started_at: String,
    pub(super) instance_id: Option<String>,
    pub(super) database: Database,
    pub(super) deliveries: DeliveryStatus,
    #[serde(serialize_with = "as_map")]
    pub(super) tables: Option<Vec<(&'static str, Rows)>>,
    pub(super) sweep: SweepStatus,
    pub(super) queue: Option<Queue>,
    /// Why the database did not answer. The page shows it.
    #[serde(skip)]
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Database {
    pub(super) kind: &'static str,
    pub(super) schema_version: Option<usize>,
    pub(super) tls: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct DeliveryStatus {
    pub(super) last_at: Option<String>,
    pub(super) last_success_at: Option<String>,
    pub(super) in_flight: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rows {
    pub(super) live: i64,
    pub(super) deleted: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct SweepStatus {
    pub(super) running: Option<&'static str>,
    pub(super) last: Option<Ended>,
    /// Only for the page.
    #[serde(skip)]
    pub(super) next_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Queue {
    pub(super) ready: u64,
    pub(super) running: u64,
    pub(super) dead: u64,
    pub(super) oldest_ready_s: Option<u64>,
}

/// What the database tells.
struct Stored {
    version: usize,
    state: ImportState,
    tables: Vec<(&'static str, Rows)>,
    queue: Option<Queue>,
}

impl Sources {
    pub(super) async fn read(&self) -> Status {
        let stored = match tokio::time::timeout(PATIENCE, self.stored()).await {
            Ok(stored) => stored.map_err(|failure| failure.message().to_owned()),
            Err(_) => Err(format!("the database did not answer in {} s", PATIENCE.as_secs())),
        };
        let (stored, error) = match stored {
            Ok(stored) => (Some(stored), None),
            Err(error) => (None, Some(error)),
        };
        let state = stored.as_ref().map(|stored| &stored.state);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_at: date(self.started_at),
            instance_id: self.instance_id.clone().or_else(|| state?.instance_id.clone()),
            database: Database {
                kind: self.target.sync.kind(),
                schema_version: stored.as_ref().map(|stored| stored.version),
                tls: self.tls,
            },
            deliveries: DeliveryStatus {
                last_at: self.deliveries.last_at().map(date),
                last_success_at: self.deliveries.last_success_at().map(date),
                in_flight: self.deliveries.in_flight(),
            },
            sweep: SweepStatus {
                running: self.sweeps.running(),
                last: self.sweeps.last(state),
                next_at: self.sweeps.next_at().map(date),
            },
            tables: stored.as_ref().map(|stored| stored.tables.clone()),
            queue: stored.and_then(|stored| stored.queue),
            error,
        }
    }

    async fn stored(&self) -> Result<Stored, Failure> {
        let target = &*self.target;
        let version = target.version().await?.found;
        let state = on!(&target.sync, sync => sync.import_state().await);
        let state = state.map_err(|error| explain_sync(&error, &target.prefix))?;
        let mut tables = Vec::new();
        for resource in Resource::ALL {
            let TableStatus { live, deleted, .. } = TableStatus::read(target, *resource, &state).await?;
            tables.push((resource.as_str(), Rows { live, deleted }));
        }
        let queue = self.storage.queue_stats().await.map_err(|error| explain_database(&error))?;
        let queue = queue.map(|stats| Queue {
            ready: stats.ready,
            running: stats.running,
            dead: stats.dead,
            oldest_ready_s: stats.oldest_ready.map(|at| {
                let seconds = Timestamp::now().as_secs().saturating_sub(at.as_secs());
                u64::try_from(seconds).unwrap_or(0)
            }),
        });
        Ok(Stored { version, state, tables, queue })
    }
}

fn as_map<S: Serializer>(
    tables: &Option<Vec<(&'static str, Rows)>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(tables) = tables else { return serializer.serialize_none() };
    let mut map = serializer.serialize_map(Some(tables.len()))?;
    for (name, rows) in tables {
        map.serialize_entry(name, rows)?;
    }
    map.end()
}
