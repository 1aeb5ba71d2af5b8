//! Every order of events, however often each of them comes, ends in the same tables, and these are right.

mod ends;
mod history;
mod imperfect;
mod lengths;
mod tables;

use std::collections::BTreeSet;

use clerk_webhook_core::{Event, Handlers, Outcome};
use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, PostgresStore, SharedTransaction, SqliteStore};
use clerk_webhook_store::{Scope, TransactionalStore};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::servers;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Sqlite};

use self::history::{Case, Clock, cases};
use self::tables::{dump, live};
use crate::apply::engine::SyncDatabase;
use crate::{Applied, ClerkSync};

/// How many histories each property is tried with.
const HISTORIES: u32 = 2_000;
const HISTORIES_ON_POSTGRES: u32 = 300;
const LONGEST: usize = 40;

/// Two sets of tables: what comes in order goes into one, what comes in disorder into the other.
const ORDERED: &str = "ordered_";
const DISORDERED: &str = "disordered_";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn memory() -> SqlitePool {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    pool.connect("sqlite::memory:").await.unwrap()
}

/// A Postgres with a schema that has nothing in it.
async fn postgres(test: &str) -> Option<PgPool> {
    let options: PgConnectOptions = servers::postgres(test)?.parse().unwrap();
    let schema = format!("test_sync_{test}");
    let options = options.options([("search_path", &schema)]);
    let pool = PgPoolOptions::new().max_connections(6).connect_with(options).await.unwrap();
    let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    Some(pool)
}

/// Applies to tables in order and to tables in disorder.
async fn pair<DB: SyncDatabase>(pool: &sqlx::Pool<DB>) -> [ClerkSync<DB>; 2] {
    let syncs = [ORDERED, DISORDERED].map(|names| {
        let sync = ClerkSync::new(pool.clone()).prefix(names).unwrap();
        sync.raw(crate::RawColumn::Full).keep_sessions().keep_billing().keep_waitlist()
    });
    for sync in &syncs {
        sync.migrate().await.unwrap();
    }
    syncs
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    /// Disorder ends in the same tables as order.
    Convergence,
    /// What is live is what Clerk has.
    Truth,
    /// All of it once more changes nothing.
    Idempotence,
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Tries properties on SQLite, in memory.
fn try_out(properties: &[Property], clock: Clock, config: Config) -> Result<(), TestError<Case>> {
    let runtime = runtime();
    let pool = runtime.block_on(memory());
    let syncs = runtime.block_on(pair(&pool));
    TestRunner::new(config).run(&cases(LONGEST), |case| {
        runtime.block_on(async {
            // Undone in the end, so that the tables are empty for the next one.
            let mut transaction = pool.begin().await.unwrap();
            let result = check(&case, &syncs, properties, clock, &mut transaction).await;
            transaction.rollback().await.unwrap();
            result
        })
    })
}

async fn check(
    case: &Case,
    [ordered, disordered]: &[ClerkSync<Sqlite>; 2],
    properties: &[Property],
    clock: Clock,
    connection: &mut sqlx::SqliteConnection,
) -> Result<(), TestCaseError> {
    let history = case.history("", clock);
    for event in &history.events {
        ordered.apply_in(connection, event).await.unwrap();
    }
    for event in case.arrivals(&history.events) {
        disordered.apply_in(connection, &event).await.unwrap();
    }
    let tables = dump::<Sqlite>(DISORDERED, connection).await;
    if properties.contains(&Property::Convergence) {
        same("convergence", &tables, &dump::<Sqlite>(ORDERED, connection).await)?;
    }
    if properties.contains(&Property::Truth) {
        same("truth", &live::<Sqlite>(DISORDERED, connection).await, &history.truth)?;
        same("truth, in order", &live::<Sqlite>(ORDERED, connection).await, &history.truth)?;
    }
    if properties.contains(&Property::Idempotence) {
        for event in &history.events {
            let applied = disordered.apply_in(connection, event).await.unwrap();
            same("idempotence", &applied, &Applied::Stale)?;
        }
        same("idempotence", &dump::<Sqlite>(DISORDERED, connection).await, &tables)?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(
    property: &str,
    found: &T,
    expected: &T,
) -> Result<(), TestCaseError> {
    if found == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{property}: {found:#?} instead of {expected:#?}")))
}

#[test]
fn histories_in_any_order_end_in_the_same_tables_and_these_are_right() {
    use Property::{Convergence, Idempotence, Truth};
    let properties = [Convergence, Truth, Idempotence];
    let result = try_out(&properties, Clock::Increasing, config(HISTORIES));
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

/// Of two versions of which nobody can say which is newer, the same one counts everywhere.
#[test]
fn histories_whose_clocks_stand_still_end_in_the_same_tables() {
    use Property::{Convergence, Idempotence};
    let properties = [Convergence, Idempotence];
    let result = try_out(&properties, Clock::Tied, config(HISTORIES));
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

/// Makes histories whose ids are their own.
fn many(histories: u32, longest: usize) -> Vec<(Vec<Event>, Vec<Event>, BTreeSet<String>)> {
    let mut runner = TestRunner::new(config(histories));
    let strategy = cases(longest);
    let history = |number: u32| {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        let history = case.history(&format!("{number}x"), Clock::Increasing);
        let arrivals = case.arrivals(&history.events);
        (history.events, arrivals, history.truth)
    };
    (0..histories).map(history).collect()
}

#[test]
fn six_connections_end_in_the_same_tables() {
    runtime().block_on(async {
        let Some(pool) = postgres("six_connections").await else { return };
        let [ordered, disordered] = pair(&pool).await;
        let histories = many(HISTORIES_ON_POSTGRES, LONGEST);
        for (_, arrivals, _) in &histories {
            // All of one history at once, so that they meet.
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
        for (events, _, of_history) in histories {
            for event in events {
                ordered.apply_in(&mut connection, &event).await.unwrap();
            }
            truth.extend(of_history);
        }
        let tables = dump::<sqlx::Postgres>(DISORDERED, &mut connection).await;
        assert_eq!(tables, dump::<sqlx::Postgres>(ORDERED, &mut connection).await);
        assert_eq!(live::<sqlx::Postgres>(DISORDERED, &mut connection).await, truth);
    });
}

/// Handles events exactly once, with handlers that fail before and after they have written.
async fn fail_now_and_then<DB, S>(pool: &sqlx::Pool<DB>, store: S, histories: u32)
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
    let histories = many(histories, 16);
    let mut failures = 0;
    for (_, arrivals, _) in &histories {
        let mut waiting: Vec<_> = arrivals.clone();
        while let Some(event) = waiting.pop() {
            let (handlers, fails) = (handlers.clone(), random.below(4));
            let handle = move |event: Event, transaction| async move {
                if fails == 0 {
                    return Err("it failed before".into());
                }
                let handled = handlers.handle(event, transaction).await?;
                if fails == 1 { Err("it failed after".into()) } else { Ok(handled) }
            };
            match exactly_once.run(event.clone(), handle).await.outcome() {
                Outcome::Processed | Outcome::Duplicate => {}
                Outcome::Failed => {
                    failures += 1;
                    assert!(failures < 10_000 + histories.len() * 100, "it always fails, with SEED={seed}");
                    // Some time later.
                    waiting.insert(random.index(waiting.len() + 1), event);
                }
                outcome => panic!("{outcome} with SEED={seed}"),
            }
        }
    }
    let mut connection = pool.begin().await.unwrap();
    let mut truth = BTreeSet::new();
    for (events, _, of_history) in &histories {
        for event in events {
            ordered.apply_in(&mut connection, event).await.unwrap();
        }
        truth.extend(of_history.iter().cloned());
    }
    assert!(failures > histories.len(), "{failures} handlers failed");
    let tables = dump::<DB>(DISORDERED, &mut connection).await;
    assert_eq!(tables, dump::<DB>(ORDERED, &mut connection).await, "SEED={seed}");
    assert_eq!(live::<DB>(DISORDERED, &mut connection).await, truth, "SEED={seed}");
}

#[test]
fn handlers_that_fail_now_and_then_end_in_the_same_tables() {
    runtime().block_on(async {
        let pool = memory().await;
        let store = SqliteStore::new(pool.clone());
        store.migrate().await.unwrap();
        fail_now_and_then(&pool, store, HISTORIES).await;
    });
}

#[test]
fn handlers_that_fail_now_and_then_on_a_server_end_in_the_same_tables() {
    runtime().block_on(async {
        let Some(pool) = postgres("now_and_then").await else { return };
        let store = PostgresStore::new(pool.clone());
        store.migrate().await.unwrap();
        fail_now_and_then(&pool, store, HISTORIES_ON_POSTGRES).await;
    });
}
