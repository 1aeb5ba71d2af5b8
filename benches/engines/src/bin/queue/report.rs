//! Markdown tables and goals.

use std::fs;
use std::time::Duration;

use crate::Fallible;
use crate::depth::{self, Depth};
use crate::enqueue::Enqueueing;
use crate::latency::Latency;
use crate::worker;

/// The time of an enqueue divided by the time of a bare durable write is at most this.
const ENQUEUE_RATIO: f64 = 1.3;

/// The time to take and complete a job of the long queue divided by the time for the short one is at most this.
const DEPTH_RATIO: f64 = 1.5;

/// The results of all engines.
pub struct Report {
    tables: [Table; 4],
    goals: Table,
    missed: usize,
}

impl Report {
    pub fn new(depth: usize) -> Self {
        let (short, long) = (grouped(depth::SHORT), grouped(depth));
        Self {
            tables: [
                Table::new(&[
                    "per second",
                    "senders",
                    "bare writes",
                    "enqueues",
                    "time of an enqueue ÷ bare write",
                ]),
                Table::new(&["ms", "senders", "answer, p50", "p99", "start of the handler, p50", "p99"]),
                Table::new(&[&format!("worker, {} concurrent jobs", worker::CONCURRENCY), "jobs per second"]),
                Table::new(&[
                    "take and complete, µs",
                    &format!("{short} waiting jobs"),
                    &format!("{long} waiting jobs"),
                    "ratio",
                    &format!("first take with {long}, ms"),
                ]),
            ],
            goals: Table::new(&["goal", "measured", "target", ""]),
            missed: 0,
        }
    }

    pub fn enqueue(&mut self, engine: &str, senders: usize, result: &Enqueueing) {
        self.tables[0].row(&[
            engine,
            &senders.to_string(),
            &figure(result.writes_per_second),
            &figure(result.enqueues_per_second),
            &figure(result.ratio),
        ]);
        let goal = format!("{engine}, concurrent senders: {senders}, time of an enqueue ÷ bare write");
        self.goal(&goal, result.ratio, format!("≤ {ENQUEUE_RATIO}"), result.ratio <= ENQUEUE_RATIO);
    }

    pub fn latency(&mut self, engine: &str, senders: usize, Latency { answer, handler }: &Latency) {
        let millis = |time: Duration| figure(time.as_secs_f64() * 1e3);
        self.tables[1].row(&[
            engine,
            &senders.to_string(),
            &millis(answer.p50),
            &millis(answer.p99),
            &millis(handler.p50),
            &millis(handler.p99),
        ]);
    }

    pub fn worker(&mut self, engine: &str, per_second: f64, goal: Option<f64>) {
        self.tables[2].row(&[engine, &figure(per_second)]);
        if let Some(least) = goal {
            let of = format!("{engine}, worker, jobs per second");
            self.goal(&of, per_second, format!("≥ {}", figure(least)), per_second >= least);
        }
    }

    pub fn depth(&mut self, engine: &str, depth: usize, result: &Depth) {
        let micros = |time: Duration| figure(time.as_secs_f64() * 1e6);
        let ratio = result.long.as_secs_f64() / result.short.as_secs_f64();
        let first = figure(result.first.as_secs_f64() * 1e3);
        self.tables[3].row(&[engine, &micros(result.short), &micros(result.long), &figure(ratio), &first]);
        let goal = format!("{engine}, take and complete, {} ÷ 1,000 waiting jobs", grouped(depth));
        self.goal(&goal, ratio, format!("≤ {DEPTH_RATIO}"), ratio <= DEPTH_RATIO);
    }

    fn goal(&mut self, goal: &str, measured: f64, target: String, is_reached: bool) {
        self.goals.row(&[goal, &figure(measured), &target, if is_reached { "reached" } else { "MISSED" }]);
        self.missed += usize::from(!is_reached);
    }

    /// Prints all tables, and returns the number of missed goals.
    pub fn print(&self) -> usize {
        for table in self.tables.iter().chain([&self.goals]).filter(|table| table.has_rows()) {
            print!("\n{}", table.0);
        }
        self.missed
    }
}

/// A table. All columns except the first contain numbers.
struct Table(String);

impl Table {
    fn new(header: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(header);
        table.0 += &format!("|---|{}\n", "--:|".repeat(header.len() - 1));
        table
    }

    fn has_rows(&self) -> bool {
        self.0.lines().count() > 2
    }

    fn row(&mut self, cells: &[&str]) {
        self.0 += &format!("| {} |\n", cells.join(" | "));
    }
}

pub struct Percentiles {
    pub p50: Duration,
    pub p99: Duration,
}

impl Percentiles {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Formats a number with three significant digits, or with all digits before the decimal point.
pub fn figure(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => grouped(number.round() as usize),
    }
}

/// Formats an integer with thousands separators.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Returns the load average of the last minute.
pub fn load() -> Fallible<f64> {
    let average = fs::read_to_string("/proc/loadavg")?;
    Ok(average.split(' ').next().unwrap_or_default().parse()?)
}
