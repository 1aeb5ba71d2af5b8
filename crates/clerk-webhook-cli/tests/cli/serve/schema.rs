//! `--schema`: the other commands work on the tables of the server.

use clerk_webhook_test::{Delivery, FakeBackendApi, ObjectKind};
use serde_json::json;

use super::sweeps::{clerk, history};
use super::{Database, Server};
use crate::support::clerk::Clerk;
use crate::support::process::{Run, command, finish};
use crate::support::server::{self, response};

/// Runs a command with a schema as its flag or its variable.
fn run(database: &Database, schema: Option<(&str, bool)>, args: &[&str]) -> Run {
    let mut command = command();
    command.env("DATABASE_URL", &database.url).env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY).args(args);
    match schema {
        Some((schema, true)) => command.args(["--schema", schema]),
        Some((schema, false)) => command.env("CLERK_WEBHOOK_SCHEMA", schema),
        None => &mut command,
    };
    finish(&mut command, b"")
}

async fn work_on_the_tables_of(database: &Database) {
    let schema = database.schema.as_str();
    let migrated = run(database, Some((schema, true)), &["db", "migrate"]);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    let history = history(30);
    let clerk = clerk(&history).await;
    let application = server::Server::new(|_| response(410, &[], ""));
    let server = serve(database, &clerk, &application.url());
    server.line("sweep finished");
    let delivery = Delivery::of_body(history.events()[0].body().clone()).id("msg_1");
    assert_eq!(server.deliver(&delivery).json(), json!({ "outcome": "processed" }));
    server.wait_for(|status| status["queue"]["dead"] == 1);
    drop(server);

    let users = clerk.fake.objects(ObjectKind::User).len();
    for is_flag in [true, false] {
        let run = |args: &[&str]| {
            let run = run(database, Some((schema, is_flag)), args);
            assert_eq!(run.code, 0, "{args:?}: {run:?}");
            run
        };
        let status = run(&["db", "status", "--json"]).objects().remove(0);
        assert_eq!(status["tables"]["users"]["live"], users, "{status}");
        assert_eq!(run(&["queue", "stats", "--json"]).objects()[0]["dead"], 1);
        let api = ["--api-url", &clerk.url, "--api-share", "1", "--dry-run", "--json"];
        let compared = run(&[&["reconcile"][..], &api].concat()).objects().pop().unwrap();
        assert_eq!(compared["tables"]["users"]["seen"], users, "{compared}");
        run(&[&["backfill"][..], &api].concat());
        let purged = run(&["db", "purge", "--json"]).objects();
        assert!(purged.len() == 2 && purged.iter().all(|part| part["deleted"] == 0), "{purged:?}");
        let grants = run(&["db", "grants", "reader"]).stdout;
        assert!(grants.contains(&format!(r#""{schema}"."users","#)), "{grants}");
    }
}

/// Starts a server that must not create tables.
fn serve(database: &Database, clerk: &Clerk, application: &str) -> Server {
    let mut command = database.command_with(&clerk.url);
    command.env_remove("CLERK_WEBHOOK_SCHEMA").env("CLERK_WEBHOOK_MIGRATE", "false");
    Server::start(command.args(["--schema", &database.schema, "--forward-to", application]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_commands_work_on_a_schema_in_sqlite() {
    let database = Database { schema: "other".to_owned(), ..Database::sqlite("schema") };
    work_on_the_tables_of(&database).await;
    let other = run(&database, None, &["db", "status"]);
    let message = "the database has no tables of schema clerk. Run: clerk-webhook db migrate.";
    assert!(other.code == 4 && other.stderr.contains(message), "{other:?}");
    let other = run(&database, None, &["queue", "stats"]);
    assert!(other.code == 2 && other.stderr.contains("check --schema"), "{other:?}");
    // The tables of an application have the same names by default.
    assert_eq!(run(&database, None, &["db", "status", "--prefix", "other_"]).code, 0);
    assert_eq!(run(&database, None, &["queue", "stats", "--table", "other_webhook_queue"]).code, 0);
    for args in
        [&["db", "status", "--prefix", "other_"][..], &["queue", "stats", "--table", "other_webhook_queue"]]
    {
        assert_eq!(run(&database, Some(("other", true)), args).code, 2, "{args:?}");
    }
    for is_flag in [true, false] {
        assert_eq!(run(&database, Some(("a.b", is_flag)), &["db", "status"]).code, 2, "{is_flag}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_commands_work_on_a_schema_in_postgres() {
    let Some(database) = Database::postgres("schema").await else { return };
    work_on_the_tables_of(&database).await;
}
