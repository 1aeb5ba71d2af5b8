//! Sends a history while processes and the database are stopped, and checks that nothing is lost.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use clerk_webhook_test::{FakeBackendApi, History};
use clerk_webhook_tests::sender::{Message, Pace, Report, Sender};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::database::{Database, none};
use crate::instance::{Instance, Settings};
use crate::outside::{Outside, message_of};

/// How many deliveries are in flight at the same time.
const CONNECTIONS: usize = 24;

/// The sender closes a connection after 15 s.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// One in this many messages is sent twice, even if the first delivery was acknowledged.
const DUPLICATE_ONE_IN: usize = 4;

/// The time since the last event at the end of a history. A comparison ignores recent changes.
const REST: Duration = Duration::from_secs(3600);

/// How long Postgres is down.
const OUTAGE: Duration = Duration::from_secs(1);

/// What happens under load.
#[derive(Clone, Copy)]
enum Disruption {
    Kill(usize),
    RestartPostgres,
    Terminate(usize),
}

/// Returns the figures of the form, or what is missing.
pub fn run(
    command: &str,
    events: usize,
    seed: u64,
    database: &Database,
    runtime: &Runtime,
) -> Result<String, String> {
    let history = History::builder().seed(seed).events(events).build();
    let api = FakeBackendApi::new(&history);
    api.pass(REST);
    let outside = Outside::start(api, runtime);
    // An import or a comparison would hide lost events.
    let further = ["--backfill", "off", "--reconcile-every", "off"];
    let settings = Settings::of_each(command, database, &outside, &further);
    let mut instances = Instance::start_all(&settings)?;

    let urls: Vec<_> = settings.iter().map(Settings::url).collect();
    let sender = Sender::new(urls.iter().map(String::as_str), pace(), seed);
    let messages = messages(&history);
    let sent = messages.len();
    let begin = Instant::now();
    let (report, disrupted) = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        let disrupted = disrupt(&mut instances, database, &sender, sent, &sending);
        (sending.join().expect("the sender does not panic"), disrupted)
    });
    let took = begin.elapsed();
    let shutdown = disrupted?;
    let undelivered = report.undelivered();
    let undelivered = undelivered.iter().map(|delivery| delivery.message.id.as_str());
    none("deliveries that were never acknowledged", undelivered)?;

    let acknowledged = acknowledged(&report);
    let begin = Instant::now();
    instances[0].wait_for_the_forward()?;
    let behind = begin.elapsed();
    let received = outside.received();
    let missing = acknowledged.iter().copied().filter(|id| !received.contains_key(*id));
    none("acknowledged events that were never forwarded", missing)?;
    database.check(&history, acknowledged.iter().copied(), runtime)?;
    let comparison = Comparison { command, database, api_url: &outside.api_url };
    comparison.is_in_step()?;
    for instance in &mut instances {
        instance.terminate()?;
    }
    let repeated = received.values().sum::<usize>() - received.len();
    Ok(format!(
        "{} events acknowledged in {:.1} s ({:.0} deliveries/s), stored, forwarded ({repeated} repeated, \
         the last one {:.1} s later), in step; SIGTERM took {:.1} s; {report}",
        acknowledged.len(),
        took.as_secs_f64(),
        sent as f64 / took.as_secs_f64(),
        behind.as_secs_f64(),
        shutdown.as_secs_f64(),
    ))
}

/// Repeats each delivery until it is acknowledged, for up to 5 minutes.
fn pace() -> Pace {
    let mut schedule = [50, 100, 200, 400, 800].map(Duration::from_millis).to_vec();
    schedule.resize(300, Duration::from_secs(1));
    Pace { connections: CONNECTIONS, time_limit: TIME_LIMIT, schedule }
}

/// Returns a message for each event, and duplicates.
fn messages(history: &History) -> Vec<Message> {
    let messages = history.events().iter().filter_map(message_of).enumerate();
    let messages = messages.flat_map(|(number, message)| {
        let copies = if number.is_multiple_of(DUPLICATE_ONE_IN) { 2 } else { 1 };
        vec![message; copies]
    });
    messages.collect()
}

fn acknowledged(report: &Report) -> BTreeSet<&str> {
    report.deliveries.iter().map(|delivery| delivery.message.id.as_str()).collect()
}

/// Disrupts the form at equal parts of the load. Returns how long the shutdown under load took.
fn disrupt(
    instances: &mut [Instance<'_>],
    database: &Database,
    sender: &Sender,
    sent: usize,
    sending: &ScopedJoinHandle<'_, Report>,
) -> Result<Duration, String> {
    let last = instances.len() - 1;
    let disruptions = match &database.postgres {
        Some(_) => vec![Disruption::Kill(0), Disruption::RestartPostgres, Disruption::Terminate(last)],
        None => vec![Disruption::Kill(0), Disruption::Terminate(last)],
    };
    let mut shutdown = Duration::ZERO;
    for (number, disruption) in (1..).zip(&disruptions) {
        let due = sent * number / (disruptions.len() + 1);
        while sender.answered("processed") + sender.answered("duplicate") < due {
            if sending.is_finished() {
                return Err(format!("the load ended before disruption {number}; send more events"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        match *disruption {
            Disruption::Kill(index) => instances[index].kill_and_restart()?,
            Disruption::Terminate(index) => shutdown = instances[index].terminate_and_restart()?,
            Disruption::RestartPostgres => {
                if let Some(postgres) = &database.postgres {
                    postgres.kill();
                    thread::sleep(OUTAGE);
                    postgres.restart();
                }
            }
        }
    }
    Ok(shutdown)
}

/// Compares the tables with the API through the command.
struct Comparison<'a> {
    command: &'a str,
    database: &'a Database,
    api_url: &'a str,
}

impl Comparison<'_> {
    fn is_in_step(&self) -> Result<(), String> {
        let mut first = self.reconcile(&["--dry-run", "--json"]);
        let mut first = first.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let output = first.stdout.take().ok_or("reconcile has no output")?;
        let (mut differences, mut has_result) = (Vec::new(), false);
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|error| format!("cannot read the output of reconcile: {error}"))?;
            let object: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
            has_result |= object["type"] == "result";
            if object["type"] == "drift" && !is_without_event(&object) {
                differences.push(line);
            }
        }
        // The exit code is 1 if only organizations differ.
        let _ = first.wait();
        none("rows that differ from the API", differences.iter().map(String::as_str))?;
        if !has_result {
            return Err("`reconcile --dry-run` did not complete; see its message above".to_owned());
        }
        for arguments in [&[][..], &["--dry-run"]] {
            let done = self.reconcile(arguments).output().map_err(|error| error.to_string())?;
            if !done.status.success() {
                let output = String::from_utf8_lossy(&done.stdout);
                return Err(format!("reconcile {arguments:?} ended with {}:\n{output}", done.status));
            }
        }
        Ok(())
    }

    fn reconcile(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.command);
        command.env_clear().env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY);
        command.current_dir(self.database.folder()).arg("reconcile").args(arguments);
        command.args(["--database", self.database.url(), "--prefix", self.database.prefix()]);
        command.args(["--api-url", self.api_url, "--api-share", "1"]);
        command
    }
}

/// Returns whether Clerk sends no event about a difference: an organization whose members have joined or left has
/// another `members_count` and another time of its last update.
fn is_without_event(drift: &Value) -> bool {
    drift["table"] == "organizations" && (drift["kind"] == "stale" || drift["kind"] == "differing")
}
