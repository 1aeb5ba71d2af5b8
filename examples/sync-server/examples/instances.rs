//! Sends a history to one or two instances of the example, kills (SIGKILL) and restarts instances while it
//! sends, and compares the tables with the objects that exist at the end of the history.
//!
//! `one-instance.sh` and `two-instances.sh` build the programs and run this one.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, process, thread};

use clerk_webhook_tests::SECRET;
use clerk_webhook_tests::process::{Receiver, eventually};
use clerk_webhook_tests::sender::request;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

const USAGE: &str = "\
usage: [DATABASE_URL=postgres://…] instances [--events 10000] [--kills 2] [--seed …] COMMAND PROGRAM

Starts two instances of PROGRAM on a new Postgres database, or one instance on a new SQLite file if DATABASE_URL is not
set. COMMAND sends them a shuffled history, each event twice and eight deliveries at a time. In the meantime, instances are
killed and restarted. At the end, `COMMAND reconcile` compares the tables with the objects of the history. The exit code is 0
if they are correct, 1 if they are not, and 2 if an argument is invalid.";

struct Options {
    events: u64,
    kills: u64,
    seed: String,
    command: String,
    program: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let database = Database::create(env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())).await?;
    if !options.run(&database)? {
        println!("the tables are not correct; the database is {}", database.name);
        return Ok(ExitCode::FAILURE);
    }
    database.remove().await?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Runs the instances and returns whether the tables are correct at the end.
    fn run(&self, database: &Database) -> Result<bool, Box<dyn Error>> {
        let start =
            |port| Receiver::start_on(port, Command::new(&self.program).env("DATABASE_URL", &database.url));
        // All instances start at the same time, so that all of them find an empty database.
        let mut instances = thread::scope(|scope| {
            let starting = (0..database.instances).map(|_| scope.spawn(|| start(0))).collect::<Vec<_>>();
            starting
                .into_iter()
                .map(|instance| instance.join().expect("the instance starts"))
                .collect::<Vec<_>>()
        });
        let mut sending = self.sending(&instances).spawn()?;
        let (mut processed, mut kills) = (0, 0);
        let output = sending.stdout.take().ok_or("the command has no standard output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            if !line.starts_with("msg_") {
                println!("{line}");
                continue;
            }
            processed += u64::from(line.contains(" processed "));
            if kills < self.kills && processed * (self.kills + 1) >= self.events * (kills + 1) {
                kills += 1;
                let victim = usize::try_from(kills)? % instances.len();
                let killed = instances.remove(victim);
                let port = killed.port();
                killed.kill();
                instances.insert(victim, start(port));
                println!("killed and restarted an instance after {processed} events");
            }
        }
        let status = sending.wait()?;
        // The page is cached, so wait for a page that was created after the last delivery.
        let ended = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let handled = eventually("a page that was created after the last delivery", || {
            handled(&instances[0]).and_then(|(handled, as_of)| (as_of > ended).then_some(handled))
        });
        println!(
            "{handled} of {} events are marked as handled; an instance was killed {kills} times",
            self.events
        );
        Ok(status.success() && (handled, kills) == (self.events, self.kills) && self.is_in_step(database)?)
    }

    /// Compares the tables with the objects that exist at the end of the history.
    fn is_in_step(&self, database: &Database) -> Result<bool, Box<dyn Error>> {
        let mut api = Command::new(&self.command)
            .args(["--json", "api", "--listen", "127.0.0.1:0", "--seed", &self.seed])
            .args(["--events", &self.events.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let compared = self.compare_with(api.stdout.take(), database);
        api.kill()?;
        api.wait()?;
        compared
    }

    fn compare_with(&self, api: Option<ChildStdout>, database: &Database) -> Result<bool, Box<dyn Error>> {
        let mut lines = BufReader::new(api.ok_or("the API has no standard output")?).lines();
        let first = lines.next().ok_or("the API has not started")??;
        // Reads the other lines, so that the API never waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        self.compare(database, &serde_json::from_str(&first)?)
    }

    fn compare(&self, database: &Database, api: &Value) -> Result<bool, Box<dyn Error>> {
        let (url, key) = (api["url"].as_str().unwrap_or_default(), api["secret_key"].as_str());
        let reconcile = |options: &[&str]| {
            let mut command = Command::new(&self.command);
            command.env("CLERK_SECRET_KEY", key.unwrap_or_default()).env("DATABASE_URL", &database.url);
            command.arg("reconcile").args(options).args(["--api-url", url, "--api-share", "1"]);
            command
        };
        let output = reconcile(&["--dry-run", "--json"]).stderr(Stdio::inherit()).output()?;
        let lines = String::from_utf8(output.stdout)?;
        let mut differences = Vec::new();
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line)?;
            if line["type"] == "drift" && !is_without_event(&line) {
                differences.push(line);
            }
        }
        for difference in &differences {
            println!("{difference}");
        }
        let is_repaired = reconcile(&[]).status()?.success() && reconcile(&["--dry-run"]).status()?.success();
        Ok(lines.contains(r#""type":"result""#) && differences.is_empty() && is_repaired)
    }

    fn sending(&self, instances: &[Receiver]) -> Command {
        let events = self.events.to_string();
        let mut command = Command::new(&self.command);
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET).args(["scenario", "all", "--events", &events]);
        // With --each, the command prints a line for each attempt, which shows the progress.
        command.args(["--shuffle", "--duplicate", "2", "--retry", "--concurrency", "8", "--each"]);
        command.stdout(Stdio::piped());
        command.args(["--seed", &self.seed]);
        command.args(instances.iter().flat_map(|instance| ["--to", instance.url()]));
        command
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut events, mut kills, mut paths) = (10_000, 2, Vec::new());
        let mut seed = process::id().to_string();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--events" => events = arguments.next()?.parse().ok()?,
                "--kills" => kills = arguments.next()?.parse().ok()?,
                "--seed" => seed = arguments.next()?,
                option if option.starts_with('-') => return None,
                _ => paths.push(argument),
            }
        }
        let [command, program] = paths.try_into().ok()?;
        Some(Self { events, kills, seed, command, program })
    }
}

/// Returns whether Clerk sends no event about a difference: an organization whose members have joined or left has
/// another `members_count` and another time of its last update.
fn is_without_event(drift: &Value) -> bool {
    drift["table"] == "organizations" && (drift["kind"] == "stale" || drift["kind"] == "differing")
}

/// Returns the number of handled events and the time of the page, or `None` if the database was too busy.
fn handled(instance: &Receiver) -> Option<(u64, u64)> {
    let url = instance.url().replace("/webhooks/clerk", "/");
    let answer = request("GET", &url, [("Accept", "application/json")], b"", Duration::from_secs(20));
    let page = serde_json::from_str::<Value>(&answer.ok()?.body).ok()?;
    Some((page["deliveries"].as_u64()?, page["as_of"].as_u64()?))
}

/// A new, empty database for this run.
struct Database {
    name: String,
    url: String,
    instances: usize,
    place: Place,
}

enum Place {
    Server(PgConnection),
    Folder(PathBuf),
}

impl Database {
    async fn create(server: Option<String>) -> Result<Self, Box<dyn Error>> {
        let name = format!("sync_server_{}", process::id());
        let Some(server) = server else {
            let folder = env::temp_dir().join(name);
            fs::create_dir(&folder)?;
            let name = folder.join("sync-server.db").display().to_string();
            return Ok(Self {
                url: format!("sqlite:{name}"),
                name,
                instances: 1,
                place: Place::Folder(folder),
            });
        };
        let (address, settings) = server
            .split_once('?')
            .map_or((&*server, String::new()), |(address, settings)| (address, format!("?{settings}")));
        let (host, _) = address.rsplit_once('/').ok_or("DATABASE_URL contains no database name")?;
        let mut connection = PgConnection::connect(&server).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        Ok(Self {
            url: format!("{host}/{name}{settings}"),
            name,
            instances: 2,
            place: Place::Server(connection),
        })
    }

    async fn remove(self) -> Result<(), Box<dyn Error>> {
        match self.place {
            Place::Folder(folder) => fs::remove_dir_all(folder)?,
            Place::Server(mut connection) => {
                let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
                sqlx::raw_sql(drop).execute(&mut connection).await?;
            }
        }
        Ok(())
    }
}
