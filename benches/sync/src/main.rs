//! Measures how many events a second the sync applies, what they cost as the tables grow, and what it holds in memory.
//!
//! `cargo run --release -p clerk-webhook-bench-sync -- [--quick] [--check] [speed] [scale] [memory] [parts] [number]`
//!
//! All four unless some are named; what is printed is Markdown. The number is that of the most users of `scale` and of the
//! events of `memory`, a million unless given.
//!
//! SQLite is in files, in the folder for temporary files and in the memory of `/dev/shm`; Postgres is that of
//! `TEST_POSTGRES_URL` or `DATABASE_URL`, in schemas `bench_sync` and `bench_sync_small`, and skipped without either.
//!
//! `… -- --profile 1000` applies so many events of each kind and prints nothing, for `profile.sh`.

mod apply;
mod databases;
mod memory;
mod parts;
mod people;
mod report;
mod scale;
mod speed;

use std::env;
use std::process::ExitCode;

use crate::apply::Fallible;
use crate::report::load;

const SECTIONS: [&str; 4] = ["speed", "scale", "memory", "parts"];

fn main() -> Fallible<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let [flag, count] = &arguments[..]
        && flag == "--profile"
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(parts::apply_each_kind(count.parse()?)).map(|()| ExitCode::SUCCESS);
    }
    let most = arguments.iter().find_map(|argument| argument.parse().ok());
    let is_known = |argument: &str| {
        let words = [&["--quick", "--check"][..], &SECTIONS].concat();
        words.contains(&argument) || argument.parse::<u64>().is_ok()
    };
    if let Some(unknown) = arguments.iter().find(|argument| !is_known(argument.as_str())) {
        return Err(
            format!("{unknown}: there are --quick, --check, a number, and {}", SECTIONS.join(", ")).into()
        );
    }
    let quick = has("--quick");
    // As many threads as processors, as most servers have.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut missed = 0;
    for section in SECTIONS {
        if SECTIONS.iter().any(|section| has(section)) && !has(section) {
            continue;
        }
        let before = load()?;
        missed += runtime.block_on(async {
            match section {
                "speed" => speed::show(quick).await,
                "scale" => scale::show(quick, most.unwrap_or(1_000_000)).await,
                "memory" => memory::show(quick, most.unwrap_or(1_000_000)).await,
                _ => parts::show(quick).await,
            }
        })?;
        println!("The load of the machine was {before:.2} before.\n");
    }
    Ok(ExitCode::from(u8::from(has("--check") && missed > 0)))
}
