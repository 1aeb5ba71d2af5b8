//! Measures how many deliveries per second each store processes, compared with a plain statement on the same
//! engine.
//!
//! `cargo run --release -p clerk-webhook-engines -- [--quick] [--check] [part of an engine's name]`
//!
//! SQLite uses a file in the folder for temporary files. `TEST_POSTGRES_URL`, `TEST_PGBOUNCER_URL` and
//! `TEST_REDIS_URL` contain the addresses of the servers. An engine without an address is skipped.

mod engines;
mod measure;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use crate::engines::{Engine, Entry};
use crate::measure::{Rounds, measure};

/// The numbers of concurrent deliveries.
const CONCURRENCY: [usize; 2] = [1, 16];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rounds = if has("--quick") {
        Rounds { count: 1, turn: Duration::from_millis(10) }
    } else {
        Rounds { count: 100, turn: Duration::from_millis(50) }
    };
    let wanted = arguments.iter().find(|argument| !argument.starts_with("--"));

    // One thread per processor, as in most servers.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let missed = runtime.block_on(run(wanted, rounds))?;
    println!("{missed} goals missed");
    Ok(ExitCode::from(u8::from(has("--check") && missed > 0)))
}

/// Measures every engine and returns the number of missed goals.
async fn run(wanted: Option<&String>, rounds: Rounds) -> Result<usize, Box<dyn Error>> {
    let mut missed = 0;
    for Entry { name, address, start } in engines::ENGINES {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let address = match address.map(env::var).transpose() {
            Ok(address) => address.unwrap_or_default(),
            Err(_) => {
                println!("{name}: skipped, {} is not set\n", address.unwrap_or_default());
                continue;
            }
        };
        let engine = start(address).await?;
        println!("{name}: {}", engine.settings);
        for concurrency in CONCURRENCY {
            missed += show(&engine, concurrency, rounds).await;
        }
        println!();
        (engine.clean)().await?;
    }
    Ok(missed)
}

/// Measures and prints an engine, and returns the number of missed goals.
async fn show(engine: &Engine, concurrency: usize, rounds: Rounds) -> usize {
    let results = measure(&engine.contestants, concurrency, rounds).await;
    let times_of = |name: &str| {
        let place = engine.contestants.iter().position(|contestant| contestant.name == name);
        &results[place.expect("a goal names a contestant of its engine")]
    };
    let first = engine.contestants[0].name;
    println!(
        "  {:<42}{:>10}{:>12}{:>9}",
        format!("concurrency {concurrency}"),
        "per second",
        "us per call",
        "ratio"
    );
    for contestant in &engine.contestants {
        let times = times_of(contestant.name);
        let (time, ratio) = (times.median(), times.ratio_to(times_of(first)));
        println!("    {:<40}{:>10.0}{:>12.0}{ratio:>9.2}", contestant.name, 1.0 / time, time * 1e6);
    }
    let mut missed = 0;
    for goal in &engine.goals {
        let actual = times_of(goal.who).ratio_to(times_of(goal.against));
        let reached = actual <= goal.ratio;
        let verdict = if reached { "ok    " } else { "MISSED" };
        println!("    {verdict} {} ÷ {}: {actual:.2}, goal <= {}", goal.who, goal.against, goal.ratio);
        missed += usize::from(!reached);
    }
    missed
}
