//! `clerk-webhook backfill`, `reconcile` and `db`, against a fake of Clerk's Backend API.

mod backfill;
mod configuration;
mod db;
mod reconcile;

use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
use clerk_webhook_tests::servers;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use std::process::Command;
use std::time::Duration;

use crate::support::clerk::{Clerk, Reaction};
use crate::support::folder::Folder;
use crate::support::process::{Run, command, finish};

/// The tables of a test, in either database.
struct Tables {
    url: String,
    prefix: String,
    postgres: Option<PgPool>,
    _folder: Folder,
}

impl Tables {
    /// Returns a SQLite file without tables.
    fn sqlite(test: &str) -> Self {
        let folder = Folder::new(&format!("import-{test}"));
        let url = format!("sqlite:{}", folder.join("app.db").display());
        Self { url, prefix: "clerk_".to_owned(), postgres: None, _folder: folder }
    }

    /// Returns an empty schema in Postgres. Returns `None` without a server.
    async fn postgres(test: &str) -> Option<Self> {
        let url = servers::postgres(test)?;
        let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
        let schema = format!("test_cli_import_{test}");
        let statements = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.unwrap();
        let folder = Folder::new(&format!("import-postgres-{test}"));
        Some(Self { url, prefix: format!("{schema}.hooks_"), postgres: Some(pool), _folder: folder })
    }

    /// Returns the command with the database and the secret key in its environment, and these arguments.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command();
        command.env("DATABASE_URL", &self.url).env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY);
        command.args(args).args(["--prefix", &self.prefix]);
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        checked(&mut self.command(args))
    }

    /// Runs an import or a comparison with this API.
    #[track_caller]
    fn with(&self, clerk: &Clerk, args: &[&str]) -> Run {
        self.run(&[args, &["--api-url", &clerk.url, "--api-share", "1"]].concat())
    }

    #[track_caller]
    fn migrate(&self) {
        let run = self.run(&["db", "migrate"]);
        assert_eq!(run.code, 0, "{run:?}");
    }

    /// Returns the numbers of live rows and of tombstones.
    #[track_caller]
    fn rows(&self, table: &str) -> (u64, u64) {
        let run = self.run(&["db", "status", "--json"]);
        assert_eq!(run.code, 0, "{run:?}");
        let table = &run.objects()[0]["tables"][table];
        (table["live"].as_u64().unwrap(), table["deleted"].as_u64().unwrap())
    }
}

/// Runs a command, and checks that neither the secret key nor an address is printed.
#[track_caller]
fn checked(command: &mut Command) -> Run {
    let run = finish(command, b"");
    for output in [&run.stdout, &run.stderr] {
        assert!(!output.contains(&FakeBackendApi::SECRET_KEY["sk_test_".len()..]), "{run:?}");
        assert!(!output.contains("@example"), "{run:?}");
    }
    run
}

/// Returns the last line of `--json`.
#[track_caller]
fn result(run: &Run) -> Value {
    run.objects().pop().unwrap()
}

fn history(scenario: Scenario, events: usize) -> History {
    History::builder().scenario(scenario).seed(7).events(events).build()
}

/// Starts the API at a position of a history, an hour after its last event.
async fn clerk(history: &History, position: usize) -> Clerk {
    let fake = FakeBackendApi::from_events(history.events()[..position].to_vec());
    fake.advance_to(position);
    let fake = fake.with_instance_id(FakeBackendApi::new(history).instance_id());
    fake.pass(Duration::from_secs(3600));
    Clerk::start(fake).await
}

fn number(clerk: &Clerk, kind: ObjectKind) -> u64 {
    clerk.fake.objects(kind).len() as u64
}

/// Returns the objects that `backfill`, `reconcile` and `db` print, with each kind of line.
pub(crate) async fn all_objects() -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let tables = Tables::sqlite("json");
    let history = history(Scenario::Churn, 700);
    let early = clerk(&history, 650).await;
    let mut db = tables.run(&["db", "migrate", "--json"]).objects();
    let limit = |_: &str, earlier: usize| (earlier == 0).then_some(Reaction::Status(429));
    early.set_rule(limit);
    let mut backfill = tables.with(&early, &["backfill", "--json"]).objects();
    let off = Clerk::start(early.fake.clone().without(ObjectKind::Organization)).await;
    backfill.extend(tables.with(&off, &["backfill", "--json"]).objects());
    let now = clerk(&history, 700).await;
    let mut reconcile = tables.with(&now, &["reconcile", "--dry-run", "--json"]).objects();
    reconcile.extend(tables.with(&now, &["reconcile", "user_1", "--json"]).objects());
    let path = tables.url.strip_prefix("sqlite:").unwrap();
    clerk_webhook_store::SqliteStore::open(path).await.unwrap().migrate().await.unwrap();
    for args in [
        &["db", "status", "--json"][..],
        &["db", "view", "--json"],
        &["db", "purge", "--json"],
        &["db", "forget-email", "nobody@nowhere.test", "--yes", "--json"],
    ] {
        db.extend(checked(command().args(args).env("DATABASE_URL", &tables.url)).objects());
    }
    (backfill, reconcile, db)
}
