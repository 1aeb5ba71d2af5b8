//! Delivers to two instances of `examples/postgres-once` on one database, kills them in turn, and counts what is there.
//!
//! `examples/postgres-once/two-instances.sh` builds both and runs this.

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, ExitCode};
use std::thread;

use clerk_webhook_tests::fixture;
use clerk_webhook_tests::process::{Receiver, eventually};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::sender::{Message, Pace, Report, Sender};
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

const USAGE: &str = "\
usage: DATABASE_URL=postgres://… two-instances [--events 500] [--kills 4] PROGRAM

Starts two instances of the program, delivers each event to them about three times in random order, and as often as
it fails again after a while, as Svix does. Meanwhile one or the other instance is killed (-9) and started again. The
exit code is 0 if every event was delivered and has exactly one effect in the end, 1 if not, 2 if the arguments are
wrong. SEED repeats the order of a run.";

/// How often an event comes on average.
const COPIES: usize = 3;

struct Options {
    events: usize,
    kills: usize,
    program: String,
    database: String,
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let seed = Random::seed();
    // The rows of an earlier run do not count, whatever its seed.
    let run = format!("{}_{seed}", std::process::id());
    println!("delivering {} events about {COPIES} times each, SEED={seed}", options.events);
    let report = deliver(&options, seed, &run);
    let effects = effects(&options.database, &run);

    println!("\nevents                     {:>6}", options.events);
    println!(
        "deliveries                 {:>6}   of them {} duplicates",
        report.deliveries.len(),
        (COPIES - 1) * options.events
    );
    println!("instances killed           {:>6}", options.kills);
    println!("attempts                   {:>6}", report.attempts());
    for (outcome, count) in report.outcomes() {
        println!("  {outcome:<24} {count:>6}");
    }
    println!("rows of effects            {:>6}", effects.values().sum::<i64>());
    let wrong = mistakes(&report, &effects, options.events, &run);
    if wrong.is_empty() {
        println!("\nevery event has exactly one effect");
        return ExitCode::SUCCESS;
    }
    println!();
    wrong.iter().for_each(|line| println!("{line}"));
    ExitCode::FAILURE
}

fn deliver(options: &Options, seed: u64, run: &str) -> Report {
    let start = || Receiver::start(&mut Command::new(&options.program));
    let mut instances = [start(), start()];
    let sender = Sender::new(instances.iter().map(Receiver::url), Pace::default(), seed);

    let mut random = Random::new(seed);
    let repeated =
        (0..(COPIES - 1) * options.events).map(|_| random.index(options.events)).collect::<Vec<_>>();
    let messages = (0..options.events).chain(repeated).map(|number| message(run, number)).collect::<Vec<_>>();
    let deliveries = messages.len();
    thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        for kill in 1..=options.kills {
            let delivered = || sender.answered("processed") + sender.answered("duplicate");
            eventually("the next kill", || {
                (delivered() * (options.kills + 1) >= deliveries * kill).then_some(())
            });
            let killed = kill % 2;
            println!("killing one instance after {} deliveries", delivered());
            let [first, second] = instances;
            let [victim, other] = if killed == 0 { [first, second] } else { [second, first] };
            victim.kill();
            let started = start();
            sender.redirect(killed, started.url());
            instances = if killed == 0 { [started, other] } else { [other, started] };
        }
        sending.join().expect("the sender ends")
    })
}

/// Returns the event that somebody has joined.
fn message(run: &str, number: usize) -> Message {
    let mut event: Value = serde_json::from_slice(&fixture("user.created")).expect("the fixture is JSON");
    event["data"]["id"] = format!("user_{run}_{number}").into();
    Message { id: id(run, number).parse().expect("it is an id"), body: event.to_string().into_bytes() }
}

fn id(run: &str, number: usize) -> String {
    format!("msg_{run}_{number}")
}

/// Returns how many effects each message of a run has.
fn effects(database: &str, run: &str) -> BTreeMap<String, i64> {
    let count = async {
        let mut connection = PgConnection::connect(database).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT message_id, count(*) FROM welcome_mails WHERE starts_with(message_id, $1) GROUP BY message_id",
        )
        .bind(format!("msg_{run}_"))
        .fetch_all(&mut connection)
        .await?;
        Ok::<_, sqlx::Error>(rows.into_iter().collect())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("there is a runtime").block_on(count).expect("the database is there")
}

/// Returns what is not as it has to be, a line for each.
fn mistakes(report: &Report, effects: &BTreeMap<String, i64>, events: usize, run: &str) -> Vec<String> {
    let undelivered = report.undelivered().into_iter();
    let undelivered = undelivered
        .map(|delivery| format!("{} was not delivered: {:?}", delivery.message.id, delivery.attempts));
    let counted = (0..events).filter_map(|number| {
        let id = id(run, number);
        match effects.get(&id) {
            Some(1) => None,
            Some(count) => Some(format!("{id} has {count} effects")),
            None => Some(format!("{id} has no effect")),
        }
    });
    undelivered.chain(counted).collect()
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut events, mut kills, mut program) = (500, 4, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--events" => events = arguments.next()?.parse().ok().filter(|events| *events > 0)?,
                "--kills" => kills = arguments.next()?.parse().ok()?,
                _ if argument.starts_with('-') || program.is_some() => return None,
                _ => program = Some(argument),
            }
        }
        let database = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())?;
        Some(Self { events, kills, program: program?, database })
    }
}
