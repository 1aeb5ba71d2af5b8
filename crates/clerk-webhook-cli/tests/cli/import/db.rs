//! `clerk-webhook db`.

use clerk_webhook_test::{ObjectKind, Scenario};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Tables, checked, clerk, history, number};
use crate::support::process::command;

fn migrates(tables: &Tables) {
    let run = tables.run(&["db", "migrate"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("created: the tables "), "{run:?}");
    let run = tables.run(&["db", "migrate", "--json"]);
    let object = &run.objects()[0];
    assert_eq!((run.code, &object["version_before"]), (0, &object["version"]), "{run:?}");
    let run = tables.run(&["db", "status"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("warning no import is complete"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_the_tables() {
    migrates(&Tables::sqlite("migrate"));
    let Some(tables) = Tables::postgres("migrate").await else { return };
    migrates(&tables);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_the_last_import_and_comparison() {
    let mut all = vec![Tables::sqlite("status")];
    all.extend(Tables::postgres("status").await);
    for tables in all {
        tables.migrate();
        let clerk = clerk(&history(Scenario::SignUp, 60), 60).await;
        assert_eq!(tables.with(&clerk, &["backfill"]).code, 0);
        assert_eq!(tables.with(&clerk, &["reconcile", "--tables", "users"]).code, 0);
        let run = tables.run(&["db", "status"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("import    completed 20") && !run.stdout.contains("warning"), "{run:?}");
        let status = &tables.run(&["db", "status", "--json"]).objects()[0];
        assert_eq!(status["instance_id"], clerk.fake.instance_id());
        assert_eq!(status["tables"]["users"]["live"], number(&clerk, ObjectKind::User));
        assert!(status["tables"]["users"]["reconciled_at"].is_string(), "{status}");
        assert_eq!(status["tables"]["roles"]["reconciled_at"], json!(null), "{status}");
        let tls = if tables.postgres.is_some() { json!(false) } else { json!(null) };
        assert_eq!(status["database"]["tls"], tls, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prints_sql_that_postgres_accepts() {
    let Some(tables) = Tables::postgres("sql").await else { return };
    tables.migrate();
    let clerk = clerk(&history(Scenario::Churn, 600), 600).await;
    assert_eq!(tables.with(&clerk, &["backfill", "--tables", "users"]).code, 0);
    let deleted = clerk.fake.objects(ObjectKind::User).keys().next().unwrap().clone();
    assert_eq!(tables.run(&["db", "forget-user", &deleted, "--yes"]).code, 0);
    let pool = tables.postgres.clone().unwrap();
    for action in [&["db", "view"][..], &["db", "grants", "pg_monitor"]] {
        let run = checked(command().args(action).args(["--prefix", &tables.prefix]));
        assert_eq!(run.code, 0, "{run:?}");
        sqlx::raw_sql(AssertSqlSafe(run.stdout)).execute(&pool).await.unwrap();
    }
    let grant = format!("GRANT SELECT ON {}users_sync TO pg_monitor", tables.prefix);
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&pool).await.unwrap();
    let query = format!(
        "SET ROLE pg_monitor; SELECT u.id, u.email, raw_json->>'id' AS raw_id,
                (extract(epoch FROM u.created_at) * 1000)::bigint AS created_at,
                u.deleted_at IS NOT NULL AS deleted, a.created_at AS created_millis
           FROM {0}users_sync u LEFT JOIN {0}active_users a USING (id)",
        tables.prefix
    );
    let mut connection = pool.acquire().await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("RESET ROLE").execute(&mut *connection).await.unwrap();
    assert_eq!(rows.len() as u64, number(&clerk, ObjectKind::User));
    for row in rows {
        let (id, is_deleted) = (row.get::<String, _>("id"), row.get::<bool, _>("deleted"));
        assert_eq!(is_deleted, id == deleted);
        // Milliseconds stay.
        assert_eq!(row.get::<Option<i64>, _>("created_at"), row.get::<Option<i64>, _>("created_millis"));
        let raw_id = row.get::<Option<String>, _>("raw_id");
        assert_eq!(raw_id, (!is_deleted).then_some(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erases_users_for_good() {
    let tables = Tables::sqlite("forget");
    tables.migrate();
    let clerk = clerk(&history(Scenario::SignUp, 60), 60).await;
    assert_eq!(tables.with(&clerk, &["backfill"]).code, 0);
    let users = clerk.fake.objects(ObjectKind::User);
    let id = users.keys().next().unwrap();
    let run = tables.run(&["db", "forget-user", id]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("Add --yes"), "{run:?}");
    #[cfg(target_os = "linux")]
    {
        let program = env!("CARGO_BIN_EXE_clerk-webhook");
        let (url, prefix) = (&tables.url, &tables.prefix);
        let line = format!("'{program}' db forget-user {id} --database '{url}' --prefix {prefix}");
        let run = crate::support::process::on_terminal(&line, "n\n");
        assert!(run.code == 1 && run.stdout.contains(&format!("personal data of {id}? It")), "{run:?}");
    }
    assert_eq!(tables.rows("users"), (users.len() as u64, 0));
    let run = tables.run(&["db", "forget-user", id, "--yes"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "erased\n"), "{run:?}");
    assert_eq!(tables.rows("users"), (users.len() as u64 - 1, 1));
    // Neither an import nor a comparison restores the user.
    for args in [&["backfill", "--restart"][..], &["reconcile"]] {
        let run = tables.with(&clerk, args);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(
            run.stdout.contains("users: 1 listed object was deleted here, and will not be restored"),
            "{run:?}"
        );
    }
    assert_eq!(tables.rows("users"), (users.len() as u64 - 1, 1));

    let run = tables.run(&["db", "forget-email", "nobody@nowhere.test", "--yes", "--json"]);
    assert_eq!((run.code, run.objects()), (0, vec![json!({ "erased": false })]), "{run:?}");
    for args in [&["db", "forget-user", "Ada", "--yes"][..], &["db", "forget-email", "Ada", "--yes"]] {
        assert_eq!(tables.run(args).code, 2, "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purges_the_tables_that_exist() {
    let tables = Tables::sqlite("purge");
    tables.migrate();
    let run = tables.run(&["db", "purge"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("no table of a store or a queue"), "{run:?}");
    let path = tables.url.strip_prefix("sqlite:").unwrap();
    let store = clerk_webhook_store::SqliteStore::open(path).await.unwrap();
    store.migrate().await.unwrap();
    let run = tables.run(&["db", "purge", "--json"]);
    let object = &run.objects()[0];
    assert_eq!((run.code, &object["part"], &object["deleted"]), (0, &json!("store"), &json!(0)), "{run:?}");
    assert_eq!(tables.run(&["db", "purge", "--days", "6"]).code, 2);
    assert_eq!(tables.run(&["db", "purge", "--deliveries", "a;b"]).code, 2);
}
