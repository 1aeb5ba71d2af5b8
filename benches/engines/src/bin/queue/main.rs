//! Measures the queues: enqueueing, compared with a bare durable write on the same engine, the latency until
//! the handler starts, the throughput of a worker, and the cost of taking a job as the queue grows.
//!
//! `cargo run --release -p clerk-webhook-engines --bin queue -- [--quick] [--check] [--depth 100000]
//! [section…] [part of an engine's name]`
//!
//! The sections are `enqueue`, `latency`, `worker` and `depth`. All four run by default.
//!
//! The output is Markdown. SQLite uses files in `/dev/shm` and in the folder for temporary files.
//! `TEST_POSTGRES_URL` and `TEST_NATS_URL` contain the addresses of the servers. An engine without an address
//! is skipped. Postgres uses the database `clerk_webhook_bench_queue`, and NATS uses streams whose names begin
//! with `bench_queue`. They are deleted before and after the run.

mod depth;
mod engine;
mod enqueue;
mod latency;
mod report;
mod worker;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use crate::engine::Engine;
use crate::engine::nats::Nats;
use crate::engine::postgres::Postgres;
use crate::engine::sqlite::Sqlite;
use crate::report::{Report, figure, grouped, load};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// The numbers of concurrent senders.
const SENDERS: [usize; 2] = [1, 16];

/// The parts of a run.
const SECTIONS: [&str; 4] = ["enqueue", "latency", "worker", "depth"];

/// What is measured, and how often.
struct Plan {
    /// The wanted sections, or none if all of them are wanted.
    sections: Vec<&'static str>,
    /// How often enqueueing and the worker are measured. The results are medians.
    rounds: usize,
    /// The number of calls of one contestant in a round.
    calls: usize,
    /// The number of jobs that the worker completes in a round.
    jobs: usize,
    /// The number of events whose latency is measured.
    events: usize,
    /// The number of waiting jobs in the long queue.
    depth: usize,
    /// The number of takes from each of the two queues.
    takes: usize,
}

impl Plan {
    fn includes(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.contains(&section)
    }
}

fn main() -> Fallible<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let depth = arguments.iter().skip_while(|argument| *argument != "--depth").nth(1);
    let depth = depth.map_or(Ok(100_000), |depth| depth.parse())?;
    let sections: Vec<_> = SECTIONS.into_iter().filter(|section| has(section)).collect();
    let plan = if has("--quick") {
        Plan { sections, rounds: 1, calls: 20, jobs: 100, events: 32, depth: 2000, takes: 20 }
    } else {
        Plan { sections, rounds: 40, calls: 500, jobs: 5000, events: 2000, depth, takes: 500 }
    };
    let is_engine = |argument: &&String| argument.starts_with(|first: char| first.is_ascii_uppercase());
    let wanted = arguments.iter().find(is_engine);
    let wants = |name: &str| wanted.is_none_or(|wanted| name.contains(wanted.as_str()));

    let mut report = Report::new(plan.depth);
    let before = load()?;
    // One thread per processor, as in most servers.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if wants("SQLite in /dev/shm") {
            run(&Sqlite::start("SQLite in /dev/shm", Path::new("/dev/shm")).await?, &plan, &mut report)
                .await?;
        }
        if wants("SQLite on disk") {
            run(&Sqlite::start("SQLite on disk", &env::temp_dir()).await?, &plan, &mut report).await?;
        }
        if wants("Postgres") {
            match env::var("TEST_POSTGRES_URL") {
                Ok(address) => run(&Postgres::start(&address).await?, &plan, &mut report).await?,
                Err(_) => println!("Postgres: skipped, TEST_POSTGRES_URL is not set.\n"),
            }
        }
        if wants("NATS") {
            match env::var("TEST_NATS_URL") {
                Ok(address) => run(&Nats::start(&address).await?, &plan, &mut report).await?,
                Err(_) => println!("NATS: skipped, TEST_NATS_URL is not set.\n"),
            }
        }
        Fallible::Ok(())
    })?;
    let missed = report.print();
    println!("\nLoad average before the run: {before:.2}.");
    Ok(ExitCode::from(u8::from(has("--check") && missed > 0)))
}

/// Measures an engine.
async fn run<E: Engine>(engine: &E, plan: &Plan, report: &mut Report) -> Fallible<()> {
    let name = engine.name();
    println!("- {name}: {}", engine.settings().await?);
    for senders in SENDERS {
        if plan.includes("enqueue") {
            let enqueue = enqueue::measure(engine, senders, plan.rounds, plan.calls).await?;
            report.enqueue(name, senders, &enqueue);
        }
        if plan.includes("latency") {
            report.latency(name, senders, &latency::measure(engine, senders, plan.events).await?);
        }
    }
    if plan.includes("worker") {
        let per_second = worker::measure(engine, plan.rounds.min(5), plan.jobs).await?;
        report.worker(name, per_second, engine.jobs_per_second());
    }
    if plan.includes("depth") {
        let depth = depth::measure(engine, plan.depth, plan.takes).await?;
        let (jobs, seconds) = (grouped(plan.depth), figure(depth.filling.as_secs_f64()));
        println!("  The queue with {jobs} jobs was filled in {seconds} s.");
        report.depth(name, plan.depth, &depth);
    }
    engine.clean().await
}
