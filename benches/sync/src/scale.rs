//! The cost of an event as the tables grow.

use std::time::Instant;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use sqlx::sqlite::SqliteSynchronous;

use crate::apply::{Fallible, apply};
use crate::databases::{File, Place, Schema, Usage};
use crate::people::People;
use crate::report::{Goal, Table, Wanted, figure, grouped, judge, median};

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

const KINDS: [&str; 4] = ["created", "stale", "updated", "deleted"];

const ROUNDS: u64 = 9;

/// The maximum number of events of each kind in a round.
///
/// A round with small tables has fewer events, because no user is chosen twice. The round with large tables
/// then has the same number, because the length of a round determines whether SQLite checkpoints its
/// write-ahead log during the round.
const EVENTS: u64 = 500;

/// The number of users that one transaction inserts before the measurement.
const FILL: u64 = 10_000;

/// The size of SQLite's page cache by default, and while users are inserted, in KiB.
const CACHES: [u32; 2] = [2_000, 500_000];

/// For each kind, the microseconds per event, and their ratio to the microseconds in small tables.
type Costs = [(f64, f64); 4];

/// The users in the tables, and which of them have not been used.
struct Population {
    people: People,
    users: u64,
    /// The users from this number on are unchanged since their insertion.
    untouched: u64,
    random: fastrand::Rng,
}

impl Population {
    fn new() -> Fallible<Self> {
        Ok(Self { people: People::new()?, users: 0, untouched: 0, random: fastrand::Rng::with_seed(1) })
    }

    /// Inserts users up to the number `users`, each with an event.
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

    /// Chooses the users for all rounds.
    fn choose(&mut self, most: u64) -> Chosen<'_> {
        let users = self.untouched..self.users;
        let count = most.min((users.end - users.start) / (3 * ROUNDS));
        let mut chosen = self.random.choose_multiple(users, (3 * ROUNDS * count) as usize);
        self.random.shuffle(&mut chosen);
        Chosen { population: self, count, users: chosen.into_iter() }
    }
}

/// Randomly chosen users, each of whom is used once.
struct Chosen<'a> {
    population: &'a mut Population,
    /// The number of events of each kind in a round.
    count: u64,
    users: std::vec::IntoIter<u64>,
}

impl Chosen<'_> {
    /// Applies events of a kind, one per transaction, and returns the microseconds per event.
    async fn turn<DB: SyncDatabase>(&mut self, sync: &ClerkSync<DB>, kind: &str) -> Fallible<f64> {
        let numbers: Vec<u64> = if kind == "created" {
            self.population.users += self.count;
            (self.population.users - self.count..self.population.users).collect()
        } else {
            self.users.by_ref().take(self.count as usize).collect()
        };
        let people = &self.population.people;
        let event = |number| match kind {
            "updated" => people.updated(number, 1),
            "deleted" => people.deleted(number),
            _ => people.created(number),
        };
        let events: Vec<Event> = numbers.into_iter().map(event).collect::<Fallible<_>>()?;
        let began = Instant::now();
        let changes = apply(sync, &events, 1).await?;
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(changes, if kind == "stale" { 0 } else { events.len() }, "{kind}");
        Ok(seconds * 1e6 / self.count as f64)
    }
}

/// Measures each kind of event in large and in small tables, in turns.
async fn measure<DB: SyncDatabase>(
    large: (&ClerkSync<DB>, &mut Population),
    small: (&ClerkSync<DB>, &mut Population),
) -> Fallible<Costs> {
    let mut of_small = small.1.choose(EVENTS);
    let mut of_large = large.1.choose(of_small.count);
    let (mut times, mut ratios) = (KINDS.map(|_| Vec::new()), KINDS.map(|_| Vec::new()));
    for _ in 0..ROUNDS {
        for ((kind, times), ratios) in KINDS.iter().zip(&mut times).zip(&mut ratios) {
            let time = of_large.turn(large.0, kind).await?;
            times.push(time);
            ratios.push(time / of_small.turn(small.0, kind).await?);
        }
    }
    let (times, ratios) = (times.map(median), ratios.map(median));
    Ok(std::array::from_fn(|kind| (times[kind], ratios[kind])))
}

/// The results for one size of the tables.
struct Measured {
    users: u64,
    seconds: f64,
    bytes: u64,
    costs: Costs,
}

/// Measures and prints, and returns the number of missed goals.
pub async fn show(quick: bool, most: u64) -> Fallible<usize> {
    let sizes: Vec<u64> =
        SIZES.into_iter().filter(|size| *size <= if quick { SIZES[0] } else { most }).collect();
    let mut goals = Vec::new();
    let title = "SQLite in a file on disk, synchronous NORMAL";
    report(title, &sqlite(&sizes).await?, &mut goals);
    if let Some(address) = Schema::address() {
        let results = postgres(&address, &sizes).await?;
        let (version, fsync) = Schema::server(&address).await?;
        let title = format!("Postgres {version}, fsync {fsync}, synchronous_commit off");
        report(&title, &results, &mut goals);
    } else {
        Schema::say_skipped();
    }
    println!(
        "In parentheses: the time ÷ the time in the same round with {} users. Medians of {ROUNDS} rounds of \
         up to {EVENTS} events.\n",
        grouped(SIZES[0] as i64)
    );
    Ok(judge(&goals))
}

async fn sqlite(sizes: &[u64]) -> Fallible<Vec<Measured>> {
    let file = File::open(Place::Disk, SqliteSynchronous::Normal).await?;
    let (mut population, mut results) = (Population::new()?, Vec::new());
    for users in sizes {
        let began = Instant::now();
        file.cache(CACHES[1]).await?;
        population.fill(&file.sync, *users, 1).await?;
        file.cache(CACHES[0]).await?;
        let seconds = began.elapsed().as_secs_f64();
        let bytes = file.bytes()?;
        let other = File::open(Place::Disk, SqliteSynchronous::Normal).await?;
        let mut others = Population::new()?;
        others.fill(&other.sync, SIZES[0], 1).await?;
        let costs = measure((&file.sync, &mut population), (&other.sync, &mut others)).await?;
        other.close().await;
        results.push(Measured { users: *users, seconds, bytes, costs });
    }
    file.close().await;
    Ok(results)
}

async fn postgres(address: &str, sizes: &[u64]) -> Fallible<Vec<Measured>> {
    // Inserting users does not need to wait for the disk, and is faster with several connections.
    let usage = Usage { synchronous_commit: false, ..Usage::by_default(4) };
    let schema = Schema::create(address, "bench_sync", usage).await?;
    let (mut population, mut results) = (Population::new()?, Vec::new());
    for users in sizes {
        let began = Instant::now();
        population.fill(&schema.sync, *users, 4).await?;
        let seconds = began.elapsed().as_secs_f64();
        let bytes = schema.bytes().await?;
        let other = Schema::create(address, "bench_sync_small", usage).await?;
        let mut others = Population::new()?;
        others.fill(&other.sync, SIZES[0], 1).await?;
        schema.settle().await?;
        other.settle().await?;
        let costs = measure((&schema.sync, &mut population), (&other.sync, &mut others)).await?;
        other.remove().await?;
        results.push(Measured { users: *users, seconds, bytes, costs });
    }
    schema.remove().await?;
    Ok(results)
}

/// Prints the results of one database. The goals require that large tables cost little more than small ones.
fn report(name: &str, results: &[Measured], goals: &mut Vec<Goal>) {
    let title = format!("{name}: users");
    let unit = |kind| format!("{kind}, µs");
    let header = [&[title, "database, MB".into(), "inserted in, s".into()][..], &KINDS.map(unit)].concat();
    let mut table = Table::new(&header);
    for Measured { users, seconds, bytes, costs } in results {
        let first = [grouped(*users as i64), grouped((bytes / 1_000_000) as i64), figure(*seconds)];
        let costs = costs.map(|(time, ratio)| format!("{} ({ratio:.2})", figure(time)));
        table.row(&[&first[..], &costs].concat());
    }
    table.print();
    if let Some(Measured { users, costs, .. }) = results.last().filter(|last| last.users > SIZES[0]) {
        for (kind, (_, ratio)) in KINDS.iter().zip(costs) {
            let of =
                format!("{name}, {kind}: {} ÷ {} users", grouped(*users as i64), grouped(SIZES[0] as i64));
            goals.push(Goal { of, measured: *ratio, wanted: Wanted::AtMost(1.5) });
        }
    }
}
