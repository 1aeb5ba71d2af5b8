//! Property tests of imports and comparisons: whatever happens at Clerk, on the way and in the database, one
//! quiet comparison ends with exactly the objects that Clerk holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_test::{FakeBackendApi, Fault, Faults, History, HistoryEvent, ObjectKind, Scenario};
use clerk_webhook_tests::random::Random;
use http::{Request, Response};
use sqlx::{AssertSqlSafe, Postgres, Sqlite};
use tokio::sync::Notify;

use super::{Violation, memory, postgres, runtime, same};
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{BackendApi, Resource};
use crate::backfill::options::ReconcileOptions;
use crate::{BackfillOptions, ClerkSync};

/// The default numbers of histories. The environment variable `HISTORIES` sets the number.
const HISTORIES: u64 = 30;
const HISTORIES_ON_POSTGRES: u64 = 6;
const EVENTS: usize = 120;

/// How old the answers of the API can be. It must be less than the grace period.
const STALENESS: Duration = Duration::from_secs(5);

const KINDS: [(Resource, ObjectKind); 8] = [
    (Resource::Users, ObjectKind::User),
    (Resource::Organizations, ObjectKind::Organization),
    (Resource::Memberships, ObjectKind::OrganizationMembership),
    (Resource::Invitations, ObjectKind::OrganizationInvitation),
    (Resource::Domains, ObjectKind::OrganizationDomain),
    (Resource::Roles, ObjectKind::Role),
    (Resource::Permissions, ObjectKind::Permission),
    (Resource::WaitlistEntries, ObjectKind::WaitlistEntry),
];

/// Clerk, the deliveries on their way, and the receiver.
struct World<DB: SyncDatabase> {
    clerk: FakeBackendApi,
    sync: ClerkSync<DB>,
    random: Mutex<Random>,
    waiting: Mutex<Vec<Event>>,
    /// Whether nothing happens between the requests.
    is_quiet: AtomicBool,
    /// The number of requests until the process crashes.
    requests_left: AtomicU64,
    crashed: Notify,
}

impl<DB: SyncDatabase> World<DB> {
    fn new(seed: u64, sync: ClerkSync<DB>) -> Arc<Self> {
        let scenario = if seed.is_multiple_of(2) { Scenario::Churn } else { Scenario::All };
        let history = History::builder().scenario(scenario).seed(seed).events(EVENTS).build();
        let mut clerk = FakeBackendApi::from_events(history.events().to_vec());
        if seed.is_multiple_of(3) {
            clerk =
                clerk.with_faults(Faults::new(seed).only([Fault::Stale]).percent(30).staleness(STALENESS));
        }
        // All users of the first events may be deleted, so that nothing proves whose the tables are.
        let sync = sync.instance_id(&clerk.instance_id());
        Arc::new(Self {
            clerk,
            sync,
            random: Mutex::new(Random::new(seed)),
            waiting: Mutex::default(),
            is_quiet: AtomicBool::new(false),
            requests_left: AtomicU64::new(u64::MAX),
            crashed: Notify::new(),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        locked(&self.random).below(bound)
    }

    fn api(self: &Arc<Self>) -> BackendApi {
        let world = Arc::clone(self);
        let send = move |request: Request<()>| {
            let world = Arc::clone(&world);
            async move { world.answer(&request).await }
        };
        BackendApi::new(FakeBackendApi::SECRET_KEY, send).unwrap().for_tests(3)
    }

    async fn answer(&self, request: &Request<()>) -> Result<Response<Bytes>, std::io::Error> {
        if self.requests_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.crashed.notify_one();
            return std::future::pending().await;
        }
        if !self.is_quiet.load(Ordering::Relaxed) {
            self.happen().await;
        }
        Ok(self.clerk.answer(request))
    }

    /// Lets some events occur, of which a fifth is lost, and delivers some of them.
    async fn happen(&self) {
        for _ in 0..self.below(4) {
            let Some(event) = self.clerk.advance() else { break };
            if self.below(5) > 0 {
                locked(&self.waiting).push(delivered(&event));
            }
        }
        for _ in 0..self.below(5) {
            self.deliver().await;
        }
    }

    /// Delivers a random event. A third of them arrives again later.
    async fn deliver(&self) -> bool {
        let again = self.below(3) == 0;
        let event = {
            let mut waiting = locked(&self.waiting);
            if waiting.is_empty() {
                return false;
            }
            let index = locked(&self.random).index(waiting.len());
            if again && !self.is_quiet.load(Ordering::Relaxed) {
                waiting[index].clone()
            } else {
                waiting.swap_remove(index)
            }
        };
        self.sync.apply(&event).await.unwrap();
        true
    }

    /// Runs an import or a comparison, and sometimes crashes in it.
    async fn run(self: &Arc<Self>) -> Result<(), Violation> {
        let api = self.api();
        let crashes = self.below(3) == 0;
        self.requests_left.store(if crashes { self.below(30) } else { u64::MAX }, Ordering::Relaxed);
        let is_import = self.below(2) == 0;
        let run = async {
            match is_import {
                true => self.sync.backfill(&api, BackfillOptions::default()).await,
                false => self.sync.reconcile(&api, ReconcileOptions::default().force(true)).await,
            }
        };
        tokio::select! {
            result = run => drop(result.map_err(|error| format!("a run failed: {error}"))?),
            () = self.crashed.notified() => {
                // As if the time of the lease had passed.
                let mut transaction = self.sync.begin().await.unwrap();
                self.sync.forget_lease(&mut transaction).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }
        self.requests_left.store(u64::MAX, Ordering::Relaxed);
        Ok(())
    }

    /// Lets the history end, with imports and comparisons in between.
    async fn live(self: &Arc<Self>) -> Result<(), Violation> {
        while self.clerk.position() < EVENTS {
            if self.below(6) == 0 {
                self.run().await?;
            } else {
                self.happen().await;
            }
        }
        self.is_quiet.store(true, Ordering::Relaxed);
        while self.deliver().await {}
        Ok(())
    }

    /// Compares once, and checks that the tables contain exactly Clerk's objects.
    async fn check(self: &Arc<Self>, fresh: &ClerkSync<DB>) -> Result<(), Violation> {
        self.clerk.pass(ReconcileOptions::DEFAULT_GRACE + STALENESS + Duration::from_secs(1));
        // The row's time is in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let (api, failed) = (self.api(), |error| format!("the comparison failed: {error}"));
        let force = || ReconcileOptions::default().force(true);
        self.sync.reconcile(&api, force()).await.map_err(failed)?;

        for (resource, kind) in KINDS {
            let truth: BTreeSet<String> = self.clerk.objects(kind).into_keys().collect();
            let tombstones =
                column(&self.sync, &format!("SELECT id FROM clerk_{resource} WHERE deleted_at IS NOT NULL"))
                    .await;
            let false_tombstones: Vec<_> = tombstones.intersection(&truth).collect();
            same(&format!("false tombstones in {resource}"), &false_tombstones, &Vec::new())?;
            let live = column(&self.sync, &format!("SELECT id FROM clerk_active_{resource}")).await;
            same(&format!("live {resource}"), &live, &truth)?;
        }
        fresh.backfill(&api, BackfillOptions::default()).await.map_err(failed)?;
        same("rows", &live_rows(&self.sync).await, &live_rows(fresh).await)?;

        let before = live_rows(&self.sync).await;
        let second = self.sync.reconcile(&api, force().dry_run(true)).await.map_err(failed)?;
        let drift: Vec<_> = second.tables.iter().flat_map(|table| &table.drift).collect();
        same("drift", &drift, &Vec::new())?;
        let second = self.sync.reconcile(&api, force()).await.map_err(failed)?;
        same("in step", &second.is_in_step(), &true)?;
        same("rows after the second comparison", &live_rows(&self.sync).await, &before)
    }
}

fn histories(default: u64) -> u64 {
    std::env::var("HISTORIES").map_or(default, |number| number.parse().expect("HISTORIES is a number"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn delivered(event: &HistoryEvent) -> Event {
    Event::from_trusted(event.message_id().clone(), Timestamp::now(), event.body()).unwrap()
}

async fn column<DB: SyncDatabase>(sync: &ClerkSync<DB>, query: &str) -> BTreeSet<String> {
    let query = AssertSqlSafe(query.to_owned());
    let mut transaction = sync.begin().await.unwrap();
    let rows = DB::fetch(&mut transaction, sqlx::SqlSafeStr::into_sql_str(query), false, &[]).await.unwrap();
    transaction.commit().await.unwrap();
    rows.iter().map(|row| crate::apply::batch::text_of::<DB>(row, "id").unwrap()).collect()
}

/// Returns the live rows with the columns that an object determines.
async fn live_rows<DB: SyncDatabase>(sync: &ClerkSync<DB>) -> BTreeMap<&'static str, Vec<String>> {
    let mut transaction = sync.begin().await.unwrap();
    let mut rows = BTreeMap::new();
    for (resource, _) in KINDS {
        let table = resource.entity().table();
        let columns = table.all_columns().filter(|column| {
            // Only the event of an acceptance contains the user's id.
            let is_of_invitation = table.name == "invitations" && column.name == "user_id";
            !["event_at", "tie", "synced_at", "raw"].contains(&column.name) && !is_of_invitation
        });
        let view = format!("clerk_active_{}", table.name);
        let lines = super::tables::rows::<DB>(&mut transaction, table.name, &view, columns.copied()).await;
        rows.insert(table.name, lines);
    }
    for child in resource_children() {
        let source = format!(
            "(SELECT c.* FROM clerk_{} c JOIN clerk_active_users u ON u.id = c.{}) children",
            child.name, child.owner
        );
        let lines =
            super::tables::rows::<DB>(&mut transaction, child.name, &source, child.all_columns()).await;
        rows.insert(child.name, lines);
    }
    transaction.commit().await.unwrap();
    rows
}

fn resource_children() -> &'static [crate::schema::table::ChildTable] {
    Resource::Users.entity().table().children
}

async fn holds<DB: SyncDatabase>(
    seed: u64,
    sync: ClerkSync<DB>,
    fresh: ClerkSync<DB>,
) -> Result<(), Violation> {
    for sync in [&sync, &fresh] {
        sync.migrate().await.unwrap();
    }
    let world = World::new(seed, sync.keep_waitlist());
    let result = async {
        world.live().await?;
        world.check(&fresh.keep_waitlist()).await
    };
    result.await.map_err(|violation: String| format!("SEED={seed}: {violation}"))
}

#[test]
fn one_quiet_comparison_ends_with_exactly_the_objects_of_clerk() {
    runtime().block_on(async {
        let first = Random::seed();
        for seed in first..first + histories(HISTORIES) {
            let sync = ClerkSync::<Sqlite>::new(memory().await);
            assert_eq!(holds(seed, sync, ClerkSync::new(memory().await)).await, Ok(()));
        }
    });
}

#[test]
fn one_quiet_comparison_in_postgres_ends_with_exactly_the_objects_of_clerk() {
    runtime().block_on(async {
        let first = Random::seed();
        for seed in first..first + histories(HISTORIES_ON_POSTGRES) {
            let Some(pool) = postgres("import").await else { return };
            let Some(fresh) = postgres("import_fresh").await else { return };
            let sync = ClerkSync::<Postgres>::new(pool);
            assert_eq!(holds(seed, sync, ClerkSync::new(fresh)).await, Ok(()));
        }
    });
}
