//! Sends deliveries to `clerk-webhook serve`, stops its processes and its database in between, and checks that nothing
//! that was acknowledged is lost. With `--minutes`, checks instead that a constant load leaks nothing.
//!
//! Run it with `cargo build -p clerk-webhook-cli --features serve && cargo run -p clerk-webhook-tests-programs
//! --bin load -- target/debug/clerk-webhook`.

mod database;
mod instance;
mod load;
mod outside;
mod soak;

use std::env;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clerk_webhook_tests::random::Random;
use tokio::runtime::Runtime;

use crate::database::Database;

const USAGE: &str = "\
usage: load [--events 10000 | --minutes 60] [--seed N] COMMAND

COMMAND is the path of `clerk-webhook` with the `serve` feature. The program runs `COMMAND serve` with a new SQLite file,
and at the same time two instances of it with a new Postgres server. Each form has an application that receives the
forward, and a fake of Clerk's API.

--events N   sends a shuffled history of N events with duplicates, and repeats each delivery until it is acknowledged. In
             the meantime, kills (SIGKILL) and restarts an instance, restarts Postgres, and stops (SIGTERM) and restarts
             an instance. Then checks that every acknowledged event is in the tables and was forwarded, that the queue
             has no dead letter, and that `COMMAND reconcile --dry-run` finds no difference, except organizations that
             Clerk changes without an event.
--minutes M  sends a constant load for M minutes, such as 0.15, and checks that the memory at the end is at most 1.2 times
             the memory after the warm-up, and that the numbers of open files and of connections have not grown.

Requires Linux, and the program pg_ctl for Postgres.

Exit codes: 0 all checks passed, 1 a check failed, 2 incorrect usage.";

fn main() -> ExitCode {
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
    let runtime = Runtime::new().expect("the runtime starts");
    let databases = [Some(Database::sqlite()), Database::postgres()];
    // At the same time, because both forms wait most of the time.
    let passed = thread::scope(|scope| {
        let (options, runtime) = (&options, &runtime);
        let forms = databases.map(|database| scope.spawn(move || options.run(database?, runtime)));
        forms.map(|form| form.join().expect("the form does not panic") != Some(false))
    });
    if passed == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Clone, Copy)]
enum Kind {
    Load { events: usize },
    Soak { duration: Duration },
}

struct Options {
    kind: Kind,
    seed: u64,
    command: String,
}

impl Options {
    /// Runs one form, prints its result, and returns whether it passed.
    fn run(&self, database: Database, runtime: &Runtime) -> Option<bool> {
        let name = database.name();
        let result = match self.kind {
            Kind::Load { events } => load::run(&self.command, events, self.seed, &database, runtime),
            Kind::Soak { duration } => soak::run(&self.command, duration, self.seed, &database, runtime),
        };
        match &result {
            Ok(figures) => println!("{name}: {figures}"),
            Err(failure) => {
                // The logs of the instances explain the failure.
                let folder = database.keep();
                println!("{name}: FAILED with --seed {}: {failure}\n  logs: {}", self.seed, folder.display());
            }
        }
        Some(result.is_ok())
    }

    /// Returns `None` if the help is requested.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut events, mut minutes, mut seed, mut commands) = (None, None, None, Vec::new());
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse::<f64>().ok());
                let value = value.filter(|value| (0.0..=1e9).contains(value));
                value.ok_or_else(|| format!("{argument} requires a number"))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--events" => events = Some(number()? as usize),
                "--minutes" => minutes = Some(number()?),
                "--seed" => seed = Some(number()? as u64),
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ => commands.push(argument),
            }
        }
        let kind = match (events, minutes) {
            (Some(_), Some(_)) => return Err("--events and --minutes exclude each other".to_owned()),
            (events, None) => Kind::Load { events: events.unwrap_or(10_000) },
            (None, Some(minutes)) => Kind::Soak { duration: Duration::from_secs_f64(minutes * 60.0) },
        };
        let [command] = <[String; 1]>::try_from(commands).map_err(|_| "give one COMMAND")?;
        let path = std::path::absolute(&command).ok().filter(|path| path.is_file());
        let command = path.ok_or_else(|| format!("{command} is not a file. Build it first"))?;
        let seed = seed.unwrap_or_else(Random::seed);
        Ok(Some(Self { kind, seed, command: command.display().to_string() }))
    }
}
