//! The configuration of the commands, and what they say about mistakes.

use std::fs;

use clerk_webhook_test::{FakeBackendApi, Scenario};
use clerk_webhook_tests::servers;

use super::{Tables, checked, clerk, history};
use crate::support::folder::Folder;
use crate::support::process::command;
use crate::support::server::closed_port;

#[test]
fn says_what_is_wrong_with_the_configuration() {
    let tables = Tables::sqlite("configuration");
    tables.migrate();
    let with_key = |key: &str| {
        let mut command = command();
        command.env("DATABASE_URL", &tables.url).env("CLERK_SECRET_KEY", key).arg("backfill");
        checked(&mut command)
    };
    for (key, expected) in [
        ("", "CLERK_SECRET_KEY is not set. Copy the secret key (sk_test_… or sk_live_…)"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "CLERK_SECRET_KEY: this is the signing secret"),
        ("pk_test_abc", "CLERK_SECRET_KEY: this is a publishable key"),
    ] {
        let run = with_key(key);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(expected) && !run.stderr.contains("C2FV"), "{run:?}");
    }
    for (args, code, expected) in [
        (&["backfill", "--tables", "users,sessions"][..], 2, "--tables sessions: this table does not exist"),
        (&["backfill", "--api-share", "2"], 2, "--api-share: the share of Clerk's rate limit is invalid"),
        (
            &["backfill", "--api-url", "http://api.clerk.com/v1"],
            2,
            "--api-url: the base URL has no encryption",
        ),
        (
            &["backfill", "--database", "mysql://app:hunter2@host/app"],
            2,
            "--database does not name a database",
        ),
        (
            &["backfill", "--database", "sqlite:/missing/app.db"],
            3,
            "--database does not exist: check its path",
        ),
        (
            &["reconcile", "--database", "postgres://app:hunter2@127.0.0.1:1/app"],
            3,
            "no connection within 5 s. Check that the server is running",
        ),
    ] {
        let run = tables.run(args);
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains(expected) && !run.stderr.contains("hunter2"), "{args:?}: {run:?}");
    }
    let mut without = command();
    let run = checked(without.env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY).arg("reconcile"));
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("or set DATABASE_URL"), "{run:?}");
    let run = tables.run(&["backfill", "--prefix", "Clerk;"]);
    assert_eq!(run.code, 2, "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_secrets_from_files_and_from_the_environment_file() {
    let tables = Tables::sqlite("files");
    tables.migrate();
    let clerk = clerk(&history(Scenario::SignUp, 30), 30).await;
    let folder = Folder::new("import-secret-files");
    let key = folder.write("key", format!("{}\n", FakeBackendApi::SECRET_KEY).as_bytes());
    let url = folder.write("url", format!("{}\r\n", tables.url).as_bytes());
    let args = ["backfill", "--tables", "users", "--api-url", &clerk.url];
    let run = checked(command().args(args).env("CLERK_SECRET_KEY_FILE", &key).env("DATABASE_URL_FILE", &url));
    assert_eq!(run.code, 0, "{run:?}");

    for (name, file) in [("CLERK_SECRET_KEY", "CLERK_SECRET_KEY_FILE"), ("DATABASE_URL", "DATABASE_URL_FILE")]
    {
        let run = checked(tables.command(&args).env(file, &key));
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(&format!("{name} and {file} are both set. Unset one.")), "{run:?}");
    }
    let run = checked(
        tables.command(&args).env_remove("CLERK_SECRET_KEY").env("CLERK_SECRET_KEY_FILE", "/missing/key"),
    );
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("cannot read the file of CLERK_SECRET_KEY_FILE"), "{run:?}");

    let text = format!("CLERK_SECRET_KEY={}\nDATABASE_URL='{}'\n", FakeBackendApi::SECRET_KEY, tables.url);
    fs::write(folder.join(".env"), text).unwrap();
    let run = checked(command().args(args).current_dir(folder.path()));
    assert_eq!(run.code, 0, "{run:?}");
    let run = checked(command().args(args).arg("--no-env-file").current_dir(folder.path()));
    assert_eq!(run.code, 2, "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_that_clerk_rejects_the_key_or_does_not_answer() {
    let tables = Tables::sqlite("rejected");
    tables.migrate();
    let clerk = clerk(&history(Scenario::SignUp, 30), 30).await;
    let args = ["backfill", "--api-url", &clerk.url];
    let run = checked(tables.command(&args).env("CLERK_SECRET_KEY", "sk_test_d3Jvbmc"));
    assert_eq!(run.code, 2, "{run:?}");
    let expected = "CLERK_SECRET_KEY: Clerk does not accept the secret key (401";
    assert!(run.stderr.contains(expected) && run.stderr.contains("Copy the secret key"), "{run:?}");
    assert!(!run.stderr.contains("d3Jvbmc"), "{run:?}");
}

#[test]
fn gives_up_if_nothing_listens() {
    let tables = Tables::sqlite("closed");
    tables.migrate();
    let run = tables.run(&["backfill", "--api-url", &format!("http://{}", closed_port())]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("Run the command again"), "{run:?}");
    assert!(run.stderr.contains(" s: no response from the Backend API"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_who_can_unlock_the_database_or_create_the_schema() {
    let tables = Tables::sqlite("locked");
    tables.migrate();
    let pool = sqlx::SqlitePool::connect(&tables.url).await.unwrap();
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let run = tables.run(&["db", "forget-email", "nobody@nowhere.test", "--yes"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(
        run.stderr.contains("another process is writing to it. Try again when it has finished"),
        "{run:?}"
    );
    lock.rollback().await.unwrap();

    let Some(mut url) = servers::postgres("a missing privilege") else { return };
    url += if url.contains('?') { "&" } else { "?" };
    url += "options[role]=pg_monitor";
    let args = ["db", "migrate", "--schema", "test_cli_denied", "--database", &url];
    let run = checked(command().args(args));
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("Connect as a role that may create schemas"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_tables_of_another_version() {
    let other = Tables { prefix: "other_".to_owned(), ..Tables::sqlite("versions") };
    other.migrate();
    let mut all = vec![Tables { prefix: "clerk_".to_owned(), ..other }];
    all.extend(Tables::postgres("versions").await);
    for tables in &all {
        for args in
            [&["backfill"][..], &["reconcile", "--dry-run"], &["db", "status"], &["reconcile", "user_1"]]
        {
            let run = tables.run(args);
            assert_eq!(run.code, 4, "{run:?}");
            let prefix = &tables.prefix;
            let missing =
                format!("the database has no tables with the prefix {prefix}. Run: clerk-webhook db migrate");
            assert!(run.stderr.contains(&missing), "{run:?}");
            assert!(run.stderr.ends_with(&format!(" --prefix {prefix}\n")), "{run:?}");
        }
    }
}
