//! `clerk-webhook scenario --expect-sync` compares a database with the state at Clerk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::post_service;
use clerk_webhook_core::{Handlers, Verifier};
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use clerk_webhook_test::{History, ObjectKind, Truth};
use clerk_webhook_test::{SECRET, Scenario};
use clerk_webhook_tests::servers;
use clerk_webhook_tower::WebhookService;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::net::TcpListener;

use crate::support::scenario::{objects, scenario, unread};

/// Returns the path of this test's database file. Removes an existing file.
fn file(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sync-{test}.db"));
    for end in ["", "-wal", "-shm"] {
        let mut path = path.clone().into_os_string();
        path.push(end);
        // The file usually does not exist.
        let _ = std::fs::remove_file(path);
    }
    path
}

/// Creates an SQLite database in WAL mode, like the store, and returns its pool and URL.
async fn sqlite(test: &str) -> (SqlitePool, String) {
    let path = file(test);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.journal_mode(SqliteJournalMode::Wal))
        .await
        .unwrap();
    (pool, format!("sqlite:{}", path.display()))
}

/// Creates an empty schema in Postgres, and returns its pool, URL and name. Returns `None` without a server.
async fn postgres(test: &str) -> Option<(PgPool, String, String)> {
    let url = servers::postgres(test)?;
    let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap();
    let schema = format!("test_cli_{test}");
    let statements = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.unwrap();
    Some((pool, url, schema))
}

/// Starts an endpoint that syncs events, and returns its URL and its number of requests.
async fn serve<DB: SyncDatabase>(sync: &ClerkSync<DB>) -> (String, Arc<AtomicUsize>) {
    sync.migrate().await.unwrap();
    let handlers = Handlers::builder().otherwise(sync.handler()).build().unwrap();
    let verified = WebhookService::new(handlers, ()).verified(Verifier::new(SECRET).unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let count = move |request: Request, next: Next| {
        counted.fetch_add(1, Ordering::Relaxed);
        next.run(request)
    };
    let router = Router::new().fallback_service(post_service(verified)).layer(middleware::from_fn(count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/clerk", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, requests)
}

const HISTORY: &str = "all --seed 7 --events 600";

fn truth() -> Truth {
    History::builder().scenario(Scenario::All).seed(7).events(600).build().truth()
}

/// Sends the history shuffled and with duplicates, and asserts that the tables match the state at Clerk.
async fn fill<DB: SyncDatabase>(sync: &ClerkSync<DB>, arguments: &str) {
    let (to, requests) = serve(sync).await;
    let (code, objects) =
        objects(&format!("{HISTORY} --shuffle --duplicate 2 --concurrency 4 --retry --to {to} {arguments}"));
    let report = objects.last().unwrap();
    assert_eq!((code, &report["type"], &report["equal"]), (0, &"sync".into(), &true.into()), "{report:#}");
    assert_eq!(objects[objects.len() - 2]["type"], "summary");
    assert!(requests.load(Ordering::Relaxed) >= 1200);
    let tables = report["tables"].as_array().unwrap();
    for table in tables {
        let counts = ["missing", "surplus", "differing"].map(|name| table[name].as_u64().unwrap());
        assert_eq!((&table["expected"], counts), (&table["found"], [0; 3]), "{table}");
    }
    let expected = |table: &str, state: &str| {
        let found = tables.iter().find(|other| other["table"] == table && other["state"] == state);
        found.unwrap()["expected"].as_u64().unwrap() as usize
    };
    let truth = truth();
    for (table, kind) in [
        ("users", ObjectKind::User),
        ("organizations", ObjectKind::Organization),
        ("memberships", ObjectKind::OrganizationMembership),
        ("invitations", ObjectKind::OrganizationInvitation),
        ("domains", ObjectKind::OrganizationDomain),
        ("roles", ObjectKind::Role),
        ("permissions", ObjectKind::Permission),
    ] {
        assert_eq!(expected(table, "live"), truth.live(kind).len(), "{table}");
        assert_eq!(expected(table, "deleted"), truth.deleted(kind).len(), "{table}");
        assert!(!truth.live(kind).is_empty(), "{table}");
    }
    for part in ["user_emails", "user_phone_numbers", "user_external_accounts"] {
        assert!(expected(part, "live") > 0, "{part}");
    }
    assert_eq!(tables.len(), 24);
    assert!(expected("invitations", "hidden") > 0);

    let output = scenario(&format!("{HISTORY} {arguments}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("equal: the tables match the final state of the history\n"), "{text}");
    assert!(!text.contains("delivered"), "sent deliveries without --to: {text}");
}

/// Changes to the tables, and the differences that must be reported: table, state, id, kind, columns.
struct Damage {
    statements: Vec<String>,
    reported: BTreeSet<(String, String, String, String, String)>,
}

impl Damage {
    fn note(&mut self, table: &str, state: &str, id: &str, what: &str, columns: Value) {
        let texts = [table, state, id, what].map(str::to_owned);
        let [table, state, id, what] = texts;
        self.reported.insert((table, state, id, what, columns.to_string()));
    }

    /// Creates at least one change for each kind of difference.
    fn new(truth: &Truth, prefix: &str) -> Self {
        let live = |kind: ObjectKind| truth.live(kind).iter().map(|(id, data)| (id.as_str(), data));
        let deleted =
            |kind: ObjectKind, place: usize| truth.deleted(kind).keys().nth(place).unwrap().as_str();
        let mut damage = Self { statements: Vec::new(), reported: BTreeSet::new() };
        let mut users = live(ObjectKind::User);
        let mut run = |statement: String| damage.statements.push(statement);
        let hidden = |column: &str| json!([{ "column": column }]);
        let mut reported: Vec<(&str, &str, String, &str, Value)> = Vec::new();

        let (id, _) = users.next().unwrap();
        run(format!("DELETE FROM {prefix}users WHERE id = '{id}'"));
        reported.push(("users", "live", id.to_owned(), "missing", json!([])));
        let (id, _) = users.next().unwrap();
        run(format!("UPDATE {prefix}users SET first_name = 'Mallory' WHERE id = '{id}'"));
        reported.push(("users", "live", id.to_owned(), "differs", hidden("first_name")));
        let (id, user) = users.next().unwrap();
        run(format!("UPDATE {prefix}users SET banned = NOT banned WHERE id = '{id}'"));
        let banned = user["banned"].as_bool().unwrap();
        let columns = json!([{ "column": "banned", "expected": banned, "found": !banned }]);
        reported.push(("users", "live", id.to_owned(), "differs", columns));

        let (id, email) = users
            .clone()
            .find_map(|(id, user)| Some((id, user["email_addresses"].get(0)?["id"].as_str()?)))
            .unwrap();
        run(format!("UPDATE {prefix}user_emails SET email = 'mallory@example.com' WHERE id = '{email}'"));
        reported.push(("user_emails", "live", format!("{id} {email}"), "differs", hidden("email")));
        let (id, phone) =
            users.find_map(|(id, user)| Some((id, user["phone_numbers"].get(0)?["id"].as_str()?))).unwrap();
        run(format!("DELETE FROM {prefix}user_phone_numbers WHERE id = '{phone}'"));
        reported.push(("user_phone_numbers", "live", format!("{id} {phone}"), "missing", json!([])));

        let id = deleted(ObjectKind::User, 0);
        run(format!("UPDATE {prefix}users SET last_name = 'Mallory' WHERE id = '{id}'"));
        reported.push(("users", "deleted", id.to_owned(), "differs", hidden("last_name")));
        let id = deleted(ObjectKind::User, 1);
        run(format!(
            "INSERT INTO {prefix}user_emails VALUES ('{id}', 'idn_1', 'mallory@example.com', true, true)"
        ));
        reported.push(("user_emails", "live", format!("{id} idn_1"), "undeleted", json!([])));

        // A table can contain invalid ids. Two keys that contain spaces must not look like one.
        for (owner, email) in [("Ada Mallory", "x"), ("Ada", "Mallory x"), ("ada_1", "mallory@example.com")] {
            run(format!("INSERT INTO {prefix}user_emails VALUES ('{owner}', '{email}', 'x', true, true)"));
        }
        reported.push(("user_emails", "live", "? x".to_owned(), "surplus", json!([])));
        reported.push(("user_emails", "live", "Ada ?".to_owned(), "surplus", json!([])));
        reported.push(("user_emails", "live", "ada_1 ?".to_owned(), "surplus", json!([])));

        // A tombstone without its user, and objects with another order.
        let id = deleted(ObjectKind::OrganizationMembership, 1);
        run(format!("UPDATE {prefix}memberships SET user_id = NULL WHERE id = '{id}'"));
        reported.push(("memberships", "deleted", id.to_owned(), "differs", hidden("user_id")));
        let id = deleted(ObjectKind::User, 2);
        run(format!("UPDATE {prefix}users SET obs_rank = 1, tie = 'x', created_at = 1 WHERE id = '{id}'"));
        let columns = json!([
            { "column": "obs_rank", "expected": 9, "found": 1 },
            { "column": "tie" },
            { "column": "created_at", "expected": null, "found": 1 },
        ]);
        reported.push(("users", "deleted", id.to_owned(), "differs", columns));
        let (id, _) = live(ObjectKind::Role).next().unwrap();
        run(format!("UPDATE {prefix}roles SET obs_rank = 3 WHERE id = '{id}'"));
        let columns = json!([{ "column": "obs_rank", "expected": 1, "found": 3 }]);
        reported.push(("roles", "live", id.to_owned(), "differs", columns));

        // Rows that no view shows: a copy of a foreign user, and rows of a deleted organization.
        run(format!(
            "INSERT INTO {prefix}users (id, obs_rank, updated_at, event_at, tie, first_name, synced_at) \
             VALUES ('user_mine', 0, 1, 1, '', 'Mallory', 1)"
        ));
        reported.push(("users", "hidden", "user_mine".to_owned(), "surplus", json!([])));
        let organization = deleted(ObjectKind::Organization, 0);
        for (table, column, id) in [
            ("memberships", "role", "orgmem_mine"),
            ("invitations", "email_address", "orginv_mine"),
            ("domains", "name", "orgdmn_mine"),
        ] {
            run(format!(
                "INSERT INTO {prefix}{table} (id, obs_rank, updated_at, event_at, tie, organization_id, {column}, synced_at) \
                 VALUES ('{id}', 1, 1, 1, '', '{organization}', 'mallory@example.com', 1)"
            ));
            reported.push((table, "hidden", id.to_owned(), "surplus", json!([])));
        }

        let id = deleted(ObjectKind::OrganizationMembership, 0);
        let at = truth.deleted_memberships()[id].as_millis();
        run(format!("UPDATE {prefix}memberships SET deleted_at = deleted_at - 1 WHERE id = '{id}'"));
        let columns = json!([{ "column": "deleted_at", "expected": at, "found": at - 1 }]);
        reported.push(("memberships", "deleted", id.to_owned(), "differs", columns));
        let (id, data) = live(ObjectKind::OrganizationMembership).next().unwrap();
        run(format!(
            "UPDATE {prefix}memberships SET updated_at = updated_at - 1, permissions = '[]' WHERE id = '{id}'"
        ));
        let at = data["updated_at"].as_i64().unwrap();
        let columns =
            json!([{ "column": "updated_at", "expected": at, "found": at - 1 }, { "column": "permissions" }]);
        reported.push(("memberships", "live", id.to_owned(), "differs", columns));

        let (id, _) = live(ObjectKind::Organization).next().unwrap();
        run(format!(r#"UPDATE {prefix}organizations SET raw = '{{"id":"{id}"}}' WHERE id = '{id}'"#));
        reported.push(("organizations", "live", id.to_owned(), "differs", hidden("raw")));
        let (id, data) = live(ObjectKind::OrganizationInvitation).next().unwrap();
        let status = if data["status"] == "revoked" { "accepted" } else { "revoked" };
        run(format!("UPDATE {prefix}invitations SET status = '{status}' WHERE id = '{id}'"));
        let columns = json!([{ "column": "status", "expected": data["status"], "found": status }]);
        reported.push(("invitations", "live", id.to_owned(), "differs", columns));
        // An unknown status may be personal data, so it is not shown.
        let (id, _) = live(ObjectKind::OrganizationInvitation).nth(1).unwrap();
        run(format!("UPDATE {prefix}invitations SET status = 'mallory' WHERE id = '{id}'"));
        reported.push(("invitations", "live", id.to_owned(), "differs", hidden("status")));
        let (id, _) = live(ObjectKind::OrganizationDomain).next().unwrap();
        run(format!("UPDATE {prefix}domains SET deleted_at = 1 WHERE id = '{id}'"));
        reported.push(("domains", "live", id.to_owned(), "missing", json!([])));
        reported.push(("domains", "deleted", id.to_owned(), "surplus", json!([])));
        let id = deleted(ObjectKind::Role, 0);
        run(format!("UPDATE {prefix}roles SET deleted_at = NULL WHERE id = '{id}'"));
        reported.push(("roles", "live", id.to_owned(), "undeleted", json!([])));
        reported.push(("roles", "deleted", id.to_owned(), "missing", json!([])));
        run(format!(
            "INSERT INTO {prefix}permissions (id, obs_rank, updated_at, event_at, tie, synced_at) \
             VALUES ('perm_mine', 1, 1, 1, '', 1)"
        ));
        reported.push(("permissions", "live", "perm_mine".to_owned(), "surplus", json!([])));

        for (table, state, id, what, columns) in reported {
            damage.note(table, state, &id, what, columns);
        }
        damage
    }

    fn assert_reported(&self, arguments: &str) {
        let (code, objects) = objects(&format!("{HISTORY} {arguments}"));
        let report = &objects[0];
        assert_eq!((code, objects.len(), &report["equal"]), (1, 1, &false.into()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let differences = report["differences"].as_array().unwrap();
        let reported: BTreeSet<_> = differences
            .iter()
            .map(|found| {
                let columns = found["columns"].to_string();
                (
                    text(&found["table"]),
                    text(&found["state"]),
                    text(&found["id"]),
                    text(&found["what"]),
                    columns,
                )
            })
            .collect();
        assert_eq!(reported, self.reported);
        let counted: u64 = report["tables"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|table| ["missing", "surplus", "differing"].map(|name| table[name].as_u64().unwrap()))
            .sum();
        assert_eq!(counted as usize, self.reported.len());
        assert_eq!(unread(&format!("scenario {HISTORY} {arguments}")), Some(1));

        let output = scenario(&format!("{HISTORY} {arguments}"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let head = format!("not equal: {counted} differences from the final state of the history");
        for part in [
            &*head,
            "user_mine is surplus",
            "and 7 more; --json lists up to 1000",
            "differs in first_name\n",
            "exists although it was deleted",
            "Start with empty tables",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let banned = self.reported.iter().find(|reported| reported.4.contains("banned")).unwrap();
        let change = if banned.4.contains(r#""found":true"#) {
            "true instead of false"
        } else {
            "false instead of true"
        };
        assert!(text.contains(&format!("{} differs in banned ({change})", banned.2)), "{text}");
        assert!(!text.to_lowercase().contains("mallory"), "values are shown: {text}");
        assert!(!Value::from(objects.clone()).to_string().to_lowercase().contains("mallory"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_each_difference_in_sqlite() {
    let (pool, url) = sqlite("differences").await;
    let arguments = format!("--expect-sync {url}");
    fill(&ClerkSync::new(pool.clone()), &arguments).await;
    let damage = Damage::new(&truth(), "clerk_");
    for statement in &damage.statements {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{statement}");
    }
    damage.assert_reported(&arguments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_each_difference_in_postgres() {
    let Some((pool, url, schema)) = postgres("differences").await else { return };
    let prefix = format!("{schema}.hooks_");
    let arguments = format!("--expect-sync {url} --sync-prefix {prefix}");
    fill(&ClerkSync::new(pool.clone()).prefix(&prefix).unwrap(), &arguments).await;
    let damage = Damage::new(&truth(), &prefix);
    for statement in &damage.statements {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{statement}");
    }
    damage.assert_reported(&arguments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_unsent_events_as_missing_and_other_histories_as_surplus() {
    let (pool, url) = sqlite("others").await;
    let sync = ClerkSync::new(pool);
    let (to, _) = serve(&sync).await;
    let sent = format!("signup --seed 1 --events 60 --to {to} --expect-sync {url}");
    assert_eq!(scenario(&sent).status.code(), Some(0));

    let (code, objects) = objects(&format!("signup --seed 1 --events 90 --expect-sync {url}"));
    let users = &objects[0]["tables"][0];
    assert_eq!((code, &users["table"], &users["surplus"]), (1, &"users".into(), &0.into()));
    assert!(users["missing"].as_u64() > Some(0), "{users}");

    let output = scenario(&format!("signup --seed 2 --events 60 --to {to} --expect-sync {url}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("delivered: every message got a 2xx response"), "{text}");
    assert!(text.contains("is surplus") && text.contains("Start with empty tables"), "{text}");
    assert!(!text.contains("is missing") && !text.contains("differs"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_nothing_if_tables_are_missing() {
    let (pool, url) = sqlite("tables").await;
    let sync = ClerkSync::new(pool).prefix("auth_").unwrap();
    let (to, requests) = serve(&sync).await;
    for prefix in ["", "--sync-prefix other_", "--sync-prefix main.other_"] {
        let output = scenario(&format!("team --events 5 --to {to} --expect-sync {url} {prefix}"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("migrate first") && error.contains("--sync-prefix"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert_eq!(requests.load(Ordering::Relaxed), 0);
    for prefix in ["auth_", "main.auth_"] {
        let (code, objects) = objects(&format!(
            "team --events 5 --seed 1 --to {to} --expect-sync {url} --sync-prefix {prefix}"
        ));
        assert_eq!((code, &objects.last().unwrap()["prefix"]), (0, &prefix.into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_not_report_unreadable_tables_as_missing() {
    let assert_error = |arguments: &str, cause: &str| {
        let output = scenario(&format!("team --events 5 --seed 1 --expect-sync {arguments}"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(error.contains(cause) && !error.contains("migrate"), "{error}");
    };
    let no_database = file("text");
    std::fs::write(&no_database, "a letter, and no database".repeat(100)).unwrap();
    assert_error(&format!("sqlite:{}", no_database.display()), "file is not a database");

    let (pool, url) = sqlite("unreadable").await;
    ClerkSync::new(pool.clone()).migrate().await.unwrap();
    let view =
        "DROP VIEW clerk_active_roles; CREATE VIEW clerk_active_roles AS SELECT *, lost(id) FROM clerk_roles";
    sqlx::raw_sql(view).execute(&pool).await.unwrap();
    assert_error(&url, "no such function: lost");

    let Some((pool, url, schema)) = postgres("unreadable").await else { return };
    ClerkSync::new(pool).prefix(&format!("{schema}.clerk_")).unwrap().migrate().await.unwrap();
    // Every server has this role, and it has no access to this schema.
    let role = if url.contains('?') { "&options[role]=pg_monitor" } else { "?options[role]=pg_monitor" };
    assert_error(&format!("{url}{role} --sync-prefix {schema}.clerk_"), "permission denied");
    let output =
        scenario(&format!("team --events 5 --seed 1 --expect-sync {url} --sync-prefix {schema}_no.x_"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn rejects_invalid_databases_without_showing_the_password() {
    let no_file = file("nothing");
    for (url, code) in [
        ("mysql://app:hunter2@127.0.0.1/app".to_owned(), 2),
        ("hunter2".to_owned(), 2),
        ("postgres://app:hunter2@127.0.0.1:99999/app".to_owned(), 2),
        ("postgres://app:hunter2@127.0.0.1:1/app".to_owned(), 3),
        ("sqlite:app.db?mode=hunter2".to_owned(), 2),
        (format!("sqlite:{}", no_file.display()), 3),
    ] {
        let output =
            scenario(&format!("all --events 5 --seed 1 --to http://127.0.0.1:1/ --expect-sync {url}"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{url}: {error}");
        assert!(error.contains("--expect-sync") && !error.contains("hunter2"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(!no_file.exists());
    for (arguments, expected) in [
        ("all --expect-sync sqlite:app.db", "pass its seed with --seed"),
        (
            "all --seed 1 --expect-sync sqlite:app.db --sync-prefix x;",
            "--sync-prefix expects a prefix of table names",
        ),
        (
            "all --seed 1 --expect-sync sqlite:app.db --sync-prefix .x",
            "--sync-prefix expects a prefix of table names",
        ),
    ] {
        let output = scenario(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
