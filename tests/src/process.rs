//! Receivers as processes: started, asked to end, killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::SECRET;

/// How long a process may take to listen, or to end: far more than it does.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often something is looked at that tells nobody when it changes.
const POLL: Duration = Duration::from_millis(2);

/// A process that receives, until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    process: Child,
    url: String,
}

impl Receiver {
    /// Starts a program with [`SECRET`] on a free port, and waits until it says where it listens.
    ///
    /// # Panics
    ///
    /// Panics where it does not start, or ends before it listens.
    #[must_use]
    pub fn start(program: &mut Command) -> Self {
        Self::start_on(0, program)
    }

    /// Starts a program with [`SECRET`] on a port, such as that of one that was killed.
    ///
    /// # Panics
    ///
    /// Panics where it does not start, or ends before it listens.
    #[must_use]
    pub fn start_on(port: u16, program: &mut Command) -> Self {
        let mut process = program
            .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
            .env("PORT", port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut lines = output.lines().map_while(Result::ok);
        let line =
            lines.find(|line| line.starts_with("listening on ")).expect("the program says where it listens");
        // What it writes later must not block it.
        thread::spawn(move || lines.for_each(drop));
        Self { process, url: line.trim_start_matches("listening on ").to_owned() }
    }

    /// Returns the address that deliveries go to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port that it listens on.
    ///
    /// # Panics
    ///
    /// Panics where the address has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        let authority = self.url.split('/').nth(2).expect("the address has a host");
        authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address has a port")
    }

    /// Returns the id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process at once, as kill -9 does, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// Panics where it had ended before.
    pub fn kill(mut self) {
        assert_eq!(self.process.try_wait().expect("the process is ours"), None, "it has ended by itself");
        self.process.kill().expect("the process is ours");
        self.process.wait().expect("the process is ours");
    }

    /// Asks the process to end.
    ///
    /// # Panics
    ///
    /// Panics where the signal cannot be sent.
    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Stops the process until [`resume`](Self::resume) is called.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    #[cfg(unix)]
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused process go on.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    #[cfg(unix)]
    pub fn resume(&self) {
        self.signal("CONT");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        // The standard library has no signals but the one that kills, but every shell has.
        let kill = Command::new("sh").args(["-c", "kill -$0 $1", name, &self.id().to_string()]).status();
        assert!(kill.expect("there is a shell").success(), "the process has ended");
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    ///
    /// Panics where it does not end.
    #[must_use]
    pub fn wait(mut self) -> ExitStatus {
        eventually("the end of the process", || self.process.try_wait().expect("the process is ours"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks again and again until there is something, and returns it.
///
/// # Panics
///
/// Panics where it is not there after half a minute.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} did not come within {PATIENCE:?}");
        thread::sleep(POLL);
    }
}
