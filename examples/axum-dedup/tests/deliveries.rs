//! The example handles what it is sent, each message once, also over a restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clerk_webhook_tests::clients::{Example, official_clients};
use clerk_webhook_tests::fixture;
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::sender::{Answer, Message, attempt};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-axum-dedup");

#[test]
fn each_message_is_handled_once() {
    let database = database("once");
    let example = start(&database);
    let joined = message("msg_joined", fixture("user.created"));
    assert_eq!(deliver(&example, &joined).outcome(), "processed");
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate");

    let mailed = message("msg_mailed", fixture("email.created"));
    for _ in 0..2 {
        let failed = deliver(&example, &mailed);
        assert_eq!((failed.status, failed.retry_after), (500, Some(8)), "what failed may come again");
    }
    let nobody =
        message("msg_nobody", br#"{"data":{"deleted":true,"object":"user"},"type":"user.deleted"}"#.to_vec());
    assert_eq!(deliver(&example, &nobody).control.as_deref(), Some("abort-message"));
    let other = message("msg_other", br#"{"data":{},"type":"something.new"}"#.to_vec());
    assert_eq!(deliver(&example, &other).outcome(), "processed");
    end(example);

    let example = start(&database);
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate", "a restart forgets nothing");
    end(example);
}

#[test]
fn the_official_clients_are_answered_right() {
    let example = start(&database("clients"));
    for client in official_clients("receiving from the official clients") {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[test]
fn a_missing_secret_is_said_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

fn database(name: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axum-dedup-{}-{name}.db", std::process::id()));
    assert!(!path.exists());
    path
}

fn start(database: &Path) -> Receiver {
    Receiver::start(Command::new(PROGRAM).env("DATABASE", database).env("MAIL_IS_DOWN", "1"))
}

fn deliver(example: &Receiver, message: &Message) -> Answer {
    attempt(example.url(), message, Duration::from_secs(20)).expect("the example answers")
}

#[cfg(unix)]
fn end(example: Receiver) {
    example.terminate();
    assert!(example.wait().success(), "it ends in order");
}

#[cfg(not(unix))]
fn end(example: Receiver) {
    example.kill();
}

fn message(id: &str, body: Vec<u8>) -> Message {
    Message { id: id.parse().expect("it is an id"), body }
}
