//! What an event costs as the tables grow.

use std::time::Instant;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use sqlx::sqlite::SqliteSynchronous;

use crate::databases::{File, Place, Schema, Usage};
use crate::people::People;
use crate::report::{Goal, Table, Wanted, figure, grouped, judge, median};
use crate::{Fallible, apply};

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

const KINDS: [&str; 4] = ["created", "stale", "updated", "deleted"];

const ROUNDS: u64 = 9;

/// How many events of each kind a round has, at most; of few users fewer, so that nobody is chosen twice.
const EVENTS: u64 = 500;

/// How many users are filled in by one transaction.
const FILL: u64 = 1_000;

/// The microseconds of an event of each kind.
type Costs = [f64; 4];

/// Users that are there, and those that were not used yet.
struct Population {
    people: People,
    users: u64,
    /// Those from here on are as they were filled in.
    untouched: u64,
    random: fastrand::Rng,
}

impl Population {
    fn new() -> Fallible<Self> {
        Ok(Self { people: People::new()?, users: 0, untouched: 0, random: fastrand::Rng::with_seed(1) })
    }

    /// Lets so many users be there, of whom each is a row as an event writes it.
    async fn fill<DB: SyncDatabase>(
        &mut self,
        sync: &ClerkSync<DB>,
        users: u64,
        workers: u64,
    ) -> Fallible<()> {
        self.untouched = self.users;
        while self.users < users {
            let mut tasks = Vec::new();
            for _ in 0..workers {
                let until = users.min(self.users + FILL);
                let events: Fallible<Vec<Event>> =
                    (self.users..until).map(|number| self.people.created(number)).collect();
                let (sync, events, batch) = (sync.clone(), events?, FILL as usize);
                tasks.push(tokio::spawn(async move { apply(&sync, &events, batch).await }));
                self.users = until;
            }
            for task in tasks {
                task.await??;
            }
        }
        Ok(())
    }

    /// Measures the kinds of events, each in a transaction of its own.
    async fn measure<DB: SyncDatabase>(&mut self, sync: &ClerkSync<DB>) -> Fallible<Costs> {
        let choice = self.untouched..self.users;
        let count = EVENTS.min((choice.end - choice.start) / (3 * ROUNDS));
        let mut chosen = self.random.choose_multiple(choice, (3 * ROUNDS * count) as usize);
        self.random.shuffle(&mut chosen);
        let mut chosen = chosen.into_iter();
        let mut costs = KINDS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (kind, costs) in KINDS.iter().zip(&mut costs) {
                let people = &self.people;
                let numbers: Vec<u64> = if *kind == "created" {
                    self.users += count;
                    (self.users - count..self.users).collect()
                } else {
                    chosen.by_ref().take(count as usize).collect()
                };
                let events: Fallible<Vec<Event>> = numbers
                    .into_iter()
                    .map(|number| match *kind {
                        "updated" => people.updated(number, 1),
                        "deleted" => people.deleted(number),
                        _ => people.created(number),
                    })
                    .collect();
                let events = events?;
                let began = Instant::now();
                let changes = apply(sync, &events, 1).await?;
                costs.push(began.elapsed().as_secs_f64() * 1e6 / count as f64);
                let expected = if *kind == "stale" { 0 } else { events.len() };
                assert_eq!(changes, expected, "{kind}");
            }
        }
        Ok(costs.map(median))
    }
}

/// Measures, prints, and returns how many goals are missed.
pub async fn show(quick: bool) -> Fallible<usize> {
    let sizes = if quick { &SIZES[..1] } else { &SIZES[..] };
    let mut goals = Vec::new();

    let file = File::open(Place::Disk, SqliteSynchronous::Normal).await?;
    let mut population = Population::new()?;
    let mut results = Vec::new();
    for size in sizes {
        let began = Instant::now();
        population.fill(&file.sync, *size, 1).await?;
        let seconds = began.elapsed().as_secs_f64();
        let costs = population.measure(&file.sync).await?;
        results.push((*size, costs, seconds, file.bytes()?));
    }
    file.close().await;
    print("SQLite in a file on disk, synchronous NORMAL", &results, &mut goals);

    let Some(address) = Schema::address() else {
        Schema::say_skipped();
        return Ok(judge(&goals));
    };
    // Filling need not wait for the disk, and several connections do it faster.
    let usage = Usage { synchronous_commit: false, ..Usage::by_default(4) };
    let schema = Schema::create(&address, usage).await?;
    let mut population = Population::new()?;
    let mut results = Vec::new();
    for size in sizes {
        let began = Instant::now();
        population.fill(&schema.sync, *size, 4).await?;
        let seconds = began.elapsed().as_secs_f64();
        schema.analyze().await?;
        let costs = population.measure(&schema.sync).await?;
        results.push((*size, costs, seconds, schema.bytes().await?));
    }
    schema.remove().await?;
    let (version, fsync) = Schema::server(&address).await?;
    let title = format!("Postgres {version}, fsync {fsync}, synchronous_commit off");
    print(&title, &results, &mut goals);
    Ok(judge(&goals))
}

/// Prints what was measured of one database, and wants that of the largest tables to be little more than of small ones.
fn print(name: &str, results: &[(u64, Costs, f64, u64)], goals: &mut Vec<Goal>) {
    let title = format!("{name}, users");
    let unit = |kind| format!("{kind}, µs");
    let header = [&[title, "database, MB".into(), "filled in, s".into()][..], &KINDS.map(unit)].concat();
    let mut table = Table::new(&header);
    for (size, costs, seconds, bytes) in results {
        let before = [grouped(*size as i64), grouped((bytes / 1_000_000) as i64), figure(*seconds)];
        table.row(&[&before[..], &costs.map(figure)].concat());
    }
    table.print();
    if let [(small, first, ..), .., (large, last, ..)] = results {
        for ((kind, first), last) in KINDS.iter().zip(first).zip(last) {
            let of = format!("{name}, {kind}: {} ÷ {} users", grouped(*large as i64), grouped(*small as i64));
            goals.push(Goal { of, measured: last / first, wanted: Wanted::AtMost(1.5) });
        }
    }
}
