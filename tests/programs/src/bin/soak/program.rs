//! A program under test: its output, memory and shutdown.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk_webhook_tests::SECRET;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

const START: Duration = Duration::from_secs(10);
const SHUTDOWN: Duration = Duration::from_secs(20);

/// The maximum number of bytes that are stored for a line.
const LINE_LENGTH: usize = 512;
/// The maximum number of lines that are shown.
const SHOWN_LINES: usize = 5;

/// Returns the SQLite file of a program that needs one.
fn database() -> String {
    let name = format!("clerk-webhook-soak-{}.db", std::process::id());
    std::env::temp_dir().join(name).display().to_string()
}

pub struct Program {
    process: Child,
    id: u32,
    drains: JoinSet<()>,
    log: Arc<Log>,
    pub address: String,
    pub path: String,
}

impl Program {
    /// Starts a program, whose path can be followed by arguments, and waits until it prints its address.
    pub async fn start(program: &str) -> Result<Self, String> {
        let mut words = program.split_ascii_whitespace();
        let mut process = Command::new(words.next().unwrap_or_default())
            .args(words)
            .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
            .env("PORT", "0")
            .env("DATABASE", database())
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start the program: {error}"))?;
        let id = process.id().ok_or("the program ended immediately")?;
        let log = Arc::new(Log::default());
        let mut drains = JoinSet::new();
        drains.spawn(drain(process.stdout.take(), Arc::clone(&log)));
        drains.spawn(drain(process.stderr.take(), Arc::clone(&log)));

        let mut url = log.url.subscribe();
        let url = tokio::select! {
            url = timeout(START, url.wait_for(|url| !url.is_empty())) => url,
            status = process.wait() => return Err(format!("the program ended before it was listening: {}", describe(status))),
        };
        let url = match url {
            Ok(Ok(url)) => url.clone(),
            _ => return Err(format!("the program did not print `listening on` within {START:?}")),
        };
        let (address, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|slash| rest.split_at(slash)))
            .ok_or_else(|| format!("the program printed an invalid URL: {url}"))?;
        let (address, path) = (address.to_owned(), path.to_owned());
        Ok(Self { process, id, drains, log, address, path })
    }

    /// Returns the resident memory in KiB.
    pub fn resident(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
            .ok_or_else(|| io::Error::other("the program has ended"))
    }

    pub fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    /// Sends SIGTERM, and waits until the program and its output have ended.
    pub async fn stop(mut self) -> Result<(), String> {
        let killed = Command::new("kill").args(["-TERM", &self.id.to_string()]).status().await;
        if !killed.as_ref().is_ok_and(ExitStatus::success) {
            return Err(format!("cannot send SIGTERM: {}", describe(killed)));
        }
        let Ok(status) = timeout(SHUTDOWN, self.process.wait()).await else {
            return Err(format!("the program did not end within {SHUTDOWN:?} of SIGTERM"));
        };
        // A child process of the program may hold its output open.
        let _ = timeout(SHUTDOWN, async { while self.drains.join_next().await.is_some() {} }).await;
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", database()));
        }
        match status {
            Ok(status) if status.success() => Ok(()),
            status => Err(format!("the program failed after SIGTERM: {}", describe(status))),
        }
    }
}

/// The output of a program.
#[derive(Default)]
pub struct Log {
    url: watch::Sender<String>,
    lines: AtomicU64,
    alarms: AtomicU64,
    shown: Mutex<Vec<String>>,
}

impl Log {
    /// Returns the total number of lines.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Returns the number of warnings, errors and panics.
    pub fn alarms(&self) -> u64 {
        self.alarms.load(Ordering::Relaxed)
    }

    /// Returns the first warnings, errors and panics.
    pub fn shown(&self) -> Vec<String> {
        self.shown.lock().expect("no thread panics while it holds the lock").clone()
    }

    fn note(&self, line: &[u8]) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if let Some(url) = line.strip_prefix("listening on ") {
            self.url.send_replace(url.to_owned());
        }
        if is_alarm(line) {
            self.alarms.fetch_add(1, Ordering::Relaxed);
            let mut shown = self.shown.lock().expect("no thread panics while it holds the lock");
            if shown.len() < SHOWN_LINES {
                shown.push(line.to_owned());
            }
        }
    }
}

/// Returns whether a line is a warning, an error or a panic. The first word that is a level is the level of
/// the line.
fn is_alarm(line: &str) -> bool {
    let mut words = line.split(|character: char| !character.is_ascii_alphabetic());
    let level = words.find(|word| ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(word));
    matches!(level, Some("WARN" | "ERROR")) || line.contains("panicked at")
}

/// Reads a pipe to its end, so that the program never blocks on a full pipe.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, log: Arc<Log>) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; 16 * 1024];
    let mut line = Vec::with_capacity(LINE_LENGTH);
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        for part in chunk[..length].split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LENGTH - line.len();
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                log.note(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        log.note(&line);
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
