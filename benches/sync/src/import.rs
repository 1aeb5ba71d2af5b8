//! Users per second of an import, and what an import costs the events that arrive at the same time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clerk_webhook_core::Event;
use clerk_webhook_sync::{BackendApi, BackfillOptions, ClerkSync, Resource, SyncDatabase, TransportError};
use http::{Request, Response};
use sqlx::sqlite::SqliteSynchronous;

use crate::apply::{Fallible, apply};
use crate::databases::{File, Place, Schema, Usage};
use crate::people::People;
use crate::report::{Goal, Table, Wanted, figure, grouped, judge};

/// The instance of the API.
const INSTANCE: &str = "ins_1";

/// The number of users on a page.
const PAGE: u64 = 500;

/// The number of users that are written one by one, for comparison.
const ONE_BY_ONE: u64 = 2_000;

/// The first number of the users whose events arrive during the import.
const OTHERS: u64 = 10_000_000;

/// The time between two events that arrive.
const PAUSE: Duration = Duration::from_millis(10);

/// What was measured in one database.
struct Measured {
    one_by_one: f64,
    /// Users per second, without the time that the API takes.
    import: f64,
    /// The resident memory before the import and at its end, in MiB.
    memory: [f64; 2],
    /// The 99th percentile of the time of an event, in milliseconds, without and with an import.
    p99: [f64; 2],
}

/// A Backend API with numbered users. The time that it takes is counted.
#[derive(Clone)]
struct Api {
    people: Arc<People>,
    users: u64,
    nanos: Arc<AtomicU64>,
}

impl Api {
    fn client(&self) -> Fallible<BackendApi> {
        let api = self.clone();
        let send = move |request: Request<()>| {
            let began = Instant::now();
            let response = api.answer(&request);
            api.nanos.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
            async move { response }
        };
        Ok(BackendApi::new("sk_live_benchmark", send)?.share(1.0)?)
    }

    fn answer(&self, request: &Request<()>) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri();
        let body = match uri.path() {
            path if path.ends_with("/instance") => {
                format!(r#"{{"id":"{INSTANCE}","environment_type":"production"}}"#)
            }
            path if path.ends_with("/users/count") => format!(r#"{{"total_count":{}}}"#, self.users),
            path if path.ends_with("/users") => self.page(uri.query().unwrap_or_default())?,
            path => return Err(format!("unexpected path {path}").into()),
        };
        Ok(Response::new(body.into()))
    }

    /// Returns the users after the cursor. The cursor is the id of the last user, which contains its number.
    fn page(&self, query: &str) -> Result<String, TransportError> {
        let after = query.split('&').find_map(|part| part.strip_prefix("starting_after="));
        let first = match after {
            Some(id) => id.rsplit('_').next().unwrap_or_default().parse::<u64>()? + 1,
            None => 0,
        };
        let mut page = String::from("[");
        for number in first..self.users.min(first + PAGE) {
            if number > first {
                page.push(',');
            }
            page += &self.people.listed(number);
        }
        page.push(']');
        Ok(page)
    }
}

/// Applies an event every [`PAUSE`] until the end, and returns the times in milliseconds.
async fn deliver<DB: SyncDatabase>(
    sync: ClerkSync<DB>,
    events: Vec<Event>,
    is_over: Arc<AtomicBool>,
) -> Fallible<Vec<f64>> {
    let mut times = Vec::new();
    for event in events {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        sync.apply(&event).await?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).or(times.last()).copied().unwrap_or(f64::NAN)
}

async fn measure<DB: SyncDatabase>(sync: &ClerkSync<DB>, users: u64) -> Fallible<Measured> {
    let people = Arc::new(People::new()?);
    let single = ONE_BY_ONE.min(users);
    let events: Result<Vec<_>, _> = (0..single).map(|number| people.created(2 * OTHERS + number)).collect();
    let events = events?;
    let began = Instant::now();
    apply(sync, &events, 1).await?;
    let one_by_one = single as f64 / began.elapsed().as_secs_f64();

    let quiet: Result<Vec<_>, _> = (0..300).map(|number| people.created(OTHERS + number)).collect();
    let without = p99(deliver(sync.clone(), quiet?, Arc::default()).await?);

    let api = Api { people: Arc::clone(&people), users, nanos: Arc::default() };
    let client = api.client()?;
    // The tables contain only users of events, which the API does not know, so an import would refuse to start.
    let import = sync.clone().instance_id(INSTANCE);
    let options = || BackfillOptions::default().resources([Resource::Users]);
    let before = resident()?;
    let began = Instant::now();
    let report = import.backfill(&client, options()).await?;
    let elapsed = began.elapsed().saturating_sub(Duration::from_nanos(api.nanos.load(Ordering::Relaxed)));
    let after = resident()?;
    let inserted = report.table(Resource::Users).map_or(0, |table| table.inserted);
    if inserted != users {
        return Err(format!("{inserted} of {users} users were inserted").into());
    }

    // An import of other users, while events arrive.
    let busy: Result<Vec<_>, _> =
        (0..100_000).map(|number| people.created(OTHERS + 1_000 + number)).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let delivering = tokio::spawn(deliver(sync.clone(), busy?, Arc::clone(&is_over)));
    // The same users with a later version, so that every row is written.
    let newer = Arc::new(People::new()?.later());
    let again = Api { people: newer, users: users.min(100_000), nanos: Arc::default() };
    import.backfill(&again.client()?, options().restart(true)).await?;
    is_over.store(true, Ordering::Relaxed);
    let with = p99(delivering.await??);
    Ok(Measured {
        one_by_one,
        import: users as f64 / elapsed.as_secs_f64(),
        memory: [before, after],
        p99: [without, with],
    })
}

/// Returns the resident memory of this process, in MiB.
fn resident() -> Fallible<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1_024.0)
}

/// Measures and prints, and returns the number of missed goals.
pub async fn show(quick: bool, most: u64) -> Fallible<usize> {
    let users = if quick { 2_000 } else { most };
    let mut measured = Vec::new();
    if File::has(Place::Shm) {
        let file = File::open(Place::Shm, SqliteSynchronous::Full).await?;
        measured.push(("SQLite in /dev/shm, synchronous FULL", 20_000.0, measure(&file.sync, users).await?));
        file.close().await;
    }
    match Schema::address() {
        Some(address) => {
            let schema = Schema::create(&address, "bench_sync", Usage::by_default(4)).await?;
            measured.push(("Postgres", 15_000.0, measure(&schema.sync, users).await?));
            schema.remove().await?;
        }
        None => Schema::say_skipped(),
    }

    let mut table = Table::new(&[
        &format!("{} users", grouped(users as i64)),
        "one by one, per second",
        "import, per second",
        "memory before, MiB",
        "at the end",
        "p99 of an event, ms",
        "during an import",
    ]);
    let mut goals = Vec::new();
    for (name, wanted, Measured { one_by_one, import, memory, p99 }) in measured {
        let cells = [one_by_one, import, memory[0], memory[1], p99[0], p99[1]].map(figure);
        table.row(&[&[name.to_owned()][..], &cells].concat());
        goals.push(Goal {
            of: format!("{name}, imported users per second"),
            measured: import,
            wanted: Wanted::AtLeast(wanted),
        });
        goals.push(Goal {
            of: format!("{name}, p99 of an event during an import ÷ without"),
            measured: p99[1] / p99[0],
            wanted: Wanted::AtMost(2.0),
        });
    }
    table.print();
    Ok(judge(&goals))
}
