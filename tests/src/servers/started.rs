//! Servers that a test starts and kills.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, fs};

use super::has_program;
use crate::process::eventually;

/// A NATS server with JetStream for one test, which the test can kill.
#[derive(Debug)]
pub struct Nats {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Nats {
    /// Starts a server without streams. Returns `None` if nats-server is not installed.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    #[must_use]
    pub fn start(needed_by: &str) -> Option<Self> {
        if !has_program("nats-server", needed_by) {
            return None;
        }
        let port = free_port();
        let folder = folder("nats", port);
        // Large enough for the default body limit of a verifier.
        fs::write(folder.join("nats.conf"), "max_payload: 2113536\n")
            .expect("could not write the configuration");
        Some(Self { process: Self::spawn(&folder, port), folder, port })
    }

    /// Returns the server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills the server, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// Panics if the server cannot be killed.
    pub fn kill(&mut self) {
        self.process.kill().expect("could not kill nats-server");
        self.process.wait().expect("could not wait for nats-server");
    }

    /// Starts the killed server again, with its files and its port.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn restart(&mut self) {
        self.process = Self::spawn(&self.folder, self.port);
    }

    fn spawn(folder: &Path, port: u16) -> Child {
        let process = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join("nats.conf"))
            .stderr(Stdio::null())
            .spawn()
            .expect("could not start nats-server");
        eventually("the start of nats-server", || {
            // The server sends its information when JetStream has recovered its files.
            let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
            let mut information = [0; 4];
            connection.read_exact(&mut information).ok()?;
            (information == *b"INFO").then_some(())
        });
        process
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Creates a folder for a server's files.
fn folder(server: &str, port: u16) -> PathBuf {
    let name = format!("clerk-webhook-{server}-{}-{port}", process::id());
    let folder = env::temp_dir().join(name);
    fs::create_dir(&folder).expect("could not create the folder");
    folder
}

/// Returns a port below the range of ephemeral ports, so that no outgoing connection takes the port while the
/// server is down.
///
/// # Panics
///
/// Panics if no port is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 20_000 + u16::try_from(process::id() % 10_000).unwrap_or(0);
    (0..100)
        .map(|_| begin + NEXT.fetch_add(1, Ordering::Relaxed))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no port is free")
}
