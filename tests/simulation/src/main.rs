//! Simulates many seeds, tells the story of one, or explores all orders of the steps of a few requests.
//!
//! ```sh
//! cargo run --release -p clerk-webhook-tests-simulation -- --seconds 60
//! cargo run --release -p clerk-webhook-tests-simulation -- --seed 7
//! cargo run --release -p clerk-webhook-tests-simulation -- --interleavings 1
//! ```

use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_store::Owner;
use clerk_webhook_tests_simulation::history::What;
use clerk_webhook_tests_simulation::interleavings::{Bounds, Explored};
use clerk_webhook_tests_simulation::plan::Plan;
use clerk_webhook_tests_simulation::simulate;

const USAGE: &str =
    "usage: clerk-webhook-tests-simulation [--seconds N | --seeds N | --seed N | --interleavings N]

  --seconds N   simulates new seeds for N seconds (default: 10)
  --seeds N     simulates the seeds 0 to N - 1
  --seed N      simulates one seed, and prints what happens
  --interleavings N
                explores all orders of the steps of a few requests; time can pass N (0 to 255) more
                times than in the tests";

const REPLAY: &str = "replay: cargo run --release -p clerk-webhook-tests-simulation -- --seed";

/// How long a simulation can last: much longer than any of them needs.
const LONGEST: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let result = match *arguments {
        [] => Some(many(new_seeds(), Duration::from_secs(10))),
        ["--seconds", seconds] => {
            number(seconds).map(|seconds| many(new_seeds(), Duration::from_secs(seconds)))
        }
        ["--seeds", seeds] => number(seeds).map(|seeds| many(0..seeds, Duration::MAX)),
        ["--seed", seed] => number(seed).map(one),
        ["--interleavings", times] => times.parse().ok().map(explore),
        _ => None,
    };
    result.unwrap_or_else(|| {
        eprintln!("{USAGE}");
        ExitCode::from(2)
    })
}

fn new_seeds() -> std::ops::Range<u64> {
    let first = u64::try_from(Owner::random().as_u128() % 1_000_000_000).unwrap_or_default();
    first..u64::MAX
}

fn one(seed: u64) -> ExitCode {
    let report = simulate(seed);
    println!("{:#?}", Plan::new(seed));
    let is_told = |what: &What| match what {
        What::Polled { .. } => false,
        What::Tables { changes, .. } => !changes.is_empty(),
        _ => true,
    };
    for record in report.records.iter().filter(|record| is_told(&record.what)) {
        println!("{record}");
    }
    for violation in &report.violations {
        println!("WRONG: {violation}");
    }
    ExitCode::from(u8::from(!report.violations.is_empty()))
}

fn many(seeds: std::ops::Range<u64>, limit: Duration) -> ExitCode {
    let began = Instant::now();
    let (mut simulated, mut requests, mut delivery_days, mut waiting_days) = (0_u64, 0, 0.0, 0.0);
    let mut used = None;
    let mut next = seeds.start;
    // In a thread, so that this one can report a simulation that never ends.
    let (sender, reports) = channel();
    let simulations = thread::spawn(move || {
        for seed in seeds {
            let report = simulate(seed);
            if sender.send((seed, report, processor_time())).is_err() || began.elapsed() >= limit {
                break;
            }
        }
    });
    loop {
        let (seed, report, time) = match reports.recv_timeout(LONGEST) {
            Ok(simulated) => simulated,
            Err(RecvTimeoutError::Timeout) => {
                println!("seed {next} has not ended after {LONGEST:?}");
                println!("{REPLAY} {next}");
                return ExitCode::FAILURE;
            }
            Err(RecvTimeoutError::Disconnected) if simulations.join().is_ok() => break,
            Err(RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
        };
        next = seed + 1;
        simulated += 1;
        requests += report.requests;
        delivery_days += report.delivery_days;
        waiting_days += report.waiting_days;
        used = time;
        if !report.violations.is_empty() {
            println!("seed {seed} failed after {simulated} seeds:");
            for violation in &report.violations {
                println!("  {violation}");
            }
            println!("{REPLAY} {seed}");
            return ExitCode::FAILURE;
        }
    }
    let seconds = used.unwrap_or(began.elapsed()).as_secs_f64();
    println!(
        "{simulated} seeds passed: {requests} attempts in {delivery_days:.0} delivery-days, in {waiting_days:.0} of which \
         a delivery waited for its next attempt"
    );
    println!(
        "{seconds:.1} s of processor time: {:.0} seeds, {:.0} attempts and {:.0} delivery-days per second",
        simulated as f64 / seconds,
        requests as f64 / seconds,
        delivery_days / seconds
    );
    ExitCode::SUCCESS
}

fn explore(times: u8) -> ExitCode {
    let (mut interleavings, mut runs) = (0.0, 0);
    let began = processor_time().unwrap_or_default();
    let seconds = || processor_time().unwrap_or_default().saturating_sub(began).as_secs_f64();
    for (name, mut bounds) in Bounds::all() {
        bounds.budget.times = bounds.budget.times.saturating_add(times);
        let began = seconds();
        match bounds.explore() {
            Ok(explored) => {
                let Explored { states, runs: its_runs, interleavings: orders, .. } = explored;
                let seconds = seconds() - began;
                println!("{name}: {orders} orders, {states} states, {its_runs} runs, {seconds:.1} s");
                interleavings += orders;
                runs += its_runs;
            }
            Err(story) => {
                println!("{story}\n{name} failed");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{interleavings} orders passed, in {runs} runs and {:.1} s of processor time", seconds());
    ExitCode::SUCCESS
}

/// Returns the processor time of this thread, on Linux.
fn processor_time() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
