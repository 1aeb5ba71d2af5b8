//! `clerk-webhook queue` shows, retries and discards the dead letters of a queue.

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, JobQueue, NatsQueue, PostgresQueue, SqliteQueue, TakeOptions};
use clerk_webhook_store::{Owner, Scope};
use clerk_webhook_tests::servers;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::folder::Folder;
use crate::support::process::{self, Run, command, run};
use crate::support::server::closed_port;

/// A queue in a SQLite file, as an application has it.
pub(crate) struct Application {
    queue: SqliteQueue,
    folder: Folder,
}

impl Application {
    pub(crate) async fn new(test: &str) -> Self {
        let folder = Folder::new(&format!("queue-{test}"));
        let queue = SqliteQueue::open(folder.join("queue.db")).await.unwrap();
        queue.migrate().await.unwrap();
        Self { queue, folder }
    }

    fn path(&self) -> String {
        self.folder.join("queue.db").into_os_string().into_string().unwrap()
    }

    pub(crate) async fn add(&self, id: &str, event_type: &str, data: &str) -> Event {
        let body = format!(r#"{{"data":{data},"object":"event","type":"{event_type}"}}"#);
        let event =
            Event::from_trusted(id.parse().unwrap(), Timestamp::from_secs(1_767_225_600), body.into());
        let event = event.unwrap();
        self.queue.enqueue(&event).await.unwrap();
        event
    }

    /// Adds a dead letter, which is newer than all others.
    async fn dead(&self, id: &str, event_type: &str, data: &str, error: &str) -> Event {
        let event = self.add(id, event_type, data).await;
        let job = self.queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        assert_eq!(job.event.message_id(), event.message_id());
        let _ = self.queue.bury(&job.lease, error).await.unwrap();
        event
    }

    /// Adds two dead letters of users and one of a session.
    pub(crate) async fn three_dead(&self) {
        for (id, event_type) in
            [("msg_1", "user.created"), ("msg_2", "session.ended"), ("msg_3", "user.created")]
        {
            self.dead(id, event_type, r#"{"id":"x"}"#, &format!("failure of {id}")).await;
        }
    }

    /// Runs a command of `clerk-webhook queue`.
    fn run(&self, args: &[&str]) -> Run {
        run(&[&["queue"], args, &["--database", &self.path()]].concat())
    }

    pub(crate) fn objects(&self, args: &[&str]) -> Vec<Value> {
        let run = self.run(&[args, &["--json"]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.objects()
    }

    /// Returns the numbers of events that are ready and dead.
    async fn counts(&self) -> (u64, u64) {
        let stats = self.queue.stats().await.unwrap();
        (stats.ready, stats.dead)
    }
}

fn ids(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["message_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_the_newest_dead_letters_first() {
    let application = Application::new("list").await;
    application.three_dead().await;
    application.add("msg_4", "user.created", "{}").await;

    let objects = application.objects(&["list"]);
    assert_eq!(ids(&objects), ["msg_3", "msg_2", "msg_1"]);
    let letter = application.queue.dead_letter(&"msg_3".parse().unwrap()).await.unwrap().unwrap();
    let expected = json!({
        "message_id": "msg_3", "event_type": "user.created", "attempts": 1, "last_error": "failure of msg_3",
        "enqueued_at": letter.enqueued_at.as_millis(), "died_at": letter.died_at.as_millis(),
    });
    assert_eq!(objects[0], expected);

    let run = application.run(&["list", "--limit", "2"]);
    assert_eq!(run.code, 0, "{run:?}");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("msg_3  user.created   20"), "{run:?}");
    assert!(lines[0].ends_with("Z  1 attempt  failure of msg_3"), "{run:?}");
    assert!(lines[1].starts_with("msg_2  session.ended  20"), "{run:?}");
    assert_eq!(lines[2..], ["", "2 of 3 dead letters; --limit lists more"], "{run:?}");
}

#[tokio::test]
async fn lists_dead_letters_of_one_type_behind_newer_ones() {
    let application = Application::new("types").await;
    application.three_dead().await;
    assert_eq!(ids(&application.objects(&["list", "--type", "session.ended", "--limit", "1"])), ["msg_2"]);
    assert_eq!(ids(&application.objects(&["list", "--type", "user.created"])), ["msg_3", "msg_1"]);
    let run = application.run(&["list", "--type", "user.created", "--limit", "1"]);
    assert!(
        run.stdout.ends_with("\n1 of 2 dead letters of the type user.created; --limit lists more\n"),
        "{run:?}"
    );
    let run = application.run(&["list", "--type", "user.create"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "the scope clerk has no dead letters of the type user.create; did you mean user.created?\n")
    );
}

#[tokio::test]
async fn says_that_no_dead_letters_exist() {
    let application = Application::new("empty").await;
    application.add("msg_1", "user.created", "{}").await;
    for (args, expected) in [
        (&["list"][..], "the scope clerk has no dead letters\n"),
        (&["retry", "--all"], "the scope clerk has no dead letters\n"),
        (&["list", "--scope", "other"], "the scope other has no dead letters\n"),
        (&["stats", "--scope", "other"], "the scope other has no events\n"),
    ] {
        let run = application.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (0, expected), "{run:?}");
    }
    assert_eq!(application.objects(&["list"]), [Value::Null; 0]);
}

#[tokio::test]
async fn escapes_control_characters() {
    let application = Application::new("escapes").await;
    let data = "{\"id\":\"a\u{202e}b\u{9b}31m\"}";
    application.dead("msg_1", "user.created", data, "two\nlines \u{1b}[2J").await;
    for args in [&["list"][..], &["show", "msg_1"]] {
        let run = application.run(args);
        assert!(run.stdout.contains(r"two\nlines \u{1b}[2J"), "{run:?}");
        assert!(!run.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{run:?}");
    }
    assert_eq!(application.objects(&["list"])[0]["last_error"], "two\nlines \u{1b}[2J");
}

#[tokio::test]
async fn shows_a_dead_letter_with_a_redacted_body() {
    let application = Application::new("show").await;
    let data = r#"{"id":"sms_1","message":"602214 is your code","slug":"verification_code"}"#;
    let event = application.dead("msg_1", "sms.created", data, "mail is down").await;
    let run = application.run(&["show", "msg_1"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    for expected in [
        "message   msg_1\n",
        "type      sms.created\n",
        "attempts  1\n",
        "signed    2026-01-01T00:00:00Z\n",
        "error     mail is down\n",
        "redacted; --payload prints the complete body\n",
        "    \"message\": \"[redacted: 19 characters]\",\n",
        "    \"slug\": \"verification_code\"\n",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    assert!(!run.stdout.contains("602214"), "{run:?}");

    let object = application.objects(&["show", "msg_1"]).remove(0);
    let listed = application.objects(&["list"]).remove(0);
    for (name, value) in listed.as_object().unwrap() {
        assert_eq!(object[name], *value);
    }
    assert_eq!(object["attempted_at"], 1_767_225_600_000_i64);
    assert_eq!(object["bytes"], event.raw_body().len());
    assert_eq!(object["redacted"], true);
    assert_eq!(object["payload"]["data"]["message"], "[redacted: 19 characters]");
}

#[tokio::test]
async fn prints_the_complete_body_only_on_demand_and_with_a_warning() {
    let application = Application::new("payload").await;
    let event = application.dead("msg_1", "sms.created", r#"{ "message":"602214" }"#, "mail is down").await;
    let run = application.run(&["show", "msg_1", "--payload"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout.as_bytes(), &event.raw_body()[..]);
    assert!(run.stderr.contains("personal data"), "{run:?}");
    let run = application.run(&["show", "msg_1", "--payload", "--json"]);
    let object = run.objects().remove(0);
    assert_eq!(
        (&object["payload"]["data"]["message"], &object["redacted"]),
        (&json!("602214"), &json!(false))
    );
    assert!(run.stderr.contains("personal data"), "{run:?}");
}

#[tokio::test]
async fn fails_for_messages_that_are_not_dead_letters() {
    let application = Application::new("unknown").await;
    application.three_dead().await;
    application.add("msg_4", "user.created", "{}").await;
    for args in [&["show"][..], &["show", "--payload"], &["retry"], &["discard", "--yes"]] {
        for id in ["msg_4", "msg_5"] {
            let run = application.run(&[args, &[id]].concat());
            assert_eq!(run.code, 1, "{args:?}: {run:?}");
            assert_eq!(run.stdout, format!("bad   {id}  is not a dead letter in this scope\n"));
            let run = application.run(&[args, &[id, "--json"]].concat());
            assert_eq!(
                (run.code, run.objects()),
                (1, vec![json!({ "message_id": id, "result": "not_dead" })])
            );
        }
    }
    assert_eq!(application.counts().await, (1, 3));
    assert_eq!(application.run(&["show", "a message"]).code, 2);
}

#[tokio::test]
async fn retries_dead_letters_and_says_what_happened_to_each() {
    let application = Application::new("retry").await;
    application.three_dead().await;
    let run = application.run(&["retry", "msg_1", "msg_9", "msg_3"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(
        run.stdout,
        "ok    msg_1  retried\nbad   msg_9  is not a dead letter in this scope\nok    msg_3  retried\n"
    );
    assert_eq!(application.counts().await, (2, 1));
    let retried = application.objects(&["retry", "msg_2"]);
    assert_eq!(retried, [json!({ "message_id": "msg_2", "result": "retried" })]);
    assert_eq!(application.counts().await, (3, 0));
}

#[tokio::test]
async fn retries_all_dead_letters_or_those_of_a_type() {
    let application = Application::new("retry-all").await;
    application.three_dead().await;
    let run = application.run(&["retry", "--all", "--type", "user.create"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "the scope clerk has no dead letters of the type user.create; did you mean user.created?\n")
    );
    let run = application.run(&["retry", "--all", "--type", "user.created"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "ok    2 dead letters retried of the type user.created\n")
    );
    assert_eq!(application.counts().await, (2, 1));
    assert_eq!(application.objects(&["retry", "--all"]), [json!({ "event_type": null, "retried": 1 })]);
    assert_eq!(application.counts().await, (3, 0));
    for (args, expected) in [
        (&["retry"][..], "error: pass message ids, or --all, or --all --type TYPE\n"),
        (&["retry", "--type", "user.created"], "error: pass message ids, or --all, or --all --type TYPE\n"),
        (&["retry", "--all", "msg_1"], "cannot be used with"),
        (&["retry", "msg_1", "--type", "user.created"], "cannot be used with"),
    ] {
        let run = application.run(args);
        assert!(run.code == 2 && run.stderr.contains(expected), "{args:?}: {run:?}");
    }
}

#[tokio::test]
async fn discards_without_a_terminal_only_with_yes() {
    let application = Application::new("discard").await;
    application.three_dead().await;
    let run = application.run(&["discard", "msg_1"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("Add --yes"), "{run:?}");
    assert_eq!(application.counts().await, (0, 3));
    let run = application.run(&["discard", "msg_1", "msg_3", "--yes"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "ok    msg_1  discarded\nok    msg_3  discarded\n"));
    assert_eq!(application.counts().await, (0, 1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn asks_on_a_terminal_before_it_discards() {
    let application = Application::new("ask").await;
    application.three_dead().await;
    for (answer, code, dead) in [("n\n", 1, 3), ("\n", 1, 3), ("y\n", 0, 2)] {
        let program = env!("CARGO_BIN_EXE_clerk-webhook");
        let call = format!("'{program}' queue discard msg_2 --database '{}'", application.path());
        let run = process::on_terminal(&call, answer);
        assert!(
            run.stdout.contains("Delete the event of 1 dead letter? No worker will handle it. [y/N]"),
            "{run:?}"
        );
        assert_eq!((run.code, application.counts().await.1), (code, dead), "{run:?}");
    }
}

#[tokio::test]
async fn counts_the_events_in_each_state() {
    let application = Application::new("stats").await;
    application.three_dead().await;
    application.add("msg_4", "user.created", "{}").await;
    let _running = application.queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    application.add("msg_5", "user.deleted", "{}").await;
    let oldest = application.queue.stats().await.unwrap().oldest_ready.unwrap().as_millis();

    let mut object = application.objects(&["stats"]).remove(0);
    let age = object["oldest_ready_seconds"].take();
    assert!(age.as_u64().is_some_and(|age| age < 60), "{age}");
    let types = object["types"].take();
    let expected = json!({
        "scope": "clerk", "ready": 1, "running": 1, "dead": 3, "oldest_ready_at": oldest,
        "oldest_ready_seconds": null, "types": null,
    });
    assert_eq!(object, expected);
    let row = |row: &Value| {
        let numbers = ["ready", "running", "dead"].map(|name| row[name].as_u64().unwrap());
        (row["event_type"].as_str().unwrap().to_owned(), numbers, row["oldest_ready_at"].as_i64())
    };
    let rows: Vec<_> = types.as_array().unwrap().iter().map(row).collect();
    let expected = [
        ("session.ended".to_owned(), [0, 0, 1], None),
        ("user.created".to_owned(), [0, 1, 2], None),
        ("user.deleted".to_owned(), [1, 0, 0], Some(oldest)),
    ];
    assert_eq!(rows, expected);

    let run = application.run(&["stats"]);
    let lines: Vec<Vec<_>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ready", "running", "dead", "oldest", "ready"]);
    assert_eq!(lines[2], ["user.created", "0", "1", "2", "-"]);
    assert_eq!(lines[4][..4], ["total", "1", "1", "3"], "{run:?}");
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn uses_the_scope_and_the_table() {
    let application = Application::new("names").await;
    application.three_dead().await;
    let other = application.queue.clone().with_scope("other".parse::<Scope>().unwrap());
    let other = other.table("jobs").unwrap();
    other.migrate().await.unwrap();
    let application = Application { queue: other, folder: application.folder };
    application.dead("msg_7", "user.created", "{}", "failure").await;
    assert_eq!(ids(&application.objects(&["list", "--scope", "other", "--table", "jobs"])), ["msg_7"]);
    assert_eq!(application.objects(&["list", "--table", "jobs"]).len(), 0);
    assert_eq!(application.objects(&["list"]).len(), 3);
    for (option, value) in [("--scope", ""), ("--table", "a;b"), ("--limit", "0")] {
        let run = application.run(&["list", option, value]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(option), "{run:?}");
    }
}

#[tokio::test]
async fn reads_the_queue_of_an_application_that_has_stopped() {
    let application = Application::new("stopped").await;
    application.three_dead().await;
    application.queue.pool().close().await;
    assert_eq!(application.folder.names(), ["queue.db"]);
    assert_eq!(application.objects(&["list"]).len(), 3);
    let run = application.run(&["retry", "msg_1"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(application.objects(&["stats"])[0]["ready"], 1);
}

#[tokio::test]
async fn finds_the_queue_in_the_environment() {
    let application = Application::new("environment").await;
    application.three_dead().await;
    let output = command()
        .args(["queue", "list", "--json"])
        .env("DATABASE_URL", format!("sqlite:{}", application.path()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn says_what_to_do_if_the_queue_cannot_be_read() {
    let application = Application::new("unreadable").await;
    let run = application.run(&["list", "--table", "missing"]);
    let text = "no such table: missing. Call `migrate()` when the application starts, and check --table";
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains(text), "{run:?}");
    let run = application.run(&["retry", "msg_1", "--table", "missing", "--json"]);
    assert_eq!(run.objects(), [json!({ "error": { "kind": "usage", "message": text } })]);

    let list = |database: &str| process::run(&["queue", "list", "--database", database]);
    let missing = application.folder.join("missing.db");
    for prefix in ["", "sqlite:", "sqlite://"] {
        let run = list(&format!("{prefix}{}", missing.display()));
        assert_eq!(run.code, 3, "{run:?}");
        assert!(run.stderr.contains("the SQLite file of --database does not exist"), "{run:?}");
    }
    assert!(!missing.exists());
    let run = list(&application.folder.write("text", &[b'x'; 4096]));
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("file is not a database"), "{run:?}");
}

/// Creates three dead letters, and performs each action. The queue must be empty.
async fn shows_retries_and_discards<Q: JobQueue>(queue: &Q, of: &impl Fn(&[&str]) -> Run) {
    for id in ["msg_1", "msg_2", "msg_3"] {
        let body = r#"{"data":{"id":"user_1","private_metadata":{"a":"hidden"}},"type":"user.created"}"#;
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        queue.enqueue(&event).await.unwrap();
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        let _ = queue.bury(&job.lease, "mail is down").await.unwrap();
    }
    assert_eq!(ids(&of(&["list", "--json"]).objects()), ["msg_3", "msg_2", "msg_1"]);
    let shown = of(&["show", "msg_1"]);
    assert!(shown.stdout.contains("error     mail is down") && !shown.stdout.contains("hidden"), "{shown:?}");
    assert_eq!(of(&["retry", "msg_1"]).stdout, "ok    msg_1  retried\n");
    assert_eq!(of(&["discard", "msg_2", "--yes"]).stdout, "ok    msg_2  discarded\n");
    assert_eq!(of(&["show", "msg_2"]).code, 1);
    let stats = of(&["stats", "--json"]).objects().remove(0);
    assert_eq!((&stats["ready"], &stats["dead"]), (&json!(1), &json!(1)));
}

/// The same actions with a queue in NATS. The scope is new, because each scope has its own stream.
#[tokio::test(flavor = "multi_thread")]
async fn works_with_a_queue_in_nats() {
    let Some(url) = servers::nats("the queue command") else { return };
    let scope = format!("cli_{}", Owner::random());
    let queue =
        NatsQueue::connect(&url).await.unwrap().with_scope(scope.parse().unwrap()).body_limit(64 * 1024);
    let of =
        |args: &[&str]| process::run(&[&["queue"], args, &["--database", &url, "--scope", &scope]].concat());
    let run = of(&["list"]);
    assert_eq!(run.code, 2, "{run:?}");
    let text = format!("the stream clerk_webhook_{scope} is missing: check --scope and --prefix");
    assert!(run.stderr.contains(&text), "{run:?}");

    queue.migrate().await.unwrap();
    shows_retries_and_discards(&queue, &of).await;
    assert_eq!(of(&["list", "--table", "jobs"]).code, 2);
    let other = of(&["list", "--prefix", "shop"]);
    assert!(other.stderr.contains(&format!("the stream shop_{scope} is missing")), "{other:?}");
    assert!(of(&["list", "--prefix", "a.b"]).stderr.contains("--prefix: the prefix is invalid"));

    let output =
        command().args(["queue", "stats", "--json", "--scope", &scope]).env("NATS_URL", &url).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap().lines().count(), 1);
    let delete = format!("$JS.API.STREAM.DELETE.clerk_webhook_{scope}");
    queue.client().request(delete, "".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn works_with_a_queue_in_postgres() {
    let Some(url) = servers::postgres("the queue command") else { return };
    let pool = PgPool::connect(&url).await.unwrap();
    let table = format!("cli_{}", Owner::random());
    let schema = format!("{table}_graphile");
    let queue = PostgresQueue::new(pool).table(&table).unwrap().graphile_schema(&schema).unwrap();
    let of = |args: &[&str]| {
        let names = ["--database", &url, "--table", &table, "--graphile-schema", &schema];
        process::run(&[&["queue"], args, &names].concat())
    };
    for action in [&["list"][..], &["retry", "msg_1"]] {
        let run = of(action);
        assert_eq!(run.code, 2, "{run:?}");
        let text = format!("relation \"{table}\" does not exist. Call `migrate()`");
        let hint = "check --table and --graphile-schema";
        assert!(run.stderr.contains(&text) && run.stderr.contains(hint), "{run:?}");
    }
    queue.migrate().await.unwrap();
    shows_retries_and_discards(&queue, &of).await;
    let drop = format!("DROP TABLE {table}; DROP SCHEMA {schema} CASCADE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(queue.pool()).await.unwrap();
}

#[test]
fn says_that_postgres_cannot_be_reached_without_the_password() {
    let url = format!("postgres://ada:hunter2@{}/app", closed_port());
    let run = run(&["queue", "list", "--database", &url]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("cannot connect to the Postgres server of --database"), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn does_not_guess_which_of_two_variables_names_the_queue() {
    let output = command()
        .args(["queue", "list"])
        .envs([("DATABASE_URL", "queue.db"), ("NATS_URL", "nats://127.0.0.1:1")])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("are both set"), "{error}");
}

#[test]
fn says_that_nats_cannot_be_reached_without_the_password() {
    for (user, expected) in
        [("", "cannot connect to NATS"), ("ada:hunter2@", "cannot connect to the NATS server")]
    {
        let url = format!("nats://{user}{}", closed_port());
        let run = run(&["queue", "list", "--database", &url]);
        assert_eq!(run.code, 3, "{run:?}");
        assert!(run.stderr.contains(expected) && !run.stderr.contains("hunter2"), "{run:?}");
    }
    let run = run(&["queue", "list", "--database", "nats://ada:hunter2@host:port"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn never_prints_the_url_and_says_what_to_pass() {
    for database in
        ["postgres://ada:hunter2@127.0.0.1:port/app", "mysql://ada:hunter2@host", "sqlite:a?hunter2=1"]
    {
        for run in [
            run(&["queue", "list", "--database", database]),
            run(&["queue", "stats", "--json", "--database", database]),
        ] {
            assert_eq!(run.code, 2, "{run:?}");
            assert!(run.stderr.contains("--database does not name a queue"), "{run:?}");
            assert!(!format!("{run:?}").contains("hunter2"), "{run:?}");
        }
    }
    for (database, text) in [
        ("nats://a:4222,nats://b:4222", "pass the URL of one of them"),
        ("tls://host:4222", "does not support for NATS"),
        (env!("CARGO_TARGET_TMPDIR"), "is a folder"),
    ] {
        let run = run(&["queue", "list", "--database", database]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(text), "{run:?}");
    }
    let run = run(&["queue", "list"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("set DATABASE_URL or NATS_URL"), "{run:?}");
}
