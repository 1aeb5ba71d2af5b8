//! The example writes what it is sent into its tables, each message once, and shows it, also after a restart.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clerk_webhook::test::Delivery;
use clerk_webhook_tests::clients::{Client, Example, official_clients};
use clerk_webhook_tests::process::{Receiver, eventually};
use clerk_webhook_tests::sender::{Answer, Message, attempt, request};
use clerk_webhook_tests::{OTHER_SECRET, fixture, servers};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sync-server");
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn sqlite_has_what_was_delivered() {
    check(&file("delivered"));
}

#[tokio::test]
async fn postgres_has_what_was_delivered() -> sqlx::Result<()> {
    with_database("one", |database| check(&database)).await
}

#[tokio::test]
async fn two_instances_begin_at_once_and_share_a_database() -> sqlx::Result<()> {
    with_database("two", |database| {
        let [first, second] = thread::scope(|scope| {
            let starting = [(); 2].map(|()| scope.spawn(|| start(&database)));
            starting.map(|instance| instance.join().expect("both start on an empty database"))
        });
        let joined = message("msg_joined", "user.created");
        assert_eq!(deliver(&first, &joined).outcome(), "processed");
        assert_eq!(deliver(&second, &joined).outcome(), "duplicate");
        assert_eq!(page(&first), page(&second));
        assert_eq!(page(&second)["live"]["users"], 1);
    })
    .await
}

#[test]
fn the_official_clients_are_answered_right() {
    let example = start(&file("clients"));
    let clients = official_clients("receiving from the official clients");
    for client in &clients {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    assert_eq!(page(&example)["deliveries"], clients.len() * Client::accepted());
}

#[test]
fn a_missing_secret_is_said_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

#[test]
fn a_wrong_variable_is_said_in_one_line_and_nothing_is_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refused-{}", std::process::id()));
    fs::create_dir(&folder).expect("there was none");
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed = format!("postgres://ada:hunter@{}/app", closed.expect("a port is free"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    let file = "DATABASE_URL names a file of SQLite";
    let kind = "DATABASE_URL begins with postgres:// or sqlite:";
    for (name, value, said) in [
        ("CLERK_WEBHOOK_SIGNING_SECRET", "hunter", "CLERK_WEBHOOK_SIGNING_SECRET"),
        ("PORT", "abc", "PORT is a number"),
        ("PORT", "65536", "PORT is a number"),
        ("PORT", "", "PORT is empty"),
        ("DATABASE_URL", "", "DATABASE_URL is empty"),
        ("DATABASE_URL", "mysql://ada:hunter@127.0.0.1/app", kind),
        ("DATABASE_URL", "postgres:hunter", kind),
        ("DATABASE_URL", "postgres://ada:hunter#1@127.0.0.1/app", "%23"),
        ("DATABASE_URL", "postgres://ada:hunter/1@127.0.0.1/app", "percent-encoded"),
        ("DATABASE_URL", &closed, "DATABASE_URL: no connection to Postgres: error communicating"),
        ("DATABASE_URL", "sqlite:", file),
        ("DATABASE_URL", "sqlite::memory:", file),
        ("DATABASE_URL", "sqlite:%3Amemory%3A", file),
        ("DATABASE_URL", "sqlite:x.db?mode=memory", file),
        ("DATABASE_URL", "sqlite:x.db?mode=ro", file),
        ("DATABASE_URL", "sqlite:file:x.db", file),
        ("DATABASE_URL", "sqlite:%FF", file),
        ("DATABASE_URL", "sqlite:missing/x.db", "DATABASE_URL: the file missing/x.db cannot be opened"),
    ] {
        let mut program = Command::new(PROGRAM);
        program.current_dir(&folder).env("CLERK_WEBHOOK_SIGNING_SECRET", OTHER_SECRET).env("PORT", "0");
        let output = program.env(name, value).output().expect("the example starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{value}: {text}");
        assert!(text.contains(said) && text.contains(name), "{value}: {text}");
        assert!(text.lines().count() == 1 && !text.contains("hunter"), "{value}: {text}");
        let written = fs::read_dir(&folder).expect("it is there").count();
        assert_eq!(written, 0, "{value} has left a file");
    }

    let mut program = Command::new(PROGRAM);
    program.current_dir(&folder).env("CLERK_WEBHOOK_SIGNING_SECRET", OTHER_SECRET).env("PORT", &port);
    let output = program.env_remove("DATABASE_URL").output().expect("the example starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with(&format!("PORT={port} cannot be listened on: ")), "{text}");
    fs::remove_dir_all(&folder).expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_page_holds_up_neither_deliveries_nor_the_health() -> sqlx::Result<()> {
    const PAGES: usize = 40;
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    with_database("slow", |database| {
        let example = start(&database);
        let waiting = |connection: &mut PgConnection| -> i64 {
            block_on(sqlx::query_scalar(WAITING).fetch_one(connection)).expect("Postgres says who waits")
        };
        let mut locker = block_on(PgConnection::connect(&database)).expect("Postgres is there");
        block_on(sqlx::raw_sql("BEGIN; LOCK TABLE clerk_permissions").execute(&mut locker))
            .expect("it is locked");
        thread::scope(|scope| {
            let pages = [(); PAGES].map(|()| scope.spawn(|| get(&example, "/").status));
            eventually("a page that waits", || (waiting(&mut locker) > 0).then_some(()));
            for count in 0..20 {
                let joined = message(&format!("msg_{count}"), "user.created");
                assert_eq!(deliver(&example, &joined).status, 200);
                assert_eq!(get(&example, "/health").status, 200);
            }
            assert_eq!(waiting(&mut locker), 1, "one asks for all of them");
            block_on(sqlx::raw_sql("COMMIT").execute(&mut locker)).expect("it is unlocked");
            assert_eq!(pages.map(|page| page.join().expect("it is answered")), [200; PAGES]);
        });
    })
    .await
}

#[tokio::test]
async fn a_database_that_is_gone_is_unavailable() -> sqlx::Result<()> {
    let mut example = None;
    with_database("gone", |database| {
        let started = start(&database);
        assert_eq!(get(&started, "/health").status, 200);
        example = Some(started);
    })
    .await?;
    if let Some(example) = example {
        for path in ["/health", "/"] {
            assert_eq!(get(&example, path).status, 503, "{path}");
        }
    }
    Ok(())
}

fn check(database: &str) {
    let example = start(database);
    assert_eq!(page(&example), expected([0, 0, 0, 0], 0, Vec::new()));

    // The deletion comes first, and a message twice.
    let joined = message("msg_joined", "user.created");
    for (message, outcome) in [
        (&message("msg_left", "user.deleted"), "processed"),
        (&message("msg_late", "user.updated"), "processed"),
        (&joined, "processed"),
        (&joined, "duplicate"),
        (&message("msg_founded", "organization.created"), "processed"),
        (&message("msg_member", "organizationMembership.created"), "processed"),
        (&message("msg_code", "email.created"), "processed"),
    ] {
        assert_eq!(deliver(&example, message).outcome(), outcome, "{}", message.id);
    }
    let organization = Delivery::of_body(fixture("organization.updated"));
    for forged in [organization.clone().altered(), organization.clone().stale(), organization.wrong_secret()]
    {
        let answer = request("POST", example.url(), forged.headers(), &forged.body(), PATIENCE);
        assert_eq!(answer.expect("the example answers").status, 400);
    }
    let row = |kind: &str, id: &str, changed_at: i64, deleted: bool| json!([kind, id, changed_at, deleted]);
    let rows = vec![
        row("membership", "orgmem_2fBpvUceFtASw1cGfFtacJj8gtN", 1_759_999_996_000, false),
        row("organization", "org_2fAEkmnavwQ9yMAqNXXcDlCP54D", 1_759_999_995_000, false),
        row("user", "user_2fBkmKgUCEFemtHgwRx4W10XFE3", 1_760_086_400_000, true),
        row("user", "user_2fCjroEEruEbiXLF9UBxU3QkoiF", 1_760_000_000_000, false),
    ];
    let shown = page(&example);
    assert_eq!(shown, expected([1, 1, 1, 1], 6, rows));
    let health = get(&example, "/health");
    assert_eq!((health.status, health.body.as_str()), (200, "ok"));
    end(example);

    let example = start(database);
    assert_eq!(page(&example), shown, "a restart loses nothing");
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate", "a restart forgets nothing");
    end(example);
}

/// Returns the page where so many users, organizations, memberships and tombstones are there, with these rows.
fn expected(
    [users, organizations, memberships, tombstones]: [u64; 4],
    deliveries: u64,
    latest: Vec<Value>,
) -> Value {
    let live = json!({
        "users": users, "organizations": organizations, "memberships": memberships,
        "invitations": 0, "domains": 0, "roles": 0, "permissions": 0,
    });
    json!({ "live": live, "tombstones": tombstones, "deliveries": deliveries, "latest": latest })
}

/// Returns what the page shows now. The rows are in the order of kind and id, without the time at which they were written.
fn page(example: &Receiver) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    // The page is kept for a while.
    let mut page = eventually("a page of now", || {
        let answer = get(example, "/");
        assert_eq!(answer.status, 200, "{}", answer.body);
        for personal in ["Ada", "ada", "Lovelace", "@", "Cirey"] {
            assert!(!answer.body.contains(personal), "{}", answer.body);
        }
        let mut page: Value = serde_json::from_str(&answer.body).expect("the page is JSON");
        let as_of = page.as_object_mut().and_then(|page| page.remove("as_of"));
        (u128::from(as_of?.as_u64()?) > now).then_some(page)
    });
    let latest = page["latest"].as_array_mut().expect("there is a list");
    let written = |row: &Value| row["synced_at"].as_u64().expect("it is a time");
    assert!(latest.is_sorted_by_key(|row| std::cmp::Reverse(written(row))), "the newest row comes first");
    for row in latest.iter_mut() {
        *row = json!([row["kind"], row["id"], row["changed_at"], row["deleted"]]);
    }
    latest.sort_by_key(Value::to_string);
    page
}

fn get(example: &Receiver, path: &str) -> Answer {
    let url = example.url().replace("/webhooks/clerk", path);
    request("GET", &url, [("Accept", "*/*")], b"", PATIENCE).expect("the example answers")
}

/// Returns the address of a file that is not there yet.
fn file(name: &str) -> String {
    let name = format!("sync-server-{}-{name}.db", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    assert!(!path.exists());
    format!("sqlite:{}", path.display())
}

/// Runs something with an empty database of Postgres, and removes that.
async fn with_database(name: &str, what: impl FnOnce(String)) -> sqlx::Result<()> {
    let Some(server) = servers::postgres("the example with Postgres") else { return Ok(()) };
    let name = format!("example_sync_server_{}_{name}", std::process::id());
    let mut administrator = PgConnection::connect(&server).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut administrator).await?;
    let (server, _) = server.rsplit_once('/').expect("the address has a database");
    what(format!("{server}/{name}"));
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
        .execute(&mut administrator)
        .await
        .map(drop)
}

/// Waits for Postgres where other threads wait for the example.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

fn start(database: &str) -> Receiver {
    Receiver::start(Command::new(PROGRAM).env("DATABASE_URL", database))
}

fn deliver(example: &Receiver, message: &Message) -> Answer {
    attempt(example.url(), message, PATIENCE).expect("the example answers")
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

fn message(id: &str, event: &str) -> Message {
    Message { id: id.parse().expect("it is an id"), body: fixture(event) }
}
