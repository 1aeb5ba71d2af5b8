//! The example writes what it is sent into Postgres, each message once, also over a restart.

use std::process::Command;
use std::time::Duration;

use clerk_webhook_tests::clients::{Example, official_clients};
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::sender::{Answer, Message, attempt};
use clerk_webhook_tests::{fixture, servers};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-postgres-once");

#[tokio::test]
async fn each_message_is_written_once() -> sqlx::Result<()> {
    let Some(server) = servers::postgres("the example with Postgres") else { return Ok(()) };
    let name = format!("example_postgres_once_{}", std::process::id());
    let mut administrator = PgConnection::connect(&server).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut administrator).await?;
    let (server, _) = server.rsplit_once('/').expect("the address has a database");
    let database = format!("{server}/{name}");
    let mut connection = PgConnection::connect(&database).await?;

    let example = start(&database);
    let joined = message("msg_joined", fixture("user.created"));
    assert_eq!(deliver(&example, &joined).outcome(), "processed");
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate");
    let nobody =
        message("msg_nobody", br#"{"data":{"deleted":true,"object":"user"},"type":"user.deleted"}"#.to_vec());
    assert_eq!(deliver(&example, &nobody).control.as_deref(), Some("abort-message"));
    for client in official_clients("receiving from the official clients") {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    end(example);

    // Another instance has the same memory, and a late event does not bring a user back.
    let example = start(&database);
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate");
    for (id, event) in [("msg_left", "user.deleted"), ("msg_late", "user.updated")] {
        assert_eq!(deliver(&example, &message(id, fixture(event))).outcome(), "processed");
    }
    end(example);

    let mails = "SELECT user_id FROM welcome_mails WHERE message_id = 'msg_joined'";
    let mails: Vec<(String,)> = sqlx::query_as(mails).fetch_all(&mut connection).await?;
    assert_eq!(mails, [("user_2fCjroEEruEbiXLF9UBxU3QkoiF".to_owned(),)]);
    let users = "SELECT id, email, deleted FROM users WHERE id LIKE 'user_2f%' ORDER BY id";
    let users: Vec<(String, Option<String>, bool)> = sqlx::query_as(users).fetch_all(&mut connection).await?;
    let gone = ("user_2fBkmKgUCEFemtHgwRx4W10XFE3".to_owned(), None, true);
    let there =
        ("user_2fCjroEEruEbiXLF9UBxU3QkoiF".to_owned(), Some("ada.lovelace@example.com".to_owned()), false);
    assert_eq!(users, [gone, there]);
    connection.close().await?;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
        .execute(&mut administrator)
        .await?;
    Ok(())
}

#[test]
fn a_missing_secret_is_said_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

fn start(database: &str) -> Receiver {
    Receiver::start(Command::new(PROGRAM).env("DATABASE_URL", database))
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
