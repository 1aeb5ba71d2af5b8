//! Events per second with small tables.

use std::time::Instant;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use clerk_webhook_test::{History, Scenario};
use sqlx::sqlite::SqliteSynchronous;

use crate::apply::{Fallible, apply};
use crate::databases::{File, Place, Schema, Usage};
use crate::report::{Goal, Table, Wanted, figure, grouped, judge, median};

/// The numbers of events per transaction.
const BATCHES: [usize; 3] = [1, 100, 500];

/// The numbers of connections that apply events concurrently.
const CONNECTIONS: [u32; 2] = [1, 8];

const SCENARIOS: [(&str, Scenario); 4] = [
    ("sign-up", Scenario::SignUp),
    ("team", Scenario::Team),
    ("churn", Scenario::Churn),
    ("all", Scenario::All),
];

/// A history and the database that it is applied to.
struct Cell {
    history: History,
    storage: Storage,
    batch: usize,
    /// The events per second, one value per round.
    speeds: Vec<f64>,
}

enum Storage {
    Sqlite(Place, SqliteSynchronous),
    Postgres(String, Usage),
}

impl Cell {
    fn new(history: &History, storage: Storage, batch: usize) -> Self {
        Self { history: history.clone(), storage, batch, speeds: Vec::new() }
    }

    /// Applies the history to empty tables and records the speed.
    async fn turn(&mut self) -> Fallible<()> {
        let speed = match &self.storage {
            Storage::Sqlite(place, synchronous) => {
                let file = File::open(*place, *synchronous).await?;
                let speed = speed(&file.sync, &self.history, self.batch, 1).await?;
                file.close().await;
                speed
            }
            Storage::Postgres(address, usage) => {
                let schema = Schema::create(address, "bench_sync", *usage).await?;
                let speed =
                    speed(&schema.sync, &self.history, self.batch, usage.connections as usize).await?;
                schema.remove().await?;
                speed
            }
        };
        self.speeds.push(speed);
        Ok(())
    }

    fn median(&self) -> f64 {
        median(self.speeds.clone())
    }
}

/// Applies a history with concurrent workers, and returns the events per second.
///
/// The events are parsed before the clock starts. Their data is decoded while they are applied.
async fn speed<DB: SyncDatabase>(
    sync: &ClerkSync<DB>,
    history: &History,
    batch: usize,
    workers: usize,
) -> Fallible<f64> {
    let parts: Vec<Vec<Event>> = history
        .arrivals(0)
        .dealt(workers)
        .into_iter()
        .map(|part| part.into_iter().map(|event| event.event()).collect())
        .collect();
    let began = Instant::now();
    let workers: Vec<_> = parts
        .into_iter()
        .map(|events| {
            let sync = sync.clone();
            tokio::spawn(async move { apply(&sync, &events, batch).await })
        })
        .collect();
    let mut changes = 0;
    for worker in workers {
        changes += worker.await??;
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!(changes > 0, "no event changed a row");
    Ok(history.events().len() as f64 / seconds)
}

/// Measures and prints, and returns the number of missed goals.
pub async fn show(quick: bool) -> Fallible<usize> {
    let (events, rounds) = if quick { (250, 1) } else { (2_000, 9) };
    let history = |scenario| History::builder().scenario(scenario).seed(1).events(events).build();
    let churn = history(Scenario::Churn);
    let files: Vec<_> = [(Place::Shm, "/dev/shm"), (Place::Disk, "disk")]
        .into_iter()
        .filter(|(place, _)| File::has(*place))
        .flat_map(|(place, name)| {
            [(SqliteSynchronous::Full, "FULL"), (SqliteSynchronous::Normal, "NORMAL")]
                .map(|(synchronous, word)| (format!("{name}, synchronous {word}"), place, synchronous))
        })
        .collect();
    let mut sqlite: Vec<Vec<Cell>> = files
        .iter()
        .map(|(_, place, synchronous)| {
            BATCHES.map(|batch| Cell::new(&churn, Storage::Sqlite(*place, *synchronous), batch)).into()
        })
        .collect();
    let mut scenarios: Vec<Cell> = SCENARIOS
        .iter()
        .map(|(_, scenario)| {
            let storage = Storage::Sqlite(Place::Disk, SqliteSynchronous::Normal);
            Cell::new(&history(*scenario), storage, BATCHES[1])
        })
        .collect();
    let address = Schema::address();
    let mut postgres: Vec<Vec<Cell>> = Vec::new();
    if let Some(address) = &address {
        for (synchronous_commit, test_before_acquire) in USAGES {
            let cells = CONNECTIONS.map(|connections| {
                let usage = Usage { connections, synchronous_commit, test_before_acquire };
                Cell::new(&churn, Storage::Postgres(address.clone(), usage), 1)
            });
            postgres.push(cells.into());
        }
    }
    // The databases take turns, so that a slow phase of the machine affects all of them.
    for _ in 0..rounds {
        for cell in sqlite.iter_mut().chain(&mut postgres).flatten().chain(&mut scenarios) {
            cell.turn().await?;
        }
    }

    println!(
        "{} events of the churn scenario, in order, applied to empty tables. Medians of {rounds} rounds.\n",
        grouped(events as i64)
    );
    let mut table = Table::new(&["SQLite, events per second", "1 per transaction", "100", "500"]);
    for ((name, ..), cells) in files.iter().zip(&sqlite) {
        table.row(&[&[name.clone()][..], &speeds(cells)].concat());
    }
    table.print();
    let mut table = Table::new(&[
        "scenario, SQLite on disk, NORMAL, 100 per transaction",
        "mean body, B",
        "events per second",
    ]);
    for ((name, _), cell) in SCENARIOS.iter().zip(&scenarios) {
        let bytes: usize = cell.history.events().iter().map(|event| event.body().len()).sum();
        table.row(&[(*name).into(), grouped((bytes / events) as i64), figure(cell.median())]);
    }
    table.print();

    let mut goals = vec![];
    for ((name, place, synchronous), cells) in files.iter().zip(&sqlite) {
        for ((cell, batch), least) in cells.iter().zip(BATCHES).zip([1_000.0, 5_000.0]) {
            // If every event waits for the disk, the result depends on the disk alone.
            let waits = (batch, place) == (1, &Place::Disk) && matches!(synchronous, SqliteSynchronous::Full);
            if !waits {
                let of = format!("SQLite, {name}, {batch} per transaction, events per second");
                goals.push(Goal { of, measured: cell.median(), wanted: Wanted::AtLeast(least) });
            }
        }
    }
    if let Some(address) = &address {
        let (version, fsync) = Schema::server(address).await?;
        let title = format!("Postgres {version}, fsync {fsync}, 1 per transaction, events per second");
        let mut table = Table::new(&[title.as_str(), "1 connection", "8 connections"]);
        for ((synchronous_commit, test_before_acquire), cells) in USAGES.iter().zip(&postgres) {
            let commit = if *synchronous_commit { "on" } else { "off" };
            let test = if *test_before_acquire { "sqlx's defaults" } else { "without `test_before_acquire`" };
            let name = format!("synchronous_commit {commit}, {test}");
            table.row(&[&[name.clone()][..], &speeds(cells)].concat());
            if *test_before_acquire {
                let of = format!("Postgres, fsync {fsync}, {name}, 8 connections, events per second");
                goals.push(Goal { of, measured: cells[1].median(), wanted: Wanted::AtLeast(1_500.0) });
            }
        }
        table.print();
    } else {
        Schema::say_skipped();
    }
    Ok(judge(&goals))
}

/// Pairs of `synchronous_commit` and `test_before_acquire`.
const USAGES: [(bool, bool); 3] = [(true, true), (true, false), (false, true)];

fn speeds(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(|cell| figure(cell.median())).collect()
}
