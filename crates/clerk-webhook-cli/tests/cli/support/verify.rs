//! Runs the command, and makes requests that are right until somebody breaks them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use clerk_webhook_core::Timestamp;
use clerk_webhook_test::{Delivery, SECRET};
use serde_json::Value;

/// What a run of the command ended with.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Returns the objects that were printed.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// Runs the command with [`SECRET`] in its environment.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Run {
    run_with(Some(SECRET), arguments, input)
}

/// Runs the command with a secret in its environment, or with none.
pub(crate) fn run_with(secret: Option<&str>, arguments: &[&str], input: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-webhook"));
    command.args(arguments).env_remove("CLERK_WEBHOOK_SIGNING_SECRET").env_remove("CLERK_WEBHOOK_SECRET");
    if let Some(secret) = secret {
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", secret);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Where it does not read its input it may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the command ends");
    Run {
        code: status.code().expect("an exit code"),
        stdout: String::from_utf8(stdout).expect("text"),
        stderr: String::from_utf8(stderr).expect("text"),
    }
}

/// A request as it was captured.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Makes a right one, signed just now.
    pub(crate) fn of(body: &str) -> Self {
        Self::from_delivery(&Delivery::of_body(body.to_owned()))
    }

    /// Makes a right one, signed so many seconds ago.
    pub(crate) fn seconds_ago(seconds: i64, body: &str) -> Self {
        let at = Timestamp::from_secs(Timestamp::now().as_secs() - seconds);
        Self::from_delivery(&Delivery::of_body(body.to_owned()).at(at))
    }

    pub(crate) fn from_delivery(delivery: &Delivery) -> Self {
        let own = |(name, value): (&str, String)| (name.to_owned(), value);
        Self { headers: delivery.headers().into_iter().map(own).collect(), body: delivery.body().to_vec() }
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        &self.headers.iter().find(|(other, _)| other == name).expect("a header").1
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.with(name, value)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn map(self, name: &str, change: impl Fn(&str) -> String) -> Self {
        let value = change(self.value(name));
        self.set(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// Returns it as a file as it was on the wire.
    pub(crate) fn http(&self) -> Vec<u8> {
        let mut bytes = b"POST /webhooks/clerk HTTP/1.1\r\n".to_vec();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A file or a folder in the folder of this run's tests, removed with this value.
#[derive(Debug)]
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let path =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("a folder that can be written to");
        Self(path)
    }

    /// Makes a folder.
    pub(crate) fn folder(name: &str) -> Self {
        let path =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder that can be written to");
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a path that is text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
