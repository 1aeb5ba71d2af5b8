//! The example applies each message once and shows the tables, also after a restart.

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
fn sqlite_contains_the_delivered_objects() {
    check(&file("delivered"));
}

#[tokio::test]
async fn postgres_contains_the_delivered_objects() -> sqlx::Result<()> {
    with_database("one", |database| check(&database)).await
}

#[tokio::test]
async fn two_instances_start_at_the_same_time_and_share_a_database() -> sqlx::Result<()> {
    with_database("two", |database| {
        let [first, second] = thread::scope(|scope| {
            let starting = [(); 2].map(|()| scope.spawn(|| start(&database)));
            starting.map(|instance| instance.join().expect("both instances start on an empty database"))
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
fn the_official_clients_receive_the_expected_answers() {
    let example = start(&file("clients"));
    let clients = official_clients("receiving from the official clients");
    for client in &clients {
        let failures = client.failures(example.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    assert_eq!(page(&example)["deliveries"], clients.len() * Client::accepted());
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

#[test]
fn reports_an_invalid_variable_in_one_line_and_writes_no_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rejected-{}", std::process::id()));
    fs::create_dir(&folder).expect("the folder can be created");
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed = format!("postgres://ada:hunter@{}/app", closed.expect("a port is free"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("the listener has an address").port().to_string();
    let file = "DATABASE_URL must name a SQLite file";
    let kind = "DATABASE_URL must begin with postgres:// or sqlite:";
    for (name, value, message) in [
        ("CLERK_WEBHOOK_SIGNING_SECRET", "hunter", "CLERK_WEBHOOK_SIGNING_SECRET"),
        ("PORT", "abc", "PORT must be a number"),
        ("PORT", "65536", "PORT must be a number"),
        ("PORT", "", "PORT is empty"),
        ("DATABASE_URL", "", "DATABASE_URL is empty"),
        ("DATABASE_URL", "mysql://ada:hunter@127.0.0.1/app", kind),
        ("DATABASE_URL", "postgres:hunter", kind),
        ("DATABASE_URL", "postgres://ada:hunter#1@127.0.0.1/app", "%23"),
        ("DATABASE_URL", "postgres://ada:hunter/1@127.0.0.1/app", "Percent-encode"),
        ("DATABASE_URL", &closed, "DATABASE_URL: cannot connect to Postgres: error communicating"),
        ("DATABASE_URL", "sqlite:", file),
        ("DATABASE_URL", "sqlite::memory:", file),
        ("DATABASE_URL", "sqlite:%3Amemory%3A", file),
        ("DATABASE_URL", "sqlite:x.db?mode=memory", file),
        ("DATABASE_URL", "sqlite:x.db?mode=ro", file),
        ("DATABASE_URL", "sqlite:file:x.db", file),
        ("DATABASE_URL", "sqlite:%FF", file),
        ("DATABASE_URL", "sqlite:missing/x.db", "DATABASE_URL: cannot open or create the file missing/x.db"),
    ] {
        let mut program = Command::new(PROGRAM);
        program.current_dir(&folder).env("CLERK_WEBHOOK_SIGNING_SECRET", OTHER_SECRET).env("PORT", "0");
        let output = program.env(name, value).output().expect("the example starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{value}: {text}");
        assert!(text.contains(message) && text.contains(name), "{value}: {text}");
        assert!(text.lines().count() == 1 && !text.contains("hunter"), "{value}: {text}");
        let written = fs::read_dir(&folder).expect("the folder exists").count();
        assert_eq!(written, 0, "the example wrote a file with {value}");
    }

    let mut program = Command::new(PROGRAM);
    program.current_dir(&folder).env("CLERK_WEBHOOK_SIGNING_SECRET", OTHER_SECRET).env("PORT", &port);
    let output = program.env_remove("DATABASE_URL").output().expect("the example starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with(&format!("cannot listen on PORT={port}: ")), "{text}");
    fs::remove_dir_all(&folder).expect("the folder exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_page_delays_neither_deliveries_nor_the_health_check() -> sqlx::Result<()> {
    const PAGES: usize = 40;
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    with_database("slow", |database| {
        let example = start(&database);
        let waiting = |connection: &mut PgConnection| -> i64 {
            block_on(sqlx::query_scalar(WAITING).fetch_one(connection)).expect("Postgres lists the locks")
        };
        let mut locker = block_on(PgConnection::connect(&database)).expect("Postgres accepts connections");
        block_on(sqlx::raw_sql("BEGIN; LOCK TABLE clerk_permissions").execute(&mut locker))
            .expect("the table can be locked");
        thread::scope(|scope| {
            let pages = [(); PAGES].map(|()| scope.spawn(|| get(&example, "/").status));
            eventually("a page that waits for the lock", || (waiting(&mut locker) > 0).then_some(()));
            for count in 0..20 {
                let joined = message(&format!("msg_{count}"), "user.created");
                assert_eq!(deliver(&example, &joined).status, 200);
                assert_eq!(get(&example, "/health").status, 200);
            }
            assert_eq!(waiting(&mut locker), 1, "one query must serve all requests");
            block_on(sqlx::raw_sql("COMMIT").execute(&mut locker)).expect("the lock can be released");
            assert_eq!(pages.map(|page| page.join().expect("the page is answered")), [200; PAGES]);
        });
    })
    .await
}

#[tokio::test]
async fn a_dropped_database_is_answered_with_503() -> sqlx::Result<()> {
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

    // The deletion arrives before the update, and one message arrives twice.
    let joined = message("msg_joined", "user.created");
    for (message, outcome) in [
        (&about("user_2fBkmKgUCEFemtHgwRx4W10XFE3", "msg_left", "user.deleted"), "processed"),
        (&about("user_2fBkmKgUCEFemtHgwRx4W10XFE3", "msg_late", "user.updated"), "processed"),
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
    assert_eq!(page(&example), shown, "the rows must survive a restart");
    assert_eq!(deliver(&example, &joined).outcome(), "duplicate", "the mark must survive a restart");
    end(example);
}

/// Returns the page with these numbers of users, organizations, memberships and tombstones, and with these
/// rows.
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

/// Returns the current page. Its rows are sorted by kind and id, and contain no `synced_at`.
fn page(example: &Receiver) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time is after 1970").as_millis();
    // The page is cached, so wait for a page that was created after this call.
    let mut page = eventually("a page that was created after this call", || {
        let answer = get(example, "/");
        assert_eq!(answer.status, 200, "{}", answer.body);
        for personal in ["Ada", "ada", "Lovelace", "@", "Cirey"] {
            assert!(!answer.body.contains(personal), "{}", answer.body);
        }
        let mut page: Value = serde_json::from_str(&answer.body).expect("the page is JSON");
        let as_of = page.as_object_mut().and_then(|page| page.remove("as_of"));
        (u128::from(as_of?.as_u64()?) > now).then_some(page)
    });
    let latest = page["latest"].as_array_mut().expect("`latest` is a list");
    let written = |row: &Value| row["synced_at"].as_u64().expect("`synced_at` is a time");
    assert!(latest.is_sorted_by_key(|row| std::cmp::Reverse(written(row))), "the newest row must be first");
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

/// Returns the URL of a SQLite file that does not exist yet.
fn file(name: &str) -> String {
    let name = format!("sync-server-{}-{name}.db", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    assert!(!path.exists());
    format!("sqlite:{}", path.display())
}

/// Runs a test with an empty Postgres database, and then removes the database.
async fn with_database(name: &str, test: impl FnOnce(String)) -> sqlx::Result<()> {
    let Some(server) = servers::postgres("the example with Postgres") else { return Ok(()) };
    let name = format!("example_sync_server_{}_{name}", std::process::id());
    let mut administrator = PgConnection::connect(&server).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut administrator).await?;
    let (server, _) = server.rsplit_once('/').expect("the URL contains a database");
    test(format!("{server}/{name}"));
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
        .execute(&mut administrator)
        .await
        .map(drop)
}

/// Waits for Postgres in synchronous code.
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
