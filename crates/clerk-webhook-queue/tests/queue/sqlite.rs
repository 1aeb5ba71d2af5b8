//! What the SQLite queue does beyond the conformance suite.

use std::time::Duration;

use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, SqliteQueue, TakeOptions, purge};
use clerk_webhook_store::{DEFAULT_RETENTION, LeaseState};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::file::{File, event};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_event_commits_and_rolls_back_with_the_transaction_of_the_caller() {
    let file = File::new();
    let (queue, other) = (file.open().await, file.open().await);
    sqlx::query("CREATE TABLE effect (id TEXT NOT NULL)").execute(queue.pool()).await.unwrap();
    for (commits, expected) in [(false, 0), (true, 1)] {
        let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO effect (id) VALUES ('msg_1')").execute(&mut *transaction).await.unwrap();
        let enqueued = [
            queue.enqueue_in(&mut transaction, &event("msg_1")).await.unwrap(),
            queue.enqueue_in(&mut transaction, &event("msg_1")).await.unwrap(),
        ];
        assert_eq!(enqueued, [Enqueued::New, Enqueued::Duplicate], "commits: {commits}");
        assert_eq!(other.stats().await.unwrap().ready, 0, "an event is visible before the commit");
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let effects = sqlx::query("SELECT count(*) AS number FROM effect").fetch_one(other.pool()).await;
        assert_eq!(effects.unwrap().get::<u64, _>("number"), expected);
        assert_eq!(other.stats().await.unwrap().ready, expected);
    }
    assert_eq!(other.enqueue(&event("msg_1")).await.unwrap(), Enqueued::Duplicate);
}

#[tokio::test]
async fn a_job_is_done_if_the_transaction_of_the_caller_commits() {
    let file = File::new();
    let queue = file.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let options = TakeOptions::default();
    let job = queue.take(&options).await.unwrap().unwrap();

    let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(queue.complete_in(&mut transaction, &job.lease).await.unwrap(), LeaseState::Held);
    transaction.rollback().await.unwrap();
    assert_eq!(queue.stats().await.unwrap().running, 1);

    let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(queue.complete_in(&mut transaction, &job.lease).await.unwrap(), LeaseState::Held);
    transaction.commit().await.unwrap();
    assert_eq!(queue.stats().await.unwrap().running, 0);
    assert_eq!(queue.give_back(&job.lease).await.unwrap(), LeaseState::Lost);
}

#[tokio::test]
async fn deletes_the_body_and_the_error_when_a_job_is_done() {
    let file = File::new();
    let queue = file.open().await;
    for id in ["msg_done", "msg_discarded"] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        let _ = queue.retry(&job.lease, Duration::ZERO, "a failure").await.unwrap();
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        if id == "msg_done" {
            let _ = queue.complete(&job.lease).await.unwrap();
        } else {
            let _ = queue.bury(&job.lease, "a failure").await.unwrap();
            assert!(queue.discard(job.event.message_id()).await.unwrap());
        }
    }
    let rows = sqlx::query(
        "SELECT count(*) AS number FROM clerk_webhook_queue
          WHERE state = 1 AND payload IS NULL AND object_id IS NULL AND last_error IS NULL AND lease_until IS NULL",
    );
    assert_eq!(rows.fetch_one(queue.pool()).await.unwrap().get::<u64, _>("number"), 2);
}

#[tokio::test]
async fn a_job_with_a_changed_body_becomes_a_dead_letter() {
    let file = File::new();
    let queue = file.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event(id)).await.unwrap();
    }
    let change = "UPDATE clerk_webhook_queue SET payload = x'ff' WHERE message_id = 'msg_1'";
    sqlx::query(change).execute(queue.pool()).await.unwrap();
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    assert_eq!(job.event.message_id(), &"msg_2".parse().unwrap());
    let dead = queue.dead_letters(9).await.unwrap();
    assert_eq!(dead[0].last_error.as_deref(), Some("the stored body is not an event"));
    assert!(dead[0].event().is_err());
}

#[tokio::test]
async fn a_new_event_wakes_a_waiting_worker_of_the_process() {
    let file = File::new();
    let queue = file.open().await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.wait(LONG * 60).await }
    });
    queue.enqueue(&event("msg_1")).await.unwrap();
    tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();

    // A dead letter that is retried and a job that is given back also wake it.
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    let _ = queue.give_back(&job.lease).await.unwrap();
    tokio::time::timeout(LONG, queue.wait(LONG * 60)).await.unwrap();
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    queue.wait(Duration::ZERO).await;
    assert!(queue.retry_dead(job.event.message_id()).await.unwrap());
    tokio::time::timeout(LONG, queue.wait(LONG * 60)).await.unwrap();
}

#[tokio::test]
async fn a_queue_of_another_table_or_scope_does_not_wake_a_worker() {
    let file = File::new();
    let queue = file.open().await;
    let other = queue.clone().table("other").unwrap();
    other.migrate().await.unwrap();
    other.enqueue(&event("msg_1")).await.unwrap();
    queue.clone().with_scope("other".parse().unwrap()).enqueue(&event("msg_1")).await.unwrap();
    let woken = tokio::time::timeout(Duration::ZERO, queue.wait(LONG)).await;
    assert!(woken.is_err(), "an event of another queue woke the worker");
}

#[tokio::test]
async fn retries_all_dead_letters_in_batches() {
    let file = File::new();
    let queue = file.open().await;
    let fill = "\
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2345)
        INSERT INTO clerk_webhook_queue
            (scope, message_id, state, event_type, attempts, available_at, attempted_at, enqueued_at, ended_at,
             owner, payload)
        SELECT 'clerk', 'msg_' || n, 3, iif(n % 2, 'user.created', 'user.deleted'), 1, 0, 0, 0, n, x'00', x'00'
          FROM number";
    sqlx::query(fill).execute(queue.pool()).await.unwrap();

    // The statement that changes this row fails, and the batch before it remains.
    let fail = "CREATE TRIGGER fail BEFORE UPDATE ON clerk_webhook_queue WHEN NEW.message_id = 'msg_1500'
                BEGIN SELECT RAISE(ABORT, 'intended'); END";
    sqlx::query(fail).execute(queue.pool()).await.unwrap();
    assert!(queue.retry_all_dead(None).await.is_err());
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.dead), (1000, 1345));
    sqlx::query("DROP TRIGGER fail").execute(queue.pool()).await.unwrap();

    assert_eq!(queue.retry_all_dead(Some(&"user.created".into())).await.unwrap(), 673);
    assert_eq!(queue.retry_all_dead(None).await.unwrap(), 672);
    let rows = "SELECT count(*) AS number FROM clerk_webhook_queue
                 WHERE state = 0 AND owner IS NULL AND attempts = 0 AND ended_at IS NULL";
    let rows = sqlx::query(rows).fetch_one(queue.pool()).await.unwrap();
    assert_eq!(rows.get::<u64, _>("number"), 2345);
    assert_eq!(queue.retry_all_dead(None).await.unwrap(), 0);

    // Workers bury each event again as soon as it is retried.
    let dead = "UPDATE clerk_webhook_queue SET state = 3, ended_at = rowid";
    sqlx::query(dead).execute(queue.pool()).await.unwrap();
    let bury = "CREATE TRIGGER bury AFTER UPDATE ON clerk_webhook_queue WHEN NEW.state = 0
                BEGIN UPDATE clerk_webhook_queue SET state = 3, ended_at = 9999 WHERE rowid = NEW.rowid; END";
    sqlx::query(bury).execute(queue.pool()).await.unwrap();
    let retried = tokio::time::timeout(LONG, queue.retry_all_dead(None)).await;
    assert_eq!(retried.expect("the loop does not end").unwrap(), 2345);
}

#[tokio::test]
async fn uses_the_configured_table_of_an_attached_database() {
    let options = SqliteConnectOptions::new().in_memory(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    sqlx::query("ATTACH DATABASE ':memory:' AS \"other\"").execute(&pool).await.unwrap();
    let queue = SqliteQueue::new(pool.clone()).table("other.order").unwrap();
    for _ in 0..2 {
        queue.migrate().await.unwrap();
    }
    queue.enqueue(&event("msg_1")).await.unwrap();
    assert!(queue.take(&TakeOptions::default()).await.unwrap().is_some());
    let names =
        sqlx::query("SELECT name FROM other.sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name");
    let names: Vec<String> =
        names.fetch_all(&pool).await.unwrap().iter().map(|row| row.get("name")).collect();
    assert_eq!(names, ["order", "order_dead", "order_done", "order_ready", "order_running"]);
    assert!(SqliteQueue::new(pool).table("two words").is_err());
}

#[tokio::test]
async fn a_missing_table_is_an_error_with_advice() {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(SqliteConnectOptions::new().in_memory(true)).await.unwrap();
    let queue = SqliteQueue::new(pool);
    let error = queue.enqueue(&event("msg_1")).await.unwrap_err().to_string();
    assert!(error.ends_with("Call `migrate()` when the application starts"), "{error}");
    assert_eq!(queue.answer(event("msg_1")).await.status(), 503);
}

#[tokio::test]
async fn debug_and_errors_show_nothing_of_the_payload() {
    let file = File::new();
    let queue = file.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    let dead = queue.dead_letters(9).await.unwrap();
    for (text, contained) in [
        (format!("{queue:?}"), "SqliteQueue"),
        (format!("{job:?}"), "msg_1"),
        (format!("{dead:?}"), "msg_1"),
        (format!("{:?}", queue.stats().await.unwrap()), "dead: 1"),
    ] {
        assert!(text.contains(contained) && !text.contains("Ada") && !text.contains("user_"), "{text}");
    }
}

#[tokio::test]
async fn purge_keeps_messages_for_at_least_seven_days() {
    let file = File::new();
    let queue = file.open().await;
    for (id, days) in [("msg_new", 6), ("msg_old", 8), ("msg_ancient", 31)] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        let _ = queue.complete(&job.lease).await.unwrap();
        let age = "UPDATE clerk_webhook_queue SET ended_at = ended_at - ? * 86400000 WHERE message_id = ?";
        sqlx::query(age).bind(days).bind(id).execute(queue.pool()).await.unwrap();
        // A second completion keeps the time of the first one.
        let _ = queue.complete(&job.lease).await.unwrap();
    }
    assert_eq!(purge(&queue, DEFAULT_RETENTION).await.unwrap(), 1);
    assert_eq!(purge(&queue, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(queue.enqueue(&event("msg_new")).await.unwrap(), Enqueued::Duplicate);
}

#[tokio::test]
async fn purge_forgets_all_old_messages_in_batches() {
    let file = File::new();
    let queue = file.open().await;
    let fill = "\
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2345)
        INSERT INTO clerk_webhook_queue
            (scope, message_id, state, event_type, attempts, available_at, attempted_at, enqueued_at, ended_at)
        SELECT 'clerk', 'msg_' || n, 1, 'user.created', 1, 0, 0, 0, 0 FROM number";
    sqlx::query(fill).execute(queue.pool()).await.unwrap();
    assert_eq!(purge(&queue, DEFAULT_RETENTION).await.unwrap(), 2345);
}
