//! What this process holds while events are applied, one in a transaction. Linux only.

use std::fs;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use sqlx::sqlite::SqliteSynchronous;

use crate::apply::{Fallible, apply};
use crate::databases::{File, Place, Schema, Usage};
use crate::people::People;
use crate::report::{Goal, Table, Wanted, figure, grouped, judge};

/// How many users there are, who change again and again.
const USERS: u64 = 1_000;

/// How many events are made at once.
const CHUNK: u64 = 1_000;

/// What may be held more after ten times as many events.
const GOAL_MIB: f64 = 1.0;

/// Measures, prints, and returns how many goals are missed.
pub async fn show(quick: bool, most: u64) -> Fallible<usize> {
    let most = if quick { 2_000 } else { most.max(CHUNK) };
    // The first one of each user is an insertion.
    let counts = &[most / 10, most / 2, most];
    let mut goals = Vec::new();
    let title = "resident memory of the process, MiB, after so many events".to_owned();
    let header: Vec<_> =
        [title].into_iter().chain(counts.iter().map(|count| grouped(*count as i64))).collect();
    let mut table = Table::new(&header);
    let mut note = |name: &str, held: Vec<f64>| {
        table.row(&[&[name.to_owned()][..], &held.iter().copied().map(figure).collect::<Vec<_>>()].concat());
        if let [before, _, last] = held[..] {
            let of = format!("{name}: more after {} events than after a tenth, MiB", grouped(most as i64));
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

/// Applies as many events as the last count says, and returns what is held after each count, in MiB.
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
            assert_eq!(changes as u64, until - number, "each of them is newer");
            number = until;
        }
        held.push(resident()?);
    }
    Ok(held)
}

/// Returns how much of this process is in memory, in MiB.
fn resident() -> Fallible<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("Linux knows it")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1024.0)
}
