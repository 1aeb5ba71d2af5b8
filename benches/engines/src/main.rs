//! Measures how many deliveries a second the engines keep, beside the statements that an application of its own would send.
//!
//! `cargo run --release -p clerk-webhook-engines -- [--quick] [--check] [part of an engine's name]`
//!
//! SQLite is a file in the folder for temporary files. The servers are those of `TEST_POSTGRES_URL`, `TEST_PGBOUNCER_URL` and `TEST_REDIS_URL`;
//! without them their engines are skipped.

mod engines;
mod measure;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use crate::engines::{Engine, Entry};
use crate::measure::{Rounds, measure};

/// How many deliveries are handled at once.
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

    // As many threads as processors, as most servers have.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let missed = runtime.block_on(run(wanted, rounds))?;
    println!("{missed} goals missed");
    Ok(ExitCode::from(u8::from(has("--check") && missed > 0)))
}

/// Measures every engine and returns how many goals are missed.
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

/// Measures and prints an engine and returns how many of its goals are missed.
async fn show(engine: &Engine, concurrency: usize, rounds: Rounds) -> usize {
    let results = measure(&engine.contestants, concurrency, rounds).await;
    let times_of = |name: &str| {
        let place = engine.contestants.iter().position(|contestant| contestant.name == name);
        &results[place.expect("goals name contestants of their engine")]
    };
    let first = engine.contestants[0].name;
    println!(
        "  {:<42}{:>10}{:>12}{:>9}",
        format!("{concurrency} at once"),
        "a second",
        "us of each",
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
        println!("    {verdict} {}, of {}: {actual:.2}, goal <= {}", goal.who, goal.against, goal.ratio);
        missed += usize::from(!reached);
    }
    missed
}
