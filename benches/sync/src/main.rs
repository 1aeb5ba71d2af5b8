//! Measures the sync: events per second, the cost of an event as the tables grow, and the memory of the
//! process.
//!
//! `cargo run --release -p clerk-webhook-bench-sync -- [--quick] [--check] [section…] [number]`
//!
//! The sections are `speed`, `scale`, `memory`, `parts` and `import`. All of them run by default, and the
//! output is Markdown. The number is the maximum number of users in `scale` and `import` and of events in
//! `memory`, a million by default.
//!
//! SQLite uses files in the folder for temporary files and in `/dev/shm`. The Postgres server is the one in
//! `TEST_POSTGRES_URL` or `DATABASE_URL`, with the schemas `bench_sync` and `bench_sync_small`. It is skipped
//! if neither variable is set.
//!
//! `… -- --profile 1000` applies four events to each of 1,000 users and prints nothing, for `profile.sh`.

mod apply;
mod databases;
mod import;
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

const SECTIONS: [&str; 5] = ["speed", "scale", "memory", "parts", "import"];

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
        return Err(format!(
            "unknown argument {unknown}. Valid arguments: --quick, --check, a number, {}",
            SECTIONS.join(", ")
        )
        .into());
    }
    let quick = has("--quick");
    // One thread per processor, as in most servers.
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
                "parts" => parts::show(quick).await,
                _ => import::show(quick, most.unwrap_or(1_000_000)).await,
            }
        })?;
        println!("Load average before the run: {before:.2}.\n");
    }
    Ok(ExitCode::from(u8::from(has("--check") && missed > 0)))
}
