//! Measures all contestants of a group in turns and compares the ratios with the goals.
//!
//! `cargo bench --bench ratios -- [--quick] [--check] [part of a group's title]`

use std::collections::HashMap;
use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clerk_webhook_benches::{Contestant, GROUPS, Goal, Group};

/// The duration of a batch. It is shorter than a time slice of the scheduler, so that some batches run
/// undisturbed, and long enough to warm up caches and branch predictors after the previous contestant: with
/// 50 µs the complete applications are 10 % slower.
const BATCH: Duration = Duration::from_micros(500);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rounds = if has("--quick") { 40 } else { 1000 };
    // Cargo adds `--bench`.
    let wanted = arguments.iter().find(|argument| !argument.starts_with("--"));

    let allocations = count_allocations();
    let mut missed = 0;
    for (title, make) in GROUPS {
        if wanted.is_some_and(|wanted| !title.contains(wanted.as_str())) {
            continue;
        }
        missed += show(title, make(), rounds, &allocations);
    }
    println!("{missed} goals missed");
    ExitCode::from(u8::from(has("--check") && missed > 0))
}

/// Measures and prints a group, and returns the number of missed goals.
fn show(title: &str, mut group: Group, rounds: u32, allocations: &HashMap<(String, String), u64>) -> usize {
    let times = measure(&mut group.contestants, rounds);
    let time_of = |name: &str| {
        let place = group.contestants.iter().position(|contestant| contestant.name == name);
        times[place.expect("a goal names a contestant of its group")]
    };
    let allocations_of = |name: &str| allocations[&(title.to_owned(), name.to_owned())];

    println!("{title}\n{:<44}{:>10}{:>10}{:>13}", "", "min ns", "ratio", "allocations");
    for (contestant, time) in group.contestants.iter().zip(&times) {
        let ratio = time / times[0];
        println!("  {:<42}{time:>10.0}{ratio:>10.2}{:>13}", contestant.name, allocations_of(contestant.name));
    }
    let mut missed = 0;
    for goal in &group.goals {
        let (text, reached) = match *goal {
            Goal::AtMost { who, against, ratio } => {
                let actual = time_of(who) / time_of(against);
                (format!("{who} ÷ {against}: {actual:.2}, goal <= {ratio}"), actual <= ratio)
            }
            Goal::TimesFaster { who, against, ratio } => {
                let actual = time_of(against) / time_of(who);
                (format!("{against} ÷ {who}: {actual:.2}, goal >= {ratio}"), actual >= ratio)
            }
            Goal::AtMostLonger { who, than, nanoseconds } => {
                let actual = time_of(who) - time_of(than);
                let text = format!("{who} − {than}: {actual:.0} ns, goal <= {nanoseconds}");
                (text, actual <= nanoseconds)
            }
            Goal::NoAllocation { who } => {
                let actual = allocations_of(who);
                (format!("allocations of {who}: {actual}, goal 0"), actual == 0)
            }
        };
        println!("  {} {text}", if reached { "ok    " } else { "MISSED" });
        missed += usize::from(!reached);
    }
    println!();
    missed
}

/// Returns the minimum time per call of each contestant, in nanoseconds.
///
/// The contestants take turns, so that a slow phase of the machine affects all of them.
fn measure(contestants: &mut [Contestant], rounds: u32) -> Vec<f64> {
    let mut calls: Vec<u32> = contestants.iter_mut().map(calls_per_batch).collect();
    let mut least = vec![f64::INFINITY; contestants.len()];
    for _ in 0..rounds {
        for ((contestant, calls), least) in contestants.iter_mut().zip(&mut calls).zip(&mut least) {
            let time = batch(contestant, *calls).as_secs_f64() * 1e9 / f64::from(*calls);
            *least = least.min(time);
        }
    }
    least
}

fn calls_per_batch(contestant: &mut Contestant) -> u32 {
    let mut calls = 1;
    while batch(contestant, calls) < BATCH {
        calls *= 2;
    }
    calls
}

fn batch(contestant: &mut Contestant, calls: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        (contestant.call)();
    }
    start.elapsed()
}

/// Runs the `allocations` program and returns its counts by group and contestant.
fn count_allocations() -> HashMap<(String, String), u64> {
    let output = Command::new(env!("CARGO_BIN_EXE_allocations"))
        .output()
        .expect("failed to run the `allocations` program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let [title, name, count] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("expected three columns: {line}")
            };
            ((title.to_owned(), name.to_owned()), count.parse().expect("the count must be a number"))
        })
        .collect()
}
