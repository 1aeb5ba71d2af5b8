//! Property tests: events in any order and with duplicates produce the same tables, and the tables match
//! Clerk's data.

mod ends;
mod history;
mod imperfect;
mod import;
mod lengths;
mod tables;

use std::collections::BTreeSet;

use clerk_webhook_core::{Event, Handlers, Outcome};
use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, PostgresStore, SharedTransaction, SqliteStore};
use clerk_webhook_store::{Scope, TransactionalStore};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::servers;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use self::history::{Case, Clock};
use self::tables::{dump, live};
use crate::apply::engine::SyncDatabase;
use crate::{Applied, ClerkSync};

/// The number of histories for each property, and the number of events in each history.
const HISTORIES: u64 = 200;
const HISTORIES_ON_POSTGRES: u64 = 60;
const EVENTS: usize = 100;

/// The latest version of the tables.
const LATEST: usize = usize::MAX;

/// The prefixes of two sets of tables: one for events in order, one for shuffled events.
const ORDERED: &str = "ordered_";
const DISORDERED: &str = "disordered_";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) async fn memory() -> SqlitePool {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    pool.connect("sqlite::memory:").await.unwrap()
}

/// Returns a pool for Postgres with an empty schema, or `None` without a server.
pub(crate) async fn postgres(test: &str) -> Option<PgPool> {
    let options: PgConnectOptions = servers::postgres(test)?.parse().unwrap();
    let schema = format!("test_sync_{test}");
    let options = options.options([("search_path", &schema)]);
    let pool = PgPoolOptions::new().max_connections(6).connect_with(options).await.unwrap();
    let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    Some(pool)
}

/// Creates two sets of tables and the syncs that write them.
async fn pair<DB: SyncDatabase>(pool: &sqlx::Pool<DB>) -> [ClerkSync<DB>; 2] {
    let syncs = [ORDERED, DISORDERED].map(|names| everything(pool.clone(), names));
    for sync in &syncs {
        sync.migrate().await.unwrap();
    }
    syncs
}

fn everything<DB: SyncDatabase>(pool: sqlx::Pool<DB>, names: &str) -> ClerkSync<DB> {
    let sync = ClerkSync::new(pool).prefix(names).unwrap();
    sync.raw(crate::RawColumn::Full).keep_sessions().keep_billing().keep_waitlist()
}

/// The description of a failed property.
type Violation = String;

/// Checks a property with many histories, on one version of the tables.
///
/// Stops at the first history that violates the property. Then looks for the shortest beginning of that
/// history that also violates the property, and returns this violation.
fn try_out<P>(histories: u64, version: usize, clock: Clock, property: P) -> Result<(), Violation>
where
    P: AsyncFn(&[ClerkSync<Sqlite>; 2], &Case, &mut SqliteConnection) -> Result<(), Violation>,
{
    let (runtime, first) = (runtime(), Random::seed());
    let pool = runtime.block_on(memory());
    let syncs = [ORDERED, DISORDERED].map(|names| everything(pool.clone(), names));
    for migration in syncs.iter().flat_map(|sync| sync.statements().migrations.iter().take(version)) {
        runtime.block_on(sqlx::raw_sql(migration.clone()).execute(&pool)).unwrap();
    }
    let check = |seed, events| {
        runtime.block_on(async {
            // The rollback empties the tables for the next history.
            let mut transaction = pool.begin().await.unwrap();
            let result = property(&syncs, &Case::new(seed, events, clock), &mut transaction).await;
            transaction.rollback().await.unwrap();
            result
        })
    };
    for seed in first..first + histories {
        if let Err(violation) = check(seed, EVENTS) {
            let shorter = (1..EVENTS).find_map(|events| Some((events, check(seed, events).err()?)));
            let (events, violation) = shorter.unwrap_or((EVENTS, violation));
            return Err(format!("SEED={seed}, {events} events: {violation}"));
        }
    }
    Ok(())
}

/// Events in any order produce the same tables, and applying all of them again changes nothing.
async fn converges(
    [ordered, disordered]: &[ClerkSync<Sqlite>; 2],
    case: &Case,
    connection: &mut SqliteConnection,
) -> Result<(), Violation> {
    for event in &case.events {
        ordered.apply_in(connection, event).await.unwrap();
    }
    for event in &case.arrivals {
        disordered.apply_in(connection, event).await.unwrap();
    }
    let tables = dump::<Sqlite>(DISORDERED, connection).await;
    same("order", &tables, &dump::<Sqlite>(ORDERED, connection).await)?;
    for event in &case.events {
        let applied = disordered.apply_in(connection, event).await.unwrap();
        same("applied again", &applied, &Applied::Stale)?;
    }
    same("applied again", &dump::<Sqlite>(DISORDERED, connection).await, &tables)
}

fn same<T: PartialEq + std::fmt::Debug>(property: &str, found: &T, expected: &T) -> Result<(), Violation> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{property}: {found:#?} instead of {expected:#?}"))
}

#[test]
fn histories_in_any_order_end_in_the_same_tables_with_the_data_of_clerk() {
    let result = try_out(HISTORIES, LATEST, Clock::Increasing, async |syncs, case, connection| {
        converges(syncs, case, connection).await?;
        same("truth", &live::<Sqlite>(DISORDERED, connection).await, &case.truth)
    });
    assert_eq!(result, Ok(()));
}

/// If two versions have equal times, every order keeps the same one.
#[test]
fn histories_with_equal_times_end_in_the_same_tables() {
    assert_eq!(try_out(HISTORIES, LATEST, Clock::Tied, converges), Ok(()));
}

/// Creates histories with different ids.
fn many(first: u64, histories: u64, events: usize) -> Vec<Case> {
    (0..histories).map(|number| Case::new(first.wrapping_add(number), events, Clock::Increasing)).collect()
}

#[test]
fn six_concurrent_connections_end_in_the_same_tables() {
    runtime().block_on(async {
        let Some(pool) = postgres("six_connections").await else { return };
        let [ordered, disordered] = pair(&pool).await;
        let seed = Random::seed();
        let histories = many(seed, HISTORIES_ON_POSTGRES, EVENTS);
        for Case { arrivals, .. } in &histories {
            // The workers share one history, so that they write the same rows.
            let workers = (0..6).map(|worker| {
                let events: Vec<_> = arrivals.iter().skip(worker).step_by(6).cloned().collect();
                let sync = disordered.clone();
                tokio::spawn(async move {
                    for event in events {
                        sync.apply(&event).await.unwrap();
                    }
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.unwrap();
            }
        }
        let mut connection = pool.begin().await.unwrap();
        let mut truth = BTreeSet::new();
        for case in &histories {
            for event in &case.events {
                ordered.apply_in(&mut connection, event).await.unwrap();
            }
            truth.extend(case.truth.iter().cloned());
        }
        let tables = dump::<sqlx::Postgres>(DISORDERED, &mut connection).await;
        assert_eq!(tables, dump::<sqlx::Postgres>(ORDERED, &mut connection).await, "SEED={seed}");
        assert_eq!(live::<sqlx::Postgres>(DISORDERED, &mut connection).await, truth, "SEED={seed}");
    });
}

/// Handles events with `ExactlyOnce` and handlers that fail at random, before or after they have written.
async fn fail_at_random<DB, S>(pool: &sqlx::Pool<DB>, store: S, histories: u64)
where
    DB: SyncDatabase,
    S: TransactionalStore<Transaction = DeliveryTransaction<DB>>,
{
    let [ordered, disordered] = pair(pool).await;
    let exactly_once = ExactlyOnce::new(store).scope("sync".parse::<Scope>().unwrap());
    let handlers = Handlers::<SharedTransaction<DeliveryTransaction<DB>>>::builder()
        .otherwise(disordered.transactional_handler())
        .build()
        .unwrap();
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let histories = many(seed, histories, 60);
    let mut failures = 0;
    for case in &histories {
        let mut waiting = case.arrivals.clone();
        while let Some(event) = waiting.pop() {
            let (handlers, fails) = (handlers.clone(), random.below(4));
            let handle = move |event: Event, transaction| async move {
                if fails == 0 {
                    return Err("failed before the sync wrote".into());
                }
                let handled = handlers.handle(event, transaction).await?;
                if fails == 1 { Err("failed after the sync wrote".into()) } else { Ok(handled) }
            };
            match exactly_once.run(event.clone(), handle).await.outcome() {
                Outcome::Processed | Outcome::Duplicate => {}
                Outcome::Failed => {
                    failures += 1;
                    assert!(failures < 10_000 + histories.len() * 100, "too many failures, with SEED={seed}");
                    // Retry the event at a random later position.
                    waiting.insert(random.index(waiting.len() + 1), event);
                }
                outcome => panic!("{outcome} with SEED={seed}"),
            }
        }
    }
    let mut connection = pool.begin().await.unwrap();
    let mut truth = BTreeSet::new();
    for case in &histories {
        for event in &case.events {
            ordered.apply_in(&mut connection, event).await.unwrap();
        }
        truth.extend(case.truth.iter().cloned());
    }
    assert!(failures > histories.len(), "{failures} handlers failed");
    let tables = dump::<DB>(DISORDERED, &mut connection).await;
    assert_eq!(tables, dump::<DB>(ORDERED, &mut connection).await, "SEED={seed}");
    assert_eq!(live::<DB>(DISORDERED, &mut connection).await, truth, "SEED={seed}");
}

#[test]
fn handlers_that_fail_at_random_end_in_the_same_tables() {
    runtime().block_on(async {
        let pool = memory().await;
        let store = SqliteStore::new(pool.clone());
        store.migrate().await.unwrap();
        fail_at_random(&pool, store, HISTORIES).await;
    });
}

#[test]
fn handlers_that_fail_at_random_in_postgres_end_in_the_same_tables() {
    runtime().block_on(async {
        let Some(pool) = postgres("fail_at_random").await else { return };
        let store = PostgresStore::new(pool.clone());
        store.migrate().await.unwrap();
        fail_at_random(&pool, store, HISTORIES_ON_POSTGRES).await;
    });
}
