//! The checks of the start, with their messages and exit codes.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, FakeBackendApi, fixture};
use clerk_webhook_tests::servers;
use sqlx::AssertSqlSafe;

use super::sweeps::{clerk, history};
use super::{Database, Server};
use crate::support::PATIENCE;
use crate::support::clerk::Clerk;
use crate::support::listener::lines;
use crate::support::process::{command, finish, send_signal};
use crate::support::server::closed_port;

/// Runs a server that must not start, and returns the last line of its log.
#[track_caller]
pub(super) fn refused(command: &mut Command, code: i32) -> String {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = lines(process.stderr.take().unwrap());
    let mut seen = Vec::new();
    let is_running = loop {
        match log.recv_timeout(PATIENCE) {
            Ok(line) if line.contains("accepting deliveries") => break true,
            Ok(line) => seen.push(line),
            Err(error) => break error == RecvTimeoutError::Timeout,
        }
    };
    if is_running {
        process.kill().unwrap();
    }
    assert_eq!(process.wait().unwrap().code(), Some(code), "{seen:?}");
    let last = seen.last().and_then(|line| line.strip_prefix("error: "));
    last.unwrap_or_else(|| panic!("{seen:?}")).to_owned()
}

async fn execute(database: &Database, statements: &str) {
    let statements = statements.replace("{schema}", &database.schema);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(database.postgres.as_ref().unwrap()).await.unwrap();
}

#[test]
fn refuses_a_folder_that_cannot_hold_the_file() {
    let database = Database::sqlite("folder");
    let url = |url: &str| {
        let mut command = database.command();
        command.env("DATABASE_URL", url);
        command
    };
    // No user can create a file in this folder.
    let message = refused(&mut url("sqlite:/sys/app.db"), 3);
    assert!(message.starts_with("/sys is not writable by uid "), "{message}");
    assert!(message.ends_with(". Change its owner, or use a named volume."), "{message}");
    let message = refused(&mut url("sqlite:missing/app.db"), 2);
    assert!(message.starts_with("missing cannot be used: "), "{message}");
    let message = refused(&mut url("sqlite:."), 2);
    assert_eq!(message, ". is a folder. Use the path of the SQLite file.");
}

#[test]
fn waits_for_postgres_as_long_as_it_should() {
    let database = Database::sqlite("refused");
    let address = closed_port();
    let mut command = database.command();
    command.env("DATABASE_URL", format!("postgres://user:hidden@{address}/app")).args(["--db-wait", "1s"]);
    let began = Instant::now();
    let message = refused(&mut command, 3);
    assert_eq!(
        message,
        format!("Postgres at {address} refused connections for 1 s. Start it, or raise --db-wait.")
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_signal_ends_the_wait_for_postgres() {
    let database = Database::sqlite("waiting");
    let mut command = database.command();
    let url = format!("postgres://user:hidden@{}/app", closed_port());
    command.env("DATABASE_URL", url).args(["--db-wait", "1h"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let log = lines(process.stderr.take().unwrap());
    log.recv_timeout(PATIENCE).unwrap();
    send_signal("TERM", process.id());
    assert_eq!(process.wait().unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_when_postgres_starts_later() {
    let Some(postgres) = servers::Postgres::start("a late start of serve") else { return };
    let database = Database::postgres_at(&postgres.url(), "late").await;
    postgres.kill();
    let mut process = database.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = lines(process.stderr.take().unwrap());
    let wait = |message: &str| {
        while !log.recv_timeout(PATIENCE).expect(message).contains(message) {}
    };
    wait("waiting for Postgres");
    postgres.restart();
    wait("accepting deliveries");
    process.kill().unwrap();
    process.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_weakens_the_verification_of_the_certificate() {
    let Some(database) = Database::postgres("verify_full").await else { return };
    for mode in ["verify-full", "verify-ca", "require"] {
        let separator = if database.url.contains('?') { '&' } else { '?' };
        let mut command = database.command();
        command.env("DATABASE_URL", format!("{}{separator}sslmode={mode}", database.url));
        let began = Instant::now();
        let message = refused(&mut command, 3);
        assert!(message.contains("the TLS connection failed"), "{mode}: {message}");
        // The server will not support TLS later, so there is nothing to wait for.
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(schemas(&database).await, 0);
}

async fn schemas(database: &Database) -> i64 {
    let count = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1";
    sqlx::query_scalar(count)
        .bind(&database.schema)
        .fetch_one(database.postgres.as_ref().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_tables_of_another_version() {
    let Some(database) = Database::postgres("versions").await else { return };
    let schema = &database.schema;
    let without_migration = || {
        let mut command = database.command();
        command.env_remove("CLERK_WEBHOOK_MIGRATE");
        command
    };
    let message = refused(&mut without_migration(), 4);
    let begin = format!("Schema {schema} is at version 0, this version needs ");
    let end = format!(". Run: clerk-webhook db migrate --schema {schema}");
    assert!(message.starts_with(&begin) && message.ends_with(&end), "{message}");
    assert_eq!(schemas(&database).await, 0);

    for word in ["created", "unchanged"] {
        let mut migrate = command();
        migrate.env("DATABASE_URL", &database.url).args(["db", "migrate", "--schema", schema]);
        let run = finish(&mut migrate, b"");
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains(word), "{run:?}");
    }
    let server = Server::start(&mut without_migration());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);
    drop(server);

    execute(&database, "DROP TABLE {schema}.webhook_delivery").await;
    let message = refused(&mut without_migration(), 4);
    assert_eq!(
        message,
        format!(
            "Schema {schema} lacks tables of the server. Run: clerk-webhook db migrate --schema {schema}"
        )
    );

    execute(&database, "INSERT INTO {schema}.sync_schema (version) VALUES (99)").await;
    for mut command in [without_migration(), database.command()] {
        let message = refused(&mut command, 4);
        let begin = format!("Schema {schema} is at version 99, newer than ");
        assert!(message.starts_with(&begin) && message.ends_with(". Upgrade clerk-webhook."), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_migration_ends_the_process_before_it_listens() {
    let Some(database) = Database::postgres("migration").await else { return };
    execute(&database, "CREATE SCHEMA {schema}; CREATE VIEW {schema}.users AS SELECT 1 AS id").await;
    let address = closed_port();
    let mut command = database.command();
    let message = refused(command.env("CLERK_WEBHOOK_LISTEN", address.to_string()), 4);
    assert!(message.starts_with("cannot update the tables of schema test_serve_migration: "), "{message}");
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_can_migrate_at_the_same_time() {
    let Some(database) = Database::postgres("both").await else { return };
    std::thread::scope(|scope| {
        let started = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut command = database.command();
                Server::start(command.env("CLERK_WEBHOOK_FORWARD_TO", "http://127.0.0.1:1/"))
            })
        });
        for server in started {
            assert_eq!(server.join().unwrap().admin("/readyz", "").status, 200);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_the_secret_key() {
    let database = Database::sqlite("key");
    let clerk = clerk(&history(3)).await;
    let mut command = database.command_with(&clerk.url);
    let message = refused(command.env("CLERK_SECRET_KEY", format!("sk_test_{}", "B".repeat(42))), 2);
    assert_eq!(message, "Clerk rejected CLERK_SECRET_KEY (401). Copy the secret key from the Dashboard.");

    // Without an answer, the server starts, and the sweep asks again.
    let url = format!("http://{}/v1", closed_port());
    let mut command = database.command_with(&url);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = lines(process.stderr.take().unwrap());
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.contains("accepting deliveries")) {
        seen.push(log.recv_timeout(PATIENCE).unwrap());
    }
    assert!(seen.iter().any(|line| line.contains("could not check CLERK_SECRET_KEY")), "{seen:?}");
    process.kill().unwrap();
    process.wait().unwrap();
}

async fn refuses_another_instance(database: Database) {
    let history = history(5);
    let first = Clerk::start(FakeBackendApi::new(&history).with_instance_id("ins_first")).await;
    let other = Clerk::start(FakeBackendApi::new(&history).with_instance_id("ins_other")).await;
    let server = Server::start(&mut database.command_with(&first.url));
    server.line("sweep finished");
    assert_eq!(server.status()["instance_id"], "ins_first");
    drop(server);

    let message = refused(&mut database.command_with(&other.url), 5);
    assert_eq!(
        message,
        "CLERK_SECRET_KEY belongs to ins_other, these tables hold ins_first. Use the key of ins_first, or another --schema."
    );
    let message = refused(database.command_with(&first.url).args(["--instance", "ins_other"]), 5);
    assert!(
        message.starts_with("CLERK_SECRET_KEY belongs to ins_first, --instance is ins_other."),
        "{message}"
    );
    let message = refused(database.command().args(["--instance", "ins_other"]), 5);
    assert!(message.starts_with("--instance is ins_other, these tables hold ins_first."), "{message}");

    // Without the key, the tables still know the instance.
    let server = database.serve();
    for (id, instance, outcome) in [("msg_1", "ins_first", "processed"), ("msg_2", "ins_other", "ignored")] {
        let delivery = Delivery::of(fixture::user_created()).set("/instance_id", instance).id(id);
        let answer = server.deliver(&delivery);
        assert_eq!((answer.status, answer.json()["outcome"].as_str()), (200, Some(outcome)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_another_instance_in_sqlite() {
    refuses_another_instance(Database::sqlite("instance")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_another_instance_in_postgres() {
    let Some(database) = Database::postgres("instance").await else { return };
    refuses_another_instance(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_changes_nothing() {
    let database = Database::sqlite("check");
    let clerk = clerk(&history(3)).await;
    let run = finish(database.command_with(&clerk.url).arg("--check"), b"");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "The configuration and the database are ready.\n"),
        "{run:?}"
    );
    assert_eq!(database.folder.names(), Vec::<String>::new());

    let Some(database) = Database::postgres("check").await else { return };
    let run = finish(database.command().args(["--check", "--json"]), b"");
    assert_eq!((run.code, run.stdout.as_str()), (0, "{\"result\":\"ok\"}\n"), "{run:?}");
    assert_eq!(schemas(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_a_forward_whose_tables_belong_to_another_role() {
    const ROLE: &str = "test_serve_forward_rights";
    let Some(database) = Database::postgres("rights").await else { return };
    let forward = ["--forward-to", "http://127.0.0.1:9/"];
    // Creates the tables, as their owner.
    drop(Server::start(database.command().args(forward)));
    let rights = format!(
        "DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE ON SCHEMA {{schema}}, {{schema}}_worker TO {ROLE};
         GRANT ALL ON ALL TABLES IN SCHEMA {{schema}}, {{schema}}_worker TO {ROLE};"
    );
    execute(&database, &rights).await;
    let url = database.url.replace("postgres://postgres@", &format!("postgres://{ROLE}@"));
    assert_ne!(url, database.url);
    let command = || {
        let mut command = database.command();
        command.env("DATABASE_URL", &url).env("CLERK_WEBHOOK_MIGRATE", "false");
        command
    };
    let message = refused(command().args(forward), 4);
    assert!(message.contains("_worker belongs to another role"), "{message}");
    // Without the forward, the rights suffice.
    let server = Server::start(&mut command());
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    drop(server);
    execute(&database, &format!("DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")).await;
}
