//! The example writes Clerk's objects and its own table in one transaction, also after a restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clerk_webhook::test::Delivery;
use clerk_webhook_tests::clients::{Client, Example, official_clients};
use clerk_webhook_tests::fixture;
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::sender::{Answer, Message, attempt, request};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sync-server");

/// The user of the fixture `user.created`.
const JOINED: &str = "user_2fCjroEEruEbiXLF9UBxU3QkoiF";
const LEFT: &str = "user_2fBkmKgUCEFemtHgwRx4W10XFE3";

const USERS: &str = "SELECT id, deleted_at FROM clerk_users";
const CREDITS: &str = "SELECT user_id, credits FROM credits";

#[tokio::test(flavor = "multi_thread")]
async fn writes_the_rows_of_clerk_and_of_the_application_once() {
    let database = database("delivered");
    let example = start(&database);
    let readyz = example.url().replace("/webhooks/clerk", "/readyz");
    let answer = request("GET", &readyz, [("accept", "*/*")], b"", Duration::from_secs(20));
    assert!(answer.expect("the example answers").is_success());
    // The deletion arrives before the update, and one message arrives twice.
    let joined = message("msg_joined", "user.created");
    for (message, outcome) in [
        (&about(LEFT, "msg_left", "user.deleted"), "processed"),
        (&about(LEFT, "msg_late", "user.updated"), "processed"),
        (&joined, "processed"),
        (&joined, "duplicate"),
        (&message("msg_again", "user.created"), "processed"),
        (&message("msg_founded", "organization.created"), "processed"),
        (&message("msg_member", "organizationMembership.created"), "processed"),
    ] {
        assert_eq!(deliver(&example, message).outcome(), outcome, "{}", message.id);
    }
    let stored = async || (rows(&database, CREDITS).await, rows(&database, USERS).await);
    let left = (LEFT.to_owned(), Some(1_760_086_400_000));
    let expected = (vec![(JOINED.to_owned(), Some(10))], vec![left, (JOINED.to_owned(), None)]);
    assert_eq!(stored().await, expected);
    end(example);

    let example = start(&database);
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate", "the mark must survive a restart");
    assert_eq!(stored().await, expected);
    end(example);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_clients_receive_the_expected_answers() {
    let database = database("clients");
    let example = start(&database);
    let clients = official_clients("receiving from the official clients");
    for client in &clients {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    let marks = rows(&database, "SELECT message_id, state FROM clerk_webhook_delivery WHERE state = 1").await;
    assert_eq!(marks.len(), clients.len() * Client::accepted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_application_rolls_back_the_row_and_the_mark() {
    let database = database("failed");
    let example = start(&database);
    // The user already has credits, so the application's statement fails.
    rows(&database, &format!("INSERT INTO credits VALUES ('{JOINED}', 1) RETURNING user_id, credits")).await;
    let joined = message("msg_joined", "user.created");
    assert!(!deliver(&example, &joined).is_success());
    assert_eq!(rows(&database, USERS).await, []);
    rows(&database, "DELETE FROM credits RETURNING user_id, credits").await;
    assert_eq!(deliver(&example, &joined).outcome(), "processed");
    assert_eq!(rows(&database, USERS).await, [(JOINED.to_owned(), None)]);
    assert_eq!(rows(&database, CREDITS).await, [(JOINED.to_owned(), Some(10))]);
    end(example);
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

/// Returns the path of a SQLite file that does not exist yet.
fn database(name: &str) -> PathBuf {
    let name = format!("sync-server-{}-{name}.db", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    assert!(!path.exists());
    path
}

/// Runs a statement that returns an id and a number for each row.
async fn rows(database: &Path, statement: &str) -> Vec<(String, Option<i64>)> {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the file is a database");
    let statement = sqlx::query_as(AssertSqlSafe(statement.to_owned()));
    let mut rows: Vec<_> = statement.fetch_all(&mut connection).await.expect("the statement runs");
    rows.sort();
    rows
}

fn start(database: &Path) -> Receiver {
    Receiver::start(Command::new(PROGRAM).env("DATABASE", database))
}

fn deliver(example: &Receiver, message: &Message) -> Answer {
    attempt(example.url(), message, Duration::from_secs(20)).expect("the example answers")
}

#[cfg(unix)]
fn end(example: Receiver) {
    example.terminate();
    assert!(example.wait().success(), "the example must exit with 0");
}

#[cfg(not(unix))]
fn end(example: Receiver) {
    example.kill();
}

fn message(id: &str, event: &str) -> Message {
    Message { id: id.parse().expect("the message id is valid"), body: fixture(event) }
}

/// Returns an event about another user than the fixtures.
fn about(user: &str, id: &str, event: &str) -> Message {
    let body = Delivery::of_body(fixture(event)).set("/data/id", user).body();
    Message { body: body.into(), ..message(id, event) }
}
