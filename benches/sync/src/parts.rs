//! Measures the parts of applying an event separately: decoding the data, and running statements.

use std::time::Instant;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, RawColumn, SyncDatabase};
use serde_json::Value;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteSynchronous};

use crate::apply::Fallible;
use crate::databases::{File, Place, Schema, Usage};
use crate::people::{People, fixture, variant};
use crate::report::{Table, figure, grouped, median};

const FIXTURES: [&str; 9] = [
    "user.created",
    "user.created__oauth",
    "user.updated",
    "user.deleted",
    "organization.created",
    "organizationMembership.created",
    "organizationMembership.deleted",
    "organizationInvitation.created",
    "session.created",
];

/// The number of events that are timed together.
const EVENTS: u64 = 200;

/// A database that can run a statement without effect.
trait Idle: SyncDatabase {
    /// Runs a statement that does nothing.
    async fn idle(connection: &mut Self::Connection) -> sqlx::Result<()>;
}

impl Idle for Sqlite {
    async fn idle(connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(connection).await.map(drop)
    }
}

impl Idle for Postgres {
    async fn idle(connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(connection).await.map(drop)
    }
}

/// Measures and prints. This section has no goals, so it returns 0.
pub async fn show(quick: bool) -> Fallible<usize> {
    let rounds = if quick { 1 } else { 25 };
    let file = File::open(Place::Memory, SqliteSynchronous::Off).await?;
    let mut table = Table::new(&["µs per event", "body, B", "decode"]);
    let mut fixtures = Vec::new();
    for name in FIXTURES {
        let fixture = fixture(name)?;
        table.row(&[
            name.to_owned(),
            grouped(fixture.to_string().len() as i64),
            figure(decode(&fixture, rounds)?),
        ]);
        fixtures.push((name, fixture));
    }
    table.print();
    show_of("SQLite in memory", &file.sync, &fixtures, rounds).await?;
    file.close().await;
    if let Some(address) = Schema::address() {
        let usage = Usage { synchronous_commit: false, ..Usage::by_default(1) };
        let schema = Schema::create(&address, "bench_sync", usage).await?;
        show_of("Postgres", &schema.sync, &fixtures, rounds).await?;
        schema.remove().await?;
    } else {
        Schema::say_skipped();
    }
    Ok(0)
}

/// Creates users, creates each of them again, updates and deletes them. Prints nothing.
pub async fn apply_each_kind(users: u64) -> Fallible<()> {
    let file = File::open(Place::Memory, SqliteSynchronous::Off).await?;
    let people = People::new()?;
    let mut transaction = file.sync.pool().begin().await?;
    let changed = |people: &People, user| people.updated(user, 1);
    let kinds: [fn(&People, u64) -> Fallible<Event>; 4] =
        [People::created, People::created, changed, People::deleted];
    for kind in kinds {
        for user in 0..users {
            file.sync.apply_in(&mut *transaction, &kind(&people, user)?).await?;
        }
    }
    transaction.commit().await?;
    file.close().await;
    Ok(())
}

/// Returns the time to decode the data, in microseconds per event.
fn decode(fixture: &Value, rounds: u64) -> Fallible<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let events = variants(fixture, 0..EVENTS)?;
        times.push(time(|| {
            events.iter().for_each(|event| {
                std::hint::black_box(event.data());
            })
        }));
    }
    Ok(median(times))
}

async fn show_of<DB: Idle>(
    name: &str,
    sync: &ClerkSync<DB>,
    fixtures: &[(&str, Value)],
    rounds: u64,
) -> Fallible<()> {
    let title = format!("{name}, µs per event");
    let mut table = Table::new(&[title.as_str(), "new", "new, `raw` off", "applied again"]);
    let off = sync.clone().raw(RawColumn::Off);
    for (index, (event, fixture)) in fixtures.iter().enumerate() {
        let [mut new, mut without, mut again] = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..rounds {
            // Ids that no earlier round used.
            let first = (index as u64 * rounds + round) * 2 * EVENTS;
            let (one, other) = (first..first + EVENTS, first + EVENTS..first + 2 * EVENTS);
            new.push(in_one_transaction(sync, &variants(fixture, one.clone())?).await?);
            without.push(in_one_transaction(&off, &variants(fixture, other)?).await?);
            again.push(in_one_transaction(sync, &variants(fixture, one)?).await?);
        }
        table.row(
            &[&[(*event).to_owned()][..], &[new, without, again].map(|times| figure(median(times)))].concat(),
        );
    }
    table.print();
    let mut times = Vec::new();
    let mut transaction = sync.pool().begin().await?;
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..EVENTS {
            DB::idle(&mut *transaction).await?;
        }
        times.push(micros(began));
    }
    drop(transaction);
    println!("A statement that does nothing (`SELECT 1`) takes {} µs.\n", figure(median(times)));
    Ok(())
}

/// Applies events in one transaction, and returns the microseconds per event, excluding BEGIN and COMMIT.
async fn in_one_transaction<DB: SyncDatabase>(sync: &ClerkSync<DB>, events: &[Event]) -> Fallible<f64> {
    let mut transaction = sync.pool().begin().await?;
    let began = Instant::now();
    for event in events {
        sync.apply_in(&mut *transaction, event).await?;
    }
    let micros = micros(began);
    transaction.commit().await?;
    Ok(micros)
}

fn variants(fixture: &Value, numbers: std::ops::Range<u64>) -> Fallible<Vec<Event>> {
    numbers.map(|number| variant(fixture, number, 0)).collect()
}

fn time(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    micros(began)
}

/// Returns the elapsed microseconds per event.
fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6 / EVENTS as f64
}
