//! What runs remember between runs, in the table `sync_state`.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::SqlStr;

use crate::apply::batch::text_of;
#[cfg(feature = "metrics")]
use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{Cursor, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::millis;
use crate::error::SyncError;
use crate::schema::statements::StateStatements;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// The instance whose objects the tables contain.
pub(super) const INSTANCE: &str = "instance_id";

/// The end of the last complete import.
pub(super) const BACKFILLED: &str = "backfilled_at";

/// The position of an interrupted import.
pub(super) const POSITION: &str = "backfill_position";

/// The beginning of the names under which the last complete comparison of each table is remembered.
const RECONCILED: &str = "reconciled_at:";

/// The owner of the lease and the time at which the lease ends.
const LEASE: &str = "lease";

/// How long a run owns the lease after its last renewal. After a crash, the next run waits for this long.
const LEASE_TIME: Duration = Duration::from_secs(15);

/// How often the owner renews the lease.
pub(super) const RENEWAL: Duration = Duration::from_secs(4);

/// How long an interrupted import can be continued, in milliseconds. The rows of its complete tables age.
const POSITION_TIME: i64 = 24 * 60 * 60 * 1000;

/// How far an import has come.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SavedPosition {
    /// When the import began.
    pub(super) began_at: i64,
    /// The names of the tables that the import includes.
    pub(super) tables: BTreeSet<String>,
    /// The names of the tables that are complete.
    pub(super) complete: BTreeSet<String>,
    /// The last imported user.
    pub(super) users: Option<Cursor>,
    /// The number of imported users.
    pub(super) seen: u64,
    /// The number of users that could not be read.
    #[serde(default)]
    pub(super) unreadable: u64,
}

impl SavedPosition {
    /// Returns the position of an import that begins now.
    pub(super) fn new(tables: BTreeSet<String>) -> Self {
        let began_at = Timestamp::now().as_millis();
        Self { began_at, tables, complete: BTreeSet::new(), users: None, seen: 0, unreadable: 0 }
    }

    /// Returns whether an import that begins now can continue from this position.
    pub(super) fn precedes(&self, now: &Self) -> bool {
        let age = now.began_at.saturating_sub(self.began_at);
        self.tables == now.tables && (0..POSITION_TIME).contains(&age)
    }

    /// Encodes the position. The encoding cannot fail.
    pub(super) fn encoded(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The permission to write that only one run has at a time.
#[derive(Debug)]
pub(super) struct Lease {
    owner: String,
}

impl Lease {
    pub(super) fn new() -> Self {
        // `RandomState` has random keys, so the number differs in every process.
        let number = RandomState::new().build_hasher().finish();
        Self { owner: format!("{}-{number:016x}", std::process::id()) }
    }
}

/// What the tables remember of imports and comparisons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportState {
    /// The id of the Clerk instance (`ins_…`); `None` before the first run.
    pub instance_id: Option<String>,
    /// When the last complete import ended.
    pub backfilled_at: Option<Timestamp>,
    /// Whether an import was interrupted, or is running.
    pub is_incomplete: bool,
    /// When the last complete comparison of each table began.
    pub reconciled_at: BTreeMap<Resource, Timestamp>,
    /// Until when a run owns the lease; `None` if no run owns it.
    pub leased_until: Option<Timestamp>,
}

impl ImportState {
    /// Returns when the last comparison began. Not the earliest of all tables, because a table whose feature was
    /// turned off is no longer compared.
    pub(crate) fn last_reconciled_at(&self) -> Option<Timestamp> {
        self.reconciled_at.values().max().copied()
    }

    /// Sets the metrics of the last complete runs, so that alerts survive a restart.
    #[cfg(feature = "metrics")]
    pub(crate) fn record(&self) {
        for (origin, at) in
            [(Origin::Backfill, self.backfilled_at), (Origin::Reconcile, self.last_reconciled_at())]
        {
            if let Some(at) = at {
                crate::metrics::last_sweep(origin.as_str(), at);
            }
        }
    }
}

/// Returns the name under which the last complete comparison of a table is remembered.
pub(super) fn reconciled(resource: Resource) -> String {
    format!("{RECONCILED}{resource}")
}

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns what the tables remember of imports and comparisons.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn import_state(&self) -> Result<ImportState, SyncError> {
        let mut transaction = self.begin().await?;
        let rows = self.fetch(&mut transaction, self.statements().state.all.clone(), &[]).await?;
        transaction.commit().await?;
        let mut state = ImportState::default();
        for row in &rows {
            let (name, value) = (text_of::<DB>(row, "name")?, text_of::<DB>(row, "value")?);
            let time = value.parse().ok().map(Timestamp::from_millis);
            match name.as_str() {
                INSTANCE => state.instance_id = Some(value),
                BACKFILLED => state.backfilled_at = time,
                POSITION => state.is_incomplete = true,
                LEASE => {
                    let end = DB::get(row, "updated_at", Kind::Integer)?.as_integer();
                    let is_owned = |end: &Timestamp| *end > Timestamp::now();
                    state.leased_until = end.map(Timestamp::from_millis).filter(is_owned);
                }
                name => {
                    let resource = name.strip_prefix(RECONCILED).and_then(|name| name.parse().ok());
                    state.reconciled_at.extend(resource.zip(time));
                }
            }
        }
        Ok(state)
    }

    /// Takes the lease. If another run owns it, waits until the lease ends, unless that run renews it.
    pub(super) async fn acquire(&self, lease: &Lease) -> Result<(), ImportError> {
        let mut known = None;
        for seconds in 0..LEASE_TIME.as_secs() + 2 {
            let mut transaction = self.begin().await?;
            let mut is_owner = self.renew_in(&mut transaction, lease).await?;
            let statement = self.statements().state.read.clone();
            let rows = self.fetch(&mut transaction, statement, &[Value::text(LEASE)]).await?;
            let end = rows.first().map(|row| DB::get(row, "updated_at", Kind::Integer)).transpose()?;
            let end = end.and_then(|end| end.as_integer()).unwrap_or(0);
            if !is_owner && known.is_some_and(|known| end > known) {
                break;
            }
            // The owner has not renewed its lease for as long as a lease lasts. Its clock was ahead.
            if !is_owner && seconds >= LEASE_TIME.as_secs() {
                is_owner = self.take_in(&mut transaction, lease, end.saturating_add(1)).await?;
            }
            transaction.commit().await?;
            if is_owner {
                return Ok(());
            }
            known = Some(end);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(ImportError::AlreadyRunning)
    }

    /// Renews the lease, and returns whether this run owns it.
    pub(super) async fn renew(&self, lease: &Lease) -> Result<bool, SyncError> {
        let mut transaction = self.begin().await?;
        let is_owner = self.renew_in(&mut transaction, lease).await?;
        transaction.commit().await?;
        Ok(is_owner)
    }

    pub(super) async fn renew_in(
        &self,
        connection: &mut DB::Connection,
        lease: &Lease,
    ) -> Result<bool, SyncError> {
        self.take_in(connection, lease, Timestamp::now().as_millis()).await
    }

    /// Takes or renews the lease if this run owns it, or if it ends before a time.
    async fn take_in(
        &self,
        connection: &mut DB::Connection,
        lease: &Lease,
        before: i64,
    ) -> Result<bool, SyncError> {
        let end = Timestamp::now().as_millis().saturating_add(millis(LEASE_TIME));
        let StateStatements { lease: statement, .. } = &self.statements().state;
        // `updated_at` is the end of the lease.
        let parameters = [Value::text(LEASE), Value::text(&lease.owner), end.into(), before.into()];
        Ok(self.execute(connection, statement.clone(), &parameters).await? > 0)
    }

    /// Ends the lease of any run, as if its time had passed.
    #[cfg(test)]
    pub(crate) async fn forget_lease(&self, connection: &mut DB::Connection) -> Result<(), SyncError> {
        self.forget(connection, LEASE).await
    }

    /// Gives the lease back, so that the next run does not wait.
    pub(super) async fn give_back(&self, lease: &Lease) -> Result<(), SyncError> {
        let parameters = [Value::text(LEASE), Value::text(&lease.owner)];
        let statement = self.statements().state.forget_own.clone();
        let mut transaction = self.begin().await?;
        self.execute(&mut transaction, statement, &parameters).await?;
        Ok(transaction.commit().await?)
    }

    /// Remembers the instance whose objects the tables contain, in the transaction that first writes them.
    pub(super) async fn adopt(&self, connection: &mut DB::Connection, key: &str) -> Result<(), ImportError> {
        match self.recall_in(connection, INSTANCE).await? {
            // A run with another key was faster.
            Some(tables) if tables != key => Err(ImportError::OtherInstance { tables, key: key.to_owned() }),
            Some(_) => Ok(()),
            None => Ok(self.remember(connection, INSTANCE, key).await?),
        }
    }

    /// Returns a remembered value.
    pub(super) async fn recall(&self, name: &str) -> Result<Option<String>, SyncError> {
        let mut transaction = self.begin().await?;
        let value = self.recall_in(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(value)
    }

    pub(super) async fn recall_in(
        &self,
        connection: &mut DB::Connection,
        name: &str,
    ) -> Result<Option<String>, SyncError> {
        let statement: SqlStr = self.statements().state.read.clone();
        let rows = self.fetch(connection, statement, &[Value::text(name)]).await?;
        rows.first().map(|row| text_of::<DB>(row, "value")).transpose()
    }

    /// Remembers a value, in the transaction of the rows that it describes.
    pub(super) async fn remember(
        &self,
        connection: &mut DB::Connection,
        name: &str,
        value: &str,
    ) -> Result<(), SyncError> {
        let parameters = [Value::text(name), Value::text(value), Timestamp::now().into()];
        self.execute(connection, self.statements().state.write.clone(), &parameters).await?;
        Ok(())
    }

    /// Forgets a value.
    pub(super) async fn forget(&self, connection: &mut DB::Connection, name: &str) -> Result<(), SyncError> {
        self.execute(connection, self.statements().state.forget.clone(), &[Value::text(name)]).await?;
        Ok(())
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn an_import_continues_from_a_position_of_the_same_tables_within_a_day() {
        const DAY: i64 = 86_400_000;
        let tables = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let now = SavedPosition::new(tables(&["users"]));
        for (names, age, expected) in [
            (&["users"][..], 0, true),
            (&["users"], DAY - 1, true),
            (&["users"], DAY, false),
            // The clock of the earlier run was ahead.
            (&["users"], -1, false),
            (&["users", "roles"], 0, false),
        ] {
            let began_at = now.began_at - age;
            let saved = SavedPosition { began_at, ..SavedPosition::new(tables(names)) };
            assert_eq!(saved.precedes(&now), expected, "{names:?}, {age} ms");
        }
    }

    #[test]
    fn the_last_comparison_is_the_latest_of_all_tables() {
        let mut state = ImportState::default();
        assert_eq!(state.last_reconciled_at(), None);
        for (resource, at) in [(Resource::Users, 2_000), (Resource::Roles, 3_000), (Resource::Domains, 1_000)]
        {
            state.reconciled_at.insert(resource, Timestamp::from_millis(at));
        }
        assert_eq!(state.last_reconciled_at(), Some(Timestamp::from_millis(3_000)));
        #[cfg(feature = "metrics")]
        {
            let metrics = clerk_webhook_tests::metrics::Metrics::default();
            let _recording = metrics::set_default_local_recorder(&metrics);
            state.backfilled_at = Some(Timestamp::from_millis(5_000));
            state.record();
            let [backfill, reconcile] = ["backfill", "reconcile"].map(|kind| {
                metrics.get_exactly(&format!("clerk_sync_last_sweep_timestamp_seconds{{kind={kind}}}"))
            });
            assert_eq!((backfill, reconcile), (Some(5.0), Some(3.0)));
        }
    }

    #[tokio::test]
    async fn the_lease_of_a_crashed_owner_whose_clock_was_ahead_is_taken() {
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
        let sync = ClerkSync::<sqlx::Sqlite>::new(pool.connect("sqlite::memory:").await.unwrap());
        sync.migrate().await.unwrap();
        let (crashed, lease) = (Lease::new(), Lease::new());
        assert!(sync.renew(&crashed).await.unwrap());
        sqlx::raw_sql("UPDATE clerk_sync_state SET updated_at = updated_at + 60000")
            .execute(sync.pool())
            .await
            .unwrap();
        sync.acquire(&lease).await.unwrap();
        assert!(sync.renew(&lease).await.unwrap() && !sync.renew(&crashed).await.unwrap());
    }
}
