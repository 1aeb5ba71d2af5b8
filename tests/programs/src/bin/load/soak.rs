//! Sends a constant load, and compares memory, open files and connections after the warm-up with those at the end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_test::{FakeBackendApi, History, Scenario};
use clerk_webhook_tests::sender::{Answer, Message, attempt};
use tokio::runtime::Runtime;

use crate::database::{Database, none};
use crate::instance::{Instance, Settings};
use crate::outside::{Outside, message_of};

/// The number of events before the load. The import then reads full pages, so that the memory for a page does not grow.
const POPULATION: usize = 20_000;

/// The time between two deliveries.
const INTERVAL: Duration = Duration::from_millis(25);

const SENDERS: usize = 24;

/// How long the senders do not wait between deliveries, so that the pools open all of their connections.
const BURST: Duration = Duration::from_secs(2);

/// The time after which a process has allocated its buffers. A quarter of the time, if that is less.
const WARM_UP: Duration = Duration::from_secs(300);

/// The part of the time after the warm-up whose samples are compared with the same part at the end.
const PART: f64 = 0.1;

/// The greatest ratio of the memory at the end to the memory after the warm-up.
const GREATEST_GROWTH: f64 = 1.2;

const SAMPLING: Duration = Duration::from_millis(250);

/// How often a delivery is attempted until it is acknowledged, once a second.
const ATTEMPTS: usize = 60;

const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Returns the figures of the form, or what has grown.
pub fn run(
    command: &str,
    duration: Duration,
    seed: u64,
    database: &Database,
    runtime: &Runtime,
) -> Result<String, String> {
    // An endless history, whose next event occurs when it is sent.
    let history = History::builder().scenario(Scenario::Churn).seed(seed).events(usize::MAX);
    let api = FakeBackendApi::from_events(history.stream());
    api.advance_to(POPULATION);
    let outside = Outside::start(api.clone(), runtime);
    // Comparisons must not leak either.
    let settings = Settings::of_each(command, database, &outside, &["--reconcile-every", "10s"]);
    let mut instances = Instance::start_all(&settings)?;
    let traffic = Traffic::new(api, &settings);
    let courses = thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| traffic.run());
        }
        let courses = watch(&instances, duration);
        traffic.stopped.store(true, Ordering::Relaxed);
        courses
    })?;
    none("deliveries that were never acknowledged", lock(&traffic.failed).iter().map(String::as_str))?;
    instances[0].wait_for_the_forward()?;
    let (acknowledged, received) = (lock(&traffic.acknowledged), outside.received());
    let missing = acknowledged.iter().map(String::as_str).filter(|id| !received.contains_key(*id));
    none("acknowledged events that were never forwarded", missing)?;
    for instance in &mut instances {
        instance.terminate()?;
    }
    let courses = courses.iter().map(Course::judge).collect::<Result<Vec<_>, _>>()?;
    Ok(format!(
        "{} events in {} s, forwarded, {} repeated; after the warm-up and at the end: {}",
        acknowledged.len(),
        duration.as_secs(),
        traffic.repeated.load(Ordering::Relaxed),
        courses.join("; ")
    ))
}

/// Samples the metrics of each instance until the time is over.
fn watch(instances: &[Instance<'_>], duration: Duration) -> Result<Vec<Course>, String> {
    let warm_up = WARM_UP.min(duration / 4);
    let mut courses: Vec<_> = instances.iter().map(|_| Course::default()).collect();
    let begin = Instant::now();
    while begin.elapsed() < duration {
        thread::sleep(SAMPLING);
        let Some(elapsed) = begin.elapsed().checked_sub(warm_up) else { continue };
        let position = elapsed.as_secs_f64() / (duration - warm_up).as_secs_f64();
        for (instance, course) in instances.iter().zip(&mut courses) {
            let sample = Sample::of(&instance.admin("/metrics")?)?;
            if position <= PART {
                course.first.push(sample);
            } else if position >= 1.0 - PART {
                course.last.push(sample);
            }
        }
    }
    Ok(courses)
}

/// The numbers of a process at one time.
struct Sample {
    memory: f64,
    files: f64,
    connections: f64,
}

impl Sample {
    fn of(metrics: &str) -> Result<Self, String> {
        // The sum over the labels of a metric.
        let metric = |name: &str| {
            let values = metrics.lines().filter_map(|line| {
                let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
                rest.rsplit(' ').next()?.parse::<f64>().ok()
            });
            values.reduce(|sum, value| sum + value).ok_or_else(|| format!("/metrics contains no {name}"))
        };
        Ok(Self {
            memory: metric("process_resident_memory_bytes")? / f64::from(1 << 20),
            files: metric("process_open_fds")?,
            connections: metric("clerk_webhook_db_connections")?,
        })
    }
}

/// The samples after the warm-up, and those at the end.
#[derive(Default)]
struct Course {
    first: Vec<Sample>,
    last: Vec<Sample>,
}

impl Course {
    /// Returns the figures, or what has grown.
    fn judge(&self) -> Result<String, String> {
        let sorted = |samples: &[Sample], value: fn(&Sample) -> f64| {
            let mut values: Vec<_> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let parts =
            |value: fn(&Sample) -> f64| [&self.first, &self.last].map(|samples| sorted(samples, value));
        let [files, connections] = [parts(|sample| sample.files), parts(|sample| sample.connections)];
        let memory = parts(|sample| sample.memory).map(|values| values.get(values.len() / 2).copied());
        let [Some(before), Some(after)] = memory else {
            return Err("the time was too short for samples".to_owned());
        };
        let range = |values: &[f64]| format!("{}-{}", values[0], values[values.len() - 1]);
        let shown = format!(
            "{before:.1} and {after:.1} MiB, {} and {} files, {} and {} connections",
            range(&files[0]),
            range(&files[1]),
            range(&connections[0]),
            range(&connections[1]),
        );
        // The numbers vary with the requests in flight, so a leak raises even the smallest number above all earlier ones.
        let has_grown = |[first, last]: &[Vec<f64>; 2]| last[0] > first[first.len() - 1];
        for (what, grown) in [
            ("the memory has", after > before * GREATEST_GROWTH),
            ("the open files have", has_grown(&files)),
            ("the connections have", has_grown(&connections)),
        ] {
            if grown {
                return Err(format!("{what} grown; after the warm-up and at the end: {shown}"));
            }
        }
        Ok(shown)
    }
}

/// A constant load.
struct Traffic {
    api: FakeBackendApi,
    urls: Vec<String>,
    begin: Instant,
    /// The time of the last delivery after the burst.
    turn: Mutex<Instant>,
    stopped: AtomicBool,
    sent: AtomicUsize,
    repeated: AtomicUsize,
    acknowledged: Mutex<HashSet<String>>,
    failed: Mutex<Vec<String>>,
}

impl Traffic {
    fn new(api: FakeBackendApi, settings: &[Settings]) -> Self {
        let begin = Instant::now();
        Self {
            api,
            urls: settings.iter().map(Settings::url).collect(),
            begin,
            turn: Mutex::new(begin),
            stopped: AtomicBool::new(false),
            sent: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            acknowledged: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Sends events until the traffic is stopped.
    fn run(&self) {
        while !self.stopped.load(Ordering::Relaxed) {
            if self.begin.elapsed() > BURST {
                let turn = {
                    let mut turn = lock(&self.turn);
                    *turn = (*turn + INTERVAL).max(Instant::now());
                    *turn
                };
                thread::sleep(turn.saturating_duration_since(Instant::now()));
            }
            if let Some(message) = self.api.advance().as_ref().and_then(message_of) {
                self.deliver(&message);
            }
        }
    }

    fn deliver(&self, message: &Message) {
        for _ in 0..ATTEMPTS {
            let url = &self.urls[self.sent.fetch_add(1, Ordering::Relaxed) % self.urls.len()];
            if attempt(url, message, TIME_LIMIT).as_ref().is_ok_and(Answer::is_success) {
                lock(&self.acknowledged).insert(message.id.as_str().to_owned());
                return;
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_secs(1));
        }
        lock(&self.failed).push(message.id.as_str().to_owned());
    }
}

/// Ignores poisoning, because a panic leaves none of these values half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
