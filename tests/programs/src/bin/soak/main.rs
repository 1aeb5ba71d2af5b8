//! Sends valid and invalid deliveries to the examples at full speed, and checks their responses, memory, log
//! and shutdown.
//!
//! Run it with `cargo build --release -p example-axum && cargo run --release -p clerk-webhook-tests-programs
//! --bin soak -- target/release/example-axum`.

mod connection;
mod deliveries;
mod program;
mod traffic;

use std::collections::VecDeque;
use std::env;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use program::Program;
use traffic::Traffic;

const USAGE: &str = "\
usage: soak [--seconds 60] [--connections 32] PROGRAM…

A PROGRAM is a path, and can contain arguments: 'target/release/example-queue --server'.

Starts each program with a signing secret and PORT=0, waits for `listening on http://…`, sends valid and invalid
deliveries over keep-alive connections at full speed, and checks that

  - every response has the expected status: 200, 400 or 413
  - the memory at the end is at most 1.2 times the memory after 5 s (or after half of the time, if that is earlier)
  - the program prints at most one WARN, ERROR or panic per second
  - the program accepts a delivery at the end, and ends with exit code 0 within 20 s of SIGTERM

The memory is the median of VmRSS in /proc over one second, so this tool requires Linux. Programs inherit environment
variables, such as MALLOC_ARENA_MAX=1.

Exit codes: 0 all programs passed, 1 a check failed, 2 incorrect usage.";

/// The time after which a program has allocated its connections, buffers and allocator arenas.
const WARM_UP: Duration = Duration::from_secs(5);

const GREATEST_GROWTH: f64 = 1.2;

/// The allowance for lines that are not about rejected deliveries, and for the current second.
const LINES_BESIDES: u64 = 5;

/// Bodies in flight make single samples differ by 10 %, so the median over one second is used.
const SAMPLING: Duration = Duration::from_millis(100);
const SAMPLES: usize = 10;

const PROGRESS: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("{mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut reports = Vec::new();
    for program in &options.programs {
        reports.push(soak(program, &options).await);
    }
    print_table(&reports, options.warm_up());
    for report in &reports {
        for line in &report.failures {
            println!("{}: {line}", report.program);
        }
    }
    if reports.iter().all(|report| report.failures.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

struct Options {
    duration: Duration,
    connections: u64,
    programs: Vec<String>,
}

impl Options {
    /// Returns `None` if the help is requested.
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self { duration: Duration::from_secs(60), connections: 32, programs: Vec::new() };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = |range: std::ops::RangeInclusive<u64>| {
                let value = arguments.next().and_then(|value| value.parse().ok());
                value.filter(|value| range.contains(value)).ok_or_else(|| {
                    format!("{argument} requires a number from {} to {}", range.start(), range.end())
                })
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--seconds" => options.duration = Duration::from_secs(number(1..=86_400)?),
                "--connections" => options.connections = number(1..=1024)?,
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ => options.programs.push(argument),
            }
        }
        if options.programs.is_empty() {
            return Err("no program was given".to_owned());
        }
        Ok(Some(options))
    }

    fn warm_up(&self) -> Duration {
        WARM_UP.min(self.duration / 2)
    }
}

/// The results for a program. It passed if there are no failures.
#[derive(Default)]
struct Report {
    program: String,
    requests: u64,
    duration: Duration,
    memory: Memory,
    alarms: u64,
    failures: Vec<String>,
}

/// Resident memory in KiB.
#[derive(Default)]
struct Memory {
    /// The latest [`SAMPLES`] samples.
    recent: VecDeque<u64>,
    after_warm_up: u64,
    end: u64,
    peak: u64,
    /// The memory at each tenth of the time, which distinguishes continuous growth from a single increase.
    course: Vec<u64>,
}

impl Memory {
    fn add(&mut self, sample: u64, elapsed: Duration, options: &Options) {
        self.recent.push_back(sample);
        if self.recent.len() > SAMPLES {
            self.recent.pop_front();
        }
        self.end = median(&self.recent);
        self.peak = self.peak.max(sample);
        if elapsed <= options.warm_up() {
            self.after_warm_up = self.end;
        }
        if elapsed >= options.duration.mul_f64(self.course.len() as f64 / 10.0) {
            self.course.push(self.end);
        }
    }

    fn growth(&self) -> f64 {
        self.end as f64 / self.after_warm_up.max(1) as f64
    }
}

async fn soak(path: &str, options: &Options) -> Report {
    let mut report =
        Report { program: path.rsplit('/').next().unwrap_or(path).to_owned(), ..Report::default() };
    let begin = Instant::now();
    let program = match Program::start(path).await {
        Ok(program) => program,
        Err(failure) => {
            report.failures.push(failure);
            return report;
        }
    };
    let log = program.log();
    let traffic = Arc::new(Traffic::to(&program.address, &program.path));
    let mut connections = JoinSet::new();
    for number in 0..options.connections {
        let traffic = Arc::clone(&traffic);
        connections.spawn(async move { traffic.run(number).await });
    }
    let traffic_begin = Instant::now();
    let watched = watch(&program, &traffic, options, &mut report).await;
    report.duration = traffic_begin.elapsed();
    report.requests = traffic.requests();
    traffic.stop();
    while connections.join_next().await.is_some() {}

    match watched {
        Err(error) => report.failures.push(format!("cannot read the memory: {error}")),
        Ok(()) if report.memory.growth() > GREATEST_GROWTH => {
            report.failures.push(format!("the memory grew; KiB over time: {:?}", report.memory.course));
        }
        Ok(()) => {}
    }
    // The connection stays open, like the real sender's connections.
    let idle = traffic.deliver_once().await;
    if let Err(failure) = &idle {
        report.failures.push(format!("the valid delivery at the end failed: {failure}"));
    }
    if let Err(failure) = program.stop().await {
        report.failures.push(failure);
    }
    let (failed, shown) = traffic.failures();
    if failed > 0 {
        report.failures.push(format!("{failed} deliveries failed; the first failures: {}", shown.join("; ")));
    }
    report.alarms = log.alarms();
    let allowed = begin.elapsed().as_secs() + LINES_BESIDES;
    if report.alarms > allowed {
        let shown = log.shown().join("\n  ");
        report.failures.push(format!(
            "{} of {} lines are warnings or errors, but at most {allowed} are allowed; the first lines:\n  {shown}",
            report.alarms,
            log.lines()
        ));
    }
    report
}

/// Samples a program's memory until the time is over.
async fn watch(
    program: &Program,
    traffic: &Traffic,
    options: &Options,
    report: &mut Report,
) -> io::Result<()> {
    let begin = Instant::now();
    let mut ticks = interval(SAMPLING);
    let mut next_progress = PROGRESS;
    loop {
        ticks.tick().await;
        let elapsed = begin.elapsed();
        let resident = program.resident()?;
        report.memory.add(resident, elapsed, options);
        if elapsed >= next_progress && io::stderr().is_terminal() {
            next_progress += PROGRESS;
            eprintln!(
                "{} {:3} s: {} requests, {} connections, {resident} KiB, {} WARN/ERROR lines, {} failures",
                report.program,
                elapsed.as_secs(),
                traffic.requests(),
                traffic.connections(),
                program.log().alarms(),
                traffic.failures().0
            );
        }
        if elapsed >= options.duration {
            return Ok(());
        }
    }
}

fn median(samples: &VecDeque<u64>) -> u64 {
    let mut sorted: Vec<u64> = samples.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn print_table(reports: &[Report], warm_up: Duration) {
    let warm = format!("after {} s", warm_up.as_secs_f64());
    println!(
        "{:<22} {:>9} {:>10} {:>11} {:>11} {:>6} {:>11} {:>10}  verdict",
        "program", "requests", "requests/s", warm, "at end", "ratio", "peak", "WARN/ERROR"
    );
    for report in reports {
        let Report { program, requests, memory, alarms, .. } = report;
        println!(
            "{program:<22} {requests:>9} {:>10.0} {:>7} KiB {:>7} KiB {:>6.2} {:>7} KiB {alarms:>10}  {}",
            *requests as f64 / report.duration.as_secs_f64().max(f64::MIN_POSITIVE),
            memory.after_warm_up,
            memory.end,
            memory.growth(),
            memory.peak,
            if report.failures.is_empty() { "passed" } else { "FAILED" }
        );
    }
}
