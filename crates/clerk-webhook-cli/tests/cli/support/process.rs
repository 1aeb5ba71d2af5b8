//! Runs the command as a process.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const SECRET: &str = clerk_webhook_test::SECRET;

/// Returns the command without the variables of the tests' environment that it reads.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-webhook"));
    for name in [
        "CLERK_WEBHOOK_SIGNING_SECRET",
        "CLERK_WEBHOOK_SECRET",
        "CLERK_WEBHOOK_SCHEMA",
        "CLERK_WEBHOOK_URL",
        "DATABASE_URL",
        "NATS_URL",
        "DATABASE_URL_FILE",
        "CLERK_SECRET_KEY",
        "CLERK_SECRET_KEY_FILE",
        "CLERK_INSTANCE_ID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "WATCHDOG_USEC",
        "PORT",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs the command with [`SECRET`] in its environment.
pub(crate) fn run(args: &[&str]) -> Run {
    run_with(args, Some(SECRET), b"")
}

/// Runs the command with an optional secret in its environment and with this standard input.
pub(crate) fn run_with(args: &[&str], secret: Option<&str>, input: &[u8]) -> Run {
    let mut command = command();
    command.args(args);
    if let Some(secret) = secret {
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", secret);
    }
    finish(&mut command, input)
}

/// Runs a program to its end with this standard input.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs a command line of a shell on a terminal, which `script` provides.
#[cfg(target_os = "linux")]
pub(crate) fn on_terminal(line: &str, input: &str) -> Run {
    let mut script = Command::new("script");
    finish(script.args(["--quiet", "--return", "--command", line, "/dev/null"]), input.as_bytes())
}

/// Sends a signal to a process.
#[cfg(unix)]
pub(crate) fn send_signal(signal: &str, process: u32) {
    let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status();
    assert!(kill.expect("sh exists").success());
}

/// A run's exit code and output.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Returns the objects that the command printed because of `--json`.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
