//! The resident memory of the process while it applies events, one per transaction. Linux only.

use std::fs;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use sqlx::sqlite::SqliteSynchronous;

use crate::apply::{Fallible, apply};
use crate::databases::{File, Place, Schema, Usage};
use crate::people::People;
use crate::report::{Goal, Table, Wanted, figure, grouped, judge};

/// The number of users, who are updated in turns.
const USERS: u64 = 1_000;

/// The number of events that are created together.
const CHUNK: u64 = 1_000;

/// The permitted growth between 10 % and 100 % of the events.
const GOAL_MIB: f64 = 1.0;

/// Measures and prints, and returns the number of missed goals.
pub async fn show(quick: bool, most: u64) -> Fallible<usize> {
    let most = if quick { 2_000 } else { most.max(CHUNK) };
    // The first event of each user inserts the user.
    let counts = &[most / 10, most / 2, most];
    let mut goals = Vec::new();
    let title = "resident memory of the process in MiB, by number of events".to_owned();
    let header: Vec<_> =
        [title].into_iter().chain(counts.iter().map(|count| grouped(*count as i64))).collect();
    let mut table = Table::new(&header);
    let mut note = |name: &str, held: Vec<f64>| {
        table.row(&[&[name.to_owned()][..], &held.iter().copied().map(figure).collect::<Vec<_>>()].concat());
        if let [before, _, last] = held[..] {
            let of = format!("{name}: growth from 10 % to 100 % of {} events, MiB", grouped(most as i64));
            goals.push(Goal { of, measured: last - before, wanted: Wanted::AtMost(GOAL_MIB) });
        }
    };

    let place = if File::has(Place::Shm) { Place::Shm } else { Place::Disk };
    let file = File::open(place, SqliteSynchronous::Normal).await?;
    note("SQLite in a file, one connection", hold(&file.sync, counts).await?);
    file.close().await;
    if let Some(address) = Schema::address() {
        let usage = Usage { synchronous_commit: false, ..Usage::by_default(1) };
        let schema = Schema::create(&address, "bench_sync", usage).await?;
        note("Postgres, one connection", hold(&schema.sync, counts).await?);
        schema.remove().await?;
    } else {
        Schema::say_skipped();
    }
    table.print();
    Ok(judge(&goals))
}

/// Applies events up to the last count, and returns the resident memory at each count, in MiB.
async fn hold<DB: SyncDatabase>(sync: &ClerkSync<DB>, counts: &[u64]) -> Fallible<Vec<f64>> {
    let (people, mut number, mut held) = (People::new()?, 0, Vec::new());
    for count in counts {
        while number < *count {
            let until = (number + CHUNK).min(*count);
            let events: Fallible<Vec<Event>> = (number..until)
                .map(|number| match (number % USERS, number / USERS) {
                    (user, 0) => people.created(user),
                    (user, version) => people.updated(user, version),
                })
                .collect();
            let changes = apply(sync, &events?, 1).await?;
            assert_eq!(changes as u64, until - number, "each event is newer than the stored row");
            number = until;
        }
        held.push(resident()?);
    }
    Ok(held)
}

/// Returns the resident memory of this process, in MiB.
fn resident() -> Fallible<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("/proc/self/status has no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1024.0)
}
