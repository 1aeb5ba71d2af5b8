//! Receivers as processes: start, stop, kill.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::SECRET;

/// The time limit for a process to listen or to exit, far longer than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The interval between two polls in [`eventually`].
const POLL: Duration = Duration::from_millis(2);

/// A running receiver. Dropping it kills the process.
#[derive(Debug)]
pub struct Receiver {
    process: Child,
    url: String,
}

impl Receiver {
    /// Starts a program with [`SECRET`] on a free port, and waits until it prints its address.
    ///
    /// # Panics
    ///
    /// Panics if the program does not start, or exits before it listens.
    #[must_use]
    pub fn start(program: &mut Command) -> Self {
        Self::start_on(0, program)
    }

    /// Starts a program with [`SECRET`] on a given port, such as the port of a receiver that was killed.
    ///
    /// # Panics
    ///
    /// Panics if the program does not start, or exits before it listens.
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
            lines.find(|line| line.starts_with("listening on ")).expect("the program prints its address");
        // Read the rest of the output, so that a full pipe cannot block the program.
        thread::spawn(move || lines.for_each(drop));
        Self { process, url: line.trim_start_matches("listening on ").to_owned() }
    }

    /// Returns the URL of the endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the receiver's port.
    ///
    /// # Panics
    ///
    /// Panics if the URL has no port.
    #[must_use]
    pub fn port(&self) -> u16 {
        let authority = self.url.split('/').nth(2).expect("the URL has a host");
        authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the URL has a port")
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process, as `kill -9` does, and waits until it has exited.
    ///
    /// # Panics
    ///
    /// Panics if the process has exited before.
    pub fn kill(mut self) {
        assert_eq!(
            self.process.try_wait().expect("the process is ours"),
            None,
            "the receiver exited before it was killed"
        );
        self.process.kill().expect("the process is ours");
        self.process.wait().expect("the process is ours");
    }

    /// Asks the process to terminate (`SIGTERM`).
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Suspends the process until [`resume`](Self::resume) is called.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    #[cfg(unix)]
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Resumes a suspended process.
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
        // The standard library can send only SIGKILL.
        let kill = Command::new("sh").args(["-c", "kill -$0 $1", name, &self.id().to_string()]).status();
        assert!(kill.expect("sh starts").success(), "the process has exited");
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    ///
    /// Panics if the process does not exit within 30 s.
    #[must_use]
    pub fn wait(mut self) -> ExitStatus {
        eventually("the exit of the process", || self.process.try_wait().expect("the process is ours"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Polls until the function returns a value, and returns that value.
///
/// # Panics
///
/// Panics after 30 s without a value.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} did not happen within {PATIENCE:?}");
        thread::sleep(POLL);
    }
}
