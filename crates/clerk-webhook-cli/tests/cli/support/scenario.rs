//! Runs `clerk-webhook scenario`.

use std::process::{Child, Output, Stdio};

use serde_json::Value;

use super::process::{SECRET, command};

/// Starts `clerk-webhook scenario` with these arguments, separated by spaces.
pub(crate) fn start(arguments: &str) -> Child {
    command()
        .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
        .arg("scenario")
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs `clerk-webhook scenario` to its end.
pub(crate) fn scenario(arguments: &str) -> Output {
    start(arguments).wait_with_output().unwrap()
}

/// Runs the command with a closed standard output, and returns the exit code.
pub(crate) fn unread(arguments: &str) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command();
    command.env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET).args(arguments.split_whitespace());
    command.stdout(writer).stderr(Stdio::null()).status().unwrap().code()
}

/// Runs `clerk-webhook scenario --json`, and returns the exit code and all objects.
pub(crate) fn objects(arguments: &str) -> (i32, Vec<Value>) {
    let output = scenario(&format!("--json {arguments}"));
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), objects)
}

/// Runs `clerk-webhook scenario --json`, and returns the exit code and the last object.
pub(crate) fn summary(arguments: &str) -> (i32, Value) {
    let (code, mut objects) = objects(arguments);
    (code, objects.pop().unwrap())
}
