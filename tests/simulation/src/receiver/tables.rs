//! The real tables of a `ClerkSync`, and its comparisons with Clerk's API, which wait between two requests.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::{
    BackendApi, BackfillOptions, ClerkSync, ImportError, ReconcileOptions, Report, Resource,
};
use clerk_webhook_test::{FakeBackendApi, Fault, Faults, ObjectKind};
use http::{Request, Response};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _, Sqlite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::clerk::{Clerk, Comparison, NotCompared, Tables};
use crate::history::{Did, Millis, What};
use crate::plan::SECOND;

/// How old the answers of the API can be. It must be less than the grace period.
const STALENESS: Duration = Duration::from_secs(5);

/// How long a comparison owns its lease after it has renewed it.
const LEASE: Millis = 15 * SECOND;

/// After this time, the client sends its request again.
const TIMEOUT: Millis = 30 * SECOND;

const READ: &str = "
    SELECT id, 0 AS is_deleted, updated_at, first_name AS one, primary_email AS two, NULL AS three FROM clerk_active_users
    UNION ALL SELECT id, 0, 0, name, NULL, NULL FROM clerk_active_organizations
    UNION ALL SELECT id, 0, updated_at, organization_id, user_id, role FROM clerk_active_memberships
    UNION ALL SELECT id, 1, 0, NULL, NULL, NULL FROM clerk_users WHERE deleted_at IS NOT NULL
    UNION ALL SELECT id, 1, 0, NULL, NULL, NULL FROM clerk_organizations WHERE deleted_at IS NOT NULL
    UNION ALL SELECT id, 1, 0, NULL, NULL, NULL FROM clerk_memberships WHERE deleted_at IS NOT NULL";

/// A database in memory. Each thread has one, which its simulations use one after the other.
struct Server {
    runtime: Runtime,
    pool: SqlitePool,
    clear: String,
}

thread_local! {
    static SERVER: &'static Server = Box::leak(Box::new(Server::start()));
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        // While a blocking task runs, the clock does not advance, so no time limit ends while SQLite works.
        runtime.spawn_blocking(|| {
            loop {
                std::thread::park();
            }
        });
        let (pool, clear) = runtime.block_on(async {
            let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let pool = pool.test_before_acquire(false).connect("sqlite::memory:").await.expect("SQLite");
            ClerkSync::new(pool.clone()).migrate().await.expect("the tables");
            let tables =
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'clerk_sync_schema'";
            let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.expect("the tables");
            let clear: String = tables.iter().map(|table| format!("DELETE FROM {table};")).collect();
            (pool, format!("BEGIN; {clear} COMMIT"))
        });
        Self { runtime, pool, clear }
    }

    fn run(&self, statements: String) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        self.runtime.block_on(statements.execute(&self.pool)).expect("the statements");
    }
}

/// The tables of a simulation, and the comparisons that run.
pub struct Database {
    server: &'static Server,
    sync: ClerkSync<Sqlite>,
    api: FakeBackendApi,
    clerk: Arc<Clerk>,
    runs: BTreeMap<usize, Run>,
    /// The comparison that has begun last.
    latest: usize,
    shown: Arc<Tables>,
    /// The time of the last write of an event or of another comparison, which the next request must not share.
    wrote: Option<Timestamp>,
    /// What happened since the last call.
    pub happened: Vec<What>,
}

type Waiting = Arc<Mutex<Option<(Request<()>, oneshot::Sender<Response<Bytes>>)>>>;

/// A comparison, which waits for the answer to a request.
struct Run {
    process: usize,
    lived: Millis,
    force: bool,
    reads_early: bool,
    /// Whether Clerk has answered a request. Then the comparison has taken the lease.
    is_answered: bool,
    /// The response to the request, if Clerk has read the objects already.
    response: Option<Response<Bytes>>,
    waiting: Waiting,
    future: Pin<Box<dyn Future<Output = Result<Report, ImportError>>>>,
}

impl Database {
    /// Creates empty tables.
    #[must_use]
    pub fn new(clerk: Arc<Clerk>) -> Self {
        let server = SERVER.with(|server| *server);
        server.run(server.clear.clone());
        let mut api = FakeBackendApi::from_events(clerk.events().to_vec());
        api.advance_to(clerk.before());
        if clerk.stale {
            let faults = Faults::new(clerk.time(0).cast_unsigned()).only([Fault::Stale]);
            api = api.with_faults(faults.percent(30).staleness(STALENESS));
        }
        // All users of the first events may be deleted, so that nothing proves whose the tables are.
        let mut sync = ClerkSync::new(server.pool.clone()).instance_id(&api.instance_id());
        if clerk.has_hook {
            sync = sync.on_change(|_, _| Box::pin(async { Ok(()) }));
        }
        let (runs, shown, happened) = (BTreeMap::new(), Arc::default(), Vec::new());
        Self { server, sync, api, clerk, runs, latest: 0, shown, wrote: None, happened }
    }

    /// Applies an event in a transaction.
    pub fn apply(&mut self, event: &Event) {
        self.server.runtime.block_on(async {
            let mut transaction = self.server.pool.begin().await.expect("a transaction");
            self.sync.apply_in(&mut transaction, event).await.expect("the event is applied");
            transaction.commit().await.expect("a commit");
        });
        self.wrote = Some(Timestamp::now());
        self.show();
    }

    /// Begins a comparison, or answers its request, and continues it until its next request.
    pub fn compare(&mut self, number: usize, now: Millis, process: usize) -> Did {
        // A row's time is in milliseconds.
        while self.wrote.is_some_and(|wrote| wrote >= Timestamp::now()) {
            sleep(Duration::from_micros(50));
        }
        self.wrote = None;
        let mut run = match self.runs.remove(&number) {
            Some(run) => run,
            None if self.runs.values().any(|run| now < run.lived + LEASE) => return Did::InProgress(LEASE),
            None => {
                // The leases of all earlier comparisons have expired.
                self.server.run("DELETE FROM clerk_sync_state WHERE name = 'lease'".to_owned());
                self.latest = number;
                self.begin(number, process)
            }
        };
        // A comparison that has not taken the lease would wait for it, and the clock of the runtime does not advance.
        self.runs.retain(|_, other| other.is_answered);
        let waiting = locked(&run.waiting).take();
        if let Some((request, back)) = waiting {
            let response = run.response.take().filter(|_| now < run.lived + TIMEOUT);
            drop(back.send(response.unwrap_or_else(|| self.answer(&request, now))));
            run.is_answered = true;
        }
        run.lived = now;
        let did = if let Some(result) = run.advance(self.server) {
            let result = result.map(|report| summary(&report)).map_err(|error| match error {
                ImportError::LeaseLost => NotCompared::LeaseLost { is_latest: self.latest == number },
                ImportError::EmptyList { resource, .. } if !run.force => {
                    NotCompared::EmptyList(kind(resource))
                }
                error => NotCompared::Other(error.to_string()),
            });
            self.happened.push(What::Compared { number, result });
            self.wrote = Some(Timestamp::now());
            Did::Compared
        } else {
            let early =
                locked(&run.waiting).as_ref().filter(|_| run.reads_early).map(|(request, _)| request.clone());
            run.response = early.map(|request| self.answer(&request, now));
            self.runs.insert(number, run);
            Did::Asking
        };
        self.show();
        did
    }

    /// Answers a request with the objects that exist at a time.
    fn answer(&mut self, request: &Request<()>, now: Millis) -> Response<Bytes> {
        let passed = self.clerk.time(now) - self.api.now().as_millis();
        self.api.pass(Duration::from_millis(u64::try_from(passed).unwrap_or_default()));
        let response = self.api.answer(request);
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let (request, status) = (self.clerk.rename(target), response.status().as_u16());
        self.happened.push(What::Asked { request, status });
        response
    }

    fn begin(&self, number: usize, process: usize) -> Run {
        let waiting = Waiting::default();
        let requests = Arc::clone(&waiting);
        let send = move |request: Request<()>| {
            let (back, response) = oneshot::channel();
            *locked(&requests) = Some((request, back));
            async move { response.await.map_err(io::Error::other) }
        };
        let settings = self.clerk.comparisons.get(number).cloned();
        let Comparison { is_import, force, page, reads_early, .. } = settings.unwrap_or(Comparison {
            at: 0,
            is_import: false,
            force: true,
            page: 3,
            pause: 0,
            reads_early: false,
        });
        let api = BackendApi::new(FakeBackendApi::SECRET_KEY, send).expect("a key").for_tests(page);
        let sync = self.sync.clone();
        let resources = [Resource::Users, Resource::Organizations, Resource::Memberships];
        let future = Box::pin(async move {
            if is_import {
                sync.backfill(&api, BackfillOptions::default().resources(resources)).await
            } else {
                let options = ReconcileOptions::default().force(force).resources(resources);
                sync.reconcile(&api, options).await
            }
        });
        Run { process, lived: 0, force, reads_early, is_answered: false, response: None, waiting, future }
    }

    /// Drops a comparison. Its lease stays until it expires.
    pub fn stop(&mut self, number: usize) {
        self.runs.remove(&number);
        self.wrote = Some(Timestamp::now());
    }

    /// Drops the comparisons of a process, or of all.
    pub fn disconnected(&mut self, process: Option<usize>) {
        self.runs.retain(|_, run| process.is_some_and(|process| run.process != process));
        self.wrote = Some(Timestamp::now());
    }

    /// Records what the tables contain.
    fn show(&mut self) {
        let read = sqlx::query(READ).fetch_all(&self.server.pool);
        let rows = self.server.runtime.block_on(read).expect("the rows");
        let mut tables = Tables::default();
        for row in rows {
            let name = self.clerk.name(row.get("id"));
            if row.get("is_deleted") {
                tables.deleted.insert(name);
            } else {
                let texts = ["one", "two", "three"].map(|column| row.get(column));
                tables.live.insert(name, self.clerk.shows(row.get("updated_at"), texts));
            }
        }
        let (tables, before) = (Arc::new(tables), Arc::clone(&self.shown));
        self.shown = Arc::clone(&tables);
        self.happened.push(What::Tables { changes: tables.changes(&before), tables });
    }
}

impl Run {
    /// Continues until the next request, when the comparison uses no connection any more.
    fn advance(&mut self, server: &Server) -> Option<Result<Report, ImportError>> {
        server.runtime.block_on(poll_fn(|cx| {
            if let Poll::Ready(result) = self.future.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            if locked(&self.waiting).is_none() {
                return Poll::Pending;
            }
            if server.pool.num_idle() == 1 {
                return Poll::Ready(None);
            }
            // Nothing else wakes this task when the connection is idle again.
            cx.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}

fn kind(resource: Resource) -> ObjectKind {
    match resource {
        Resource::Users => ObjectKind::User,
        Resource::Organizations => ObjectKind::Organization,
        Resource::Memberships => ObjectKind::OrganizationMembership,
        other => panic!("{other} is not compared"),
    }
}

fn summary(report: &Report) -> String {
    let sum =
        |count: fn(&clerk_webhook_sync::TableReport) -> u64| report.tables.iter().map(count).sum::<u64>();
    format!(
        "{} inserted, {} updated, {} tombstones",
        sum(|table| table.inserted),
        sum(|table| table.updated),
        sum(|table| table.tombstoned)
    )
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
