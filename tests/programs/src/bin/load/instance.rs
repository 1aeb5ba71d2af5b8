//! A process of `clerk-webhook serve`.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_test::FakeBackendApi;
use clerk_webhook_tests::SECRET;
use clerk_webhook_tests::sender::request;
use clerk_webhook_tests::servers::free_port;
use serde_json::Value;

use crate::database::Database;
use crate::outside::Outside;

/// The time limit for a process to start or to end. A shutdown takes at most 22 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the forward may take for its next event. After a kill, an event waits for its lease.
const FORWARD: Duration = Duration::from_secs(60);

/// The time limit for an answer of the admin listener.
const ANSWER: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(20);

/// The settings of an instance. Each start uses the same ports.
pub struct Settings {
    command: String,
    arguments: Vec<String>,
    log: PathBuf,
    port: u16,
    admin: u16,
}

impl Settings {
    /// Returns the settings for each instance of a database, with further arguments of `serve`.
    pub fn of_each(command: &str, database: &Database, outside: &Outside, further: &[&str]) -> Vec<Self> {
        let settings = (1..=database.instances()).map(|number| {
            let (port, admin) = (free_port(), free_port());
            let (listen, admin_listen) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin}"));
            let arguments = [
                "serve",
                "--migrate",
                "--database",
                database.url(),
                "--forward-to",
                &outside.application_url,
                "--api-url",
                &outside.api_url,
                "--listen",
                &listen,
                "--admin-listen",
                &admin_listen,
                "--log",
                "warn",
            ];
            Self {
                command: command.to_owned(),
                arguments: arguments.iter().chain(further).map(|argument| (*argument).to_owned()).collect(),
                log: database.folder().join(format!("serve-{number}.log")),
                port,
                admin,
            }
        });
        settings.collect()
    }

    /// Returns the URL of the deliveries.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/clerk", self.port)
    }
}

/// A running process. It is killed on drop.
pub struct Instance<'a> {
    settings: &'a Settings,
    process: Child,
}

impl<'a> Instance<'a> {
    /// Starts all instances at the same time, so that all of them find an empty database.
    pub fn start_all(settings: &'a [Settings]) -> Result<Vec<Self>, String> {
        thread::scope(|scope| {
            let starting: Vec<_> = settings.iter().map(|one| scope.spawn(move || Self::start(one))).collect();
            starting.into_iter().map(|one| one.join().expect("a start does not panic")).collect()
        })
    }

    /// Starts a process, and waits until it is ready.
    fn start(settings: &'a Settings) -> Result<Self, String> {
        let log = OpenOptions::new().create(true).append(true).open(&settings.log);
        let log: File = log.map_err(|error| format!("cannot write {}: {error}", settings.log.display()))?;
        let process = Command::new(&settings.command)
            .args(&settings.arguments)
            // Variables and files of the caller have no effect.
            .env_clear()
            .current_dir(settings.log.with_file_name(""))
            // As in packaging/. With an arena of glibc for each thread, freed memory looks like a leak.
            .env("MALLOC_ARENA_MAX", "2")
            .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
            .env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", settings.command))?;
        let mut instance = Self { settings, process };
        let end = Instant::now() + PATIENCE;
        while instance.admin("/readyz").is_err() {
            if let Ok(Some(status)) = instance.process.try_wait() {
                let log = std::fs::read_to_string(&settings.log).unwrap_or_default();
                return Err(format!("serve ended before it was ready, with {status}: {}", log.trim_end()));
            }
            if Instant::now() > end {
                return Err(format!("serve was not ready within {PATIENCE:?}"));
            }
            thread::sleep(POLL);
        }
        Ok(instance)
    }

    /// Kills the process, as `kill -9` does, and starts another one.
    pub fn kill_and_restart(&mut self) -> Result<(), String> {
        self.process.kill().map_err(|error| format!("cannot kill serve: {error}"))?;
        self.process.wait().map_err(|error| format!("cannot wait for serve: {error}"))?;
        *self = Self::start(self.settings)?;
        Ok(())
    }

    /// Sends SIGTERM, waits for the end of the process, and starts another one. Returns how long the end took.
    pub fn terminate_and_restart(&mut self) -> Result<Duration, String> {
        let took = self.terminate()?;
        *self = Self::start(self.settings)?;
        Ok(took)
    }

    /// Sends SIGTERM, and waits for the end of the process.
    pub fn terminate(&mut self) -> Result<Duration, String> {
        let begin = Instant::now();
        let kill = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        if !kill.is_ok_and(|status| status.success()) {
            return Err("cannot send SIGTERM: the process has ended".to_owned());
        }
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(begin.elapsed()),
                Ok(Some(status)) => return Err(format!("serve failed after SIGTERM, with {status}")),
                _ if begin.elapsed() > PATIENCE => {
                    return Err(format!("serve did not end within {PATIENCE:?} of SIGTERM"));
                }
                _ => thread::sleep(POLL),
            }
        }
    }

    /// Waits until no event waits for the application, as long as their number falls. No event may be a dead letter.
    pub fn wait_for_the_forward(&self) -> Result<(), String> {
        let (mut fewest, mut end) = (u64::MAX, Instant::now() + FORWARD);
        loop {
            let status = self.admin("/status")?;
            let status: Value = serde_json::from_str(&status).map_err(|error| format!("/status: {error}"))?;
            let queue = &status["queue"];
            let (Some(ready), Some(running)) = (queue["ready"].as_u64(), queue["running"].as_u64()) else {
                // The server does not wait for long for a busy database.
                if Instant::now() > end {
                    return Err(format!("/status contains no queue: {status}"));
                }
                thread::sleep(POLL);
                continue;
            };
            if queue["dead"] != 0 {
                return Err(format!("the forward has dead letters: {queue}"));
            }
            if ready + running == 0 {
                return Ok(());
            }
            if ready + running < fewest {
                (fewest, end) = (ready + running, Instant::now() + FORWARD);
            }
            if Instant::now() > end {
                return Err(format!("events still wait for the application after {FORWARD:?}: {queue}"));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns the body of an answer of the admin listener.
    pub fn admin(&self, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.settings.admin);
        match request("GET", &url, [("Accept", "*/*")], b"", ANSWER) {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(format!("{path} answered with {}: {}", answer.status, answer.body)),
            Err(error) => Err(format!("{path} did not answer: {error}")),
        }
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
