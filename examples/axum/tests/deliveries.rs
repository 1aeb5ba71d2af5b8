//! The example handles each event once, even across a restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clerk_webhook_tests::clients::{Example, official_clients};
use clerk_webhook_tests::fixture;
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::sender::{Answer, Message, attempt};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-axum");

#[test]
fn handles_each_event_once_across_a_restart() {
    let database = database("once");
    let example = start(&database);
    let joined = message("msg_joined", fixture("user.created"));
    assert_eq!(deliver(&example, &joined).outcome(), "processed");
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate");
    let without_id =
        message("msg_without_id", br#"{"data":{"deleted":true},"type":"user.deleted"}"#.to_vec());
    assert_eq!(deliver(&example, &without_id).control.as_deref(), Some("abort-message"));
    let other = message("msg_other", br#"{"data":{},"type":"something.new"}"#.to_vec());
    assert_eq!(deliver(&example, &other).outcome(), "ignored");
    stop(example);

    let example = start(&database);
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate");
    stop(example);
}

#[test]
fn accepts_deliveries_of_the_official_clients() {
    let example = start(&database("clients"));
    for client in official_clients("receiving from the official clients") {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

fn database(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axum-{}-{name}.db", std::process::id()));
    assert!(!path.exists());
    path
}

fn start(database: &Path) -> Receiver {
    Receiver::start(Command::new(PROGRAM).env("DATABASE", database))
}

fn deliver(example: &Receiver, message: &Message) -> Answer {
    attempt(example.url(), message, Duration::from_secs(20)).expect("the example answers")
}

#[cfg(unix)]
fn stop(example: Receiver) {
    example.terminate();
    assert!(example.wait().success());
}

#[cfg(not(unix))]
fn stop(example: Receiver) {
    example.kill();
}

fn message(id: &str, body: Vec<u8>) -> Message {
    Message { id: id.parse().expect("a valid message id"), body }
}
