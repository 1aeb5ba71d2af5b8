//! What the Postgres queue does beyond the conformance suite.

use std::time::Duration;

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::{
    DeliveryQueue as _, Enqueued, Job, JobQueue as _, PostgresQueue, TakeOptions, purge,
};
use clerk_webhook_store::{DEFAULT_RETENTION, LeaseState};
use sqlx::Executor as _;
use tokio::time::{sleep, timeout};

use crate::database::Database;
use crate::file::event;

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn leased(lease: Duration) -> TakeOptions {
    let mut options = TakeOptions::default();
    options.lease = lease;
    options
}

pub(crate) async fn take(queue: &PostgresQueue) -> Option<Job> {
    queue.take(&TakeOptions::default()).await.unwrap()
}

/// Returns an event about the object.
pub(crate) fn event_about(id: &str, object: &str) -> Event {
    let body = format!(r#"{{"data":{{"id":"{object}"}},"type":"user.updated"}}"#);
    Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
}

/// Takes the next job when it is ready.
pub(crate) async fn eventually_taken(queue: &PostgresQueue, options: &TakeOptions) -> Job {
    let taking = async {
        loop {
            match queue.take(options).await.unwrap() {
                Some(job) => return job,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(LONG, taking).await.unwrap()
}

#[tokio::test]
async fn an_event_commits_and_rolls_back_with_the_transaction_of_the_caller() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        let (queue, other) = (database.open().await, database.open().await);
        for (commits, expected) in [(false, 0), (true, 1)] {
            let mut transaction = queue.pool().begin().await.unwrap();
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
            assert_eq!(other.stats().await.unwrap().ready, expected);
            assert_eq!(database.tickets().await, i64::try_from(expected).unwrap());
        }
        assert_eq!(other.enqueue(&event("msg_1")).await.unwrap(), Enqueued::Duplicate);
        assert!(take(&other).await.is_some());
        database.close().await;
    }
}

#[tokio::test]
async fn a_job_is_done_if_the_transaction_of_the_caller_commits() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        let queue = database.open().await;
        queue.enqueue(&event("msg_1")).await.unwrap();
        let job = take(&queue).await.unwrap();
        for (commits, running) in [(false, 1), (true, 0)] {
            let mut transaction = queue.pool().begin().await.unwrap();
            assert_eq!(queue.complete_in(&mut transaction, &job.lease).await.unwrap(), LeaseState::Held);
            if commits {
                transaction.commit().await.unwrap();
            } else {
                transaction.rollback().await.unwrap();
            }
            assert_eq!(queue.stats().await.unwrap().running, running);
            assert_eq!(database.tickets().await, i64::try_from(running).unwrap());
        }
        assert_eq!(queue.give_back(&job.lease).await.unwrap(), LeaseState::Lost);
        database.close().await;
    }
}

#[tokio::test]
async fn a_ticket_contains_only_ids_and_is_removed_at_the_end() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_done")).await.unwrap();
    let payload = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT payload::text || flags::text || max_attempts FROM {}._private_jobs",
        database.graphile()
    )));
    let payload: String = payload.fetch_one(queue.pool()).await.unwrap();
    let (table, flag) = (database.table(), format!("clerk_webhook:{}:clerk", database.table()));
    let clock = database.number("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint").await;
    let job = take(&queue).await.unwrap();
    assert!((clock..clock + 30_000).contains(&job.taken_at.as_millis()), "{job:?}");
    let _ = queue.give_back(&job.lease).await.unwrap();
    let expected = format!(
        r#"{{"table" : "{table}", "scope" : "clerk", "message_id" : "msg_done"}}{{"{flag}": true}}32767"#
    );
    assert_eq!(payload, expected);

    queue.enqueue(&event("msg_buried")).await.unwrap();
    for _ in 0..2 {
        let job = take(&queue).await.unwrap();
        assert_eq!(queue.retry(&job.lease, Duration::ZERO, "a failure").await.unwrap(), LeaseState::Held);
    }
    assert_eq!(database.tickets().await, 2);
    let job = take(&queue).await.unwrap();
    let _ = queue.complete(&job.lease).await.unwrap();
    let job = take(&queue).await.unwrap();
    let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    assert_eq!(database.tickets().await, 0);
    assert!(queue.retry_dead(job.event.message_id()).await.unwrap());
    assert_eq!(database.tickets().await, 1);
    database.close().await;
}

#[tokio::test]
async fn deletes_the_body_and_the_error_when_a_job_is_done() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_done", "msg_discarded"] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = take(&queue).await.unwrap();
        let _ = queue.retry(&job.lease, Duration::ZERO, "a failure\0").await.unwrap();
        let job = take(&queue).await.unwrap();
        if id == "msg_done" {
            let _ = queue.complete(&job.lease).await.unwrap();
        } else {
            let _ = queue.bury(&job.lease, "a failure").await.unwrap();
            assert!(queue.discard(job.event.message_id()).await.unwrap());
        }
    }
    let rows = format!(
        "SELECT count(*) FROM {} WHERE state = 1 AND payload IS NULL AND object_id IS NULL
            AND last_error IS NULL AND lease_until IS NULL",
        database.table()
    );
    assert_eq!(database.number(&rows).await, 2);
    database.close().await;
}

#[tokio::test]
async fn a_job_with_a_changed_body_becomes_a_dead_letter() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event(id)).await.unwrap();
    }
    let table = database.table();
    database.execute(&format!("UPDATE {table} SET payload = '\\xff' WHERE message_id = 'msg_1'")).await;
    assert_eq!(take(&queue).await.unwrap().event.message_id().as_str(), "msg_2");
    let dead = queue.dead_letters(9).await.unwrap();
    assert_eq!(dead[0].last_error.as_deref(), Some("the stored body is not an event"));
    assert!(dead[0].event().is_err());
    database.close().await;
}

#[tokio::test]
async fn an_event_replaces_an_old_ticket_with_its_message_id() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    // Its ticket waits for the end of the lease.
    let _ = take(&queue).await.unwrap();
    database.execute(&format!("DELETE FROM {}", database.table())).await;
    assert_eq!(queue.enqueue(&event("msg_1")).await.unwrap(), Enqueued::New);
    assert_eq!(database.tickets().await, 1);
    assert_eq!(take(&queue).await.unwrap().lease.attempt(), 1);
    database.close().await;
}

#[tokio::test]
async fn jobs_about_a_busy_object_wait_without_a_visible_ticket() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2", "msg_3"] {
        queue.enqueue(&event_about(id, "user_1")).await.unwrap();
    }
    let first = take(&queue).await.unwrap();
    assert!(take(&queue).await.is_none());
    let visible = format!("SELECT count(*) FROM {}._private_jobs WHERE run_at <= now()", database.graphile());
    assert_eq!(database.number(&visible).await, 0);

    // Each way to end the attempt makes exactly one of the other jobs visible.
    let _ = queue.bury(&first.lease, "a failure").await.unwrap();
    assert_eq!(database.number(&visible).await, 1);
    let second = take(&queue).await.unwrap();
    let _ = queue.retry(&second.lease, LONG, "a failure").await.unwrap();
    assert_eq!(database.number(&visible).await, 1);
    let third = take(&queue).await.unwrap();
    assert!(take(&queue).await.is_none());
    let _ = queue.complete(&third.lease).await.unwrap();
    assert!(take(&queue).await.is_none(), "the second job was taken before its delay was over");
    database.close().await;
}

#[tokio::test]
async fn a_shorter_lease_makes_the_waiting_jobs_ready_earlier() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event_about(id, "user_1")).await.unwrap();
    }
    let job = take(&queue).await.unwrap();
    assert!(take(&queue).await.is_none());
    assert_eq!(queue.renew(&job.lease, Duration::from_millis(50)).await.unwrap(), LeaseState::Held);
    let soon = format!(
        "SELECT count(*) FROM {}._private_jobs WHERE run_at < now() + interval '1 s'",
        database.graphile()
    );
    assert_eq!(database.number(&soon).await, 2);
    let _ = eventually_taken(&queue, &TakeOptions::default()).await;
    database.close().await;
}

#[tokio::test]
async fn a_new_event_wakes_a_waiting_worker_of_the_process_or_of_another_process() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    timeout(LONG, queue.wait(LONG * 60)).await.unwrap();

    let (listening, other) = (database.open().await.listen().await.unwrap(), database.open().await);
    // Notifications of the other tests, which use the same database, may end the first calls.
    for number in 0..20 {
        let waiting = tokio::spawn({
            let listening = listening.clone();
            async move { listening.wait(LONG * 60).await }
        });
        other.enqueue(&event(&format!("msg_other_{number}"))).await.unwrap();
        timeout(LONG, waiting).await.unwrap().unwrap();
    }
    database.close().await;
}

#[tokio::test]
async fn a_listener_connects_again_and_stops_with_its_queue() {
    let Some(database) = Database::separate().await else { return };
    let (queue, other) = (database.open().await.listen().await.unwrap(), database.open().await);
    let listeners = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(database.number(listeners).await, 1);
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
        )
        .await;
    timeout(LONG, queue.wait(LONG * 60)).await.unwrap();
    let listens = async {
        while database.number(listeners).await == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        // The wait ends only with a notification of the new connection.
        while timeout(Duration::ZERO, queue.wait(LONG)).await.is_ok() {}
    };
    timeout(LONG, listens).await.unwrap();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.wait(LONG * 60).await }
    });
    other.enqueue(&event("msg_1")).await.unwrap();
    timeout(LONG, waiting).await.unwrap().unwrap();

    drop(queue);
    let stopping = async {
        while database.number(listeners).await > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, stopping).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn retries_all_dead_letters_in_batches() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let table = database.table();
    database
        .execute(&format!(
            "INSERT INTO {table} (scope, message_id, state, event_type, attempts, available_at, attempted_at,
                 enqueued_at, ended_at, owner, payload)
             SELECT 'clerk', 'msg_' || n, 3, CASE n % 2 WHEN 1 THEN 'user.created' ELSE 'user.deleted' END, 1, 0,
                 0, 0, n, gen_random_uuid(), '' FROM generate_series(1, 1005) AS n"
        ))
        .await;
    assert_eq!(queue.retry_all_dead(Some(&"user.created".into())).await.unwrap(), 503);
    assert_eq!(queue.retry_all_dead(None).await.unwrap(), 502);
    let rows = format!(
        "SELECT count(*) FROM {table} WHERE state = 0 AND owner IS NULL AND attempts = 0 AND ended_at IS NULL"
    );
    assert_eq!(database.number(&rows).await, 1005);
    assert_eq!(database.tickets().await, 1005);
    assert_eq!(queue.retry_all_dead(None).await.unwrap(), 0);
    database.close().await;
}

#[tokio::test]
async fn purge_keeps_messages_for_at_least_seven_days() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for (id, days) in [("msg_new", 6), ("msg_old", 8), ("msg_ancient", 31)] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = take(&queue).await.unwrap();
        let _ = queue.complete(&job.lease).await.unwrap();
        let table = database.table();
        let age = format!(
            "UPDATE {table} SET ended_at = ended_at - {days} * 86400000::bigint WHERE message_id = '{id}'"
        );
        database.execute(&age).await;
        // A second completion keeps the time of the first one.
        let _ = queue.complete(&job.lease).await.unwrap();
    }
    assert_eq!(purge(&queue, DEFAULT_RETENTION).await.unwrap(), 1);
    assert_eq!(purge(&queue, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(queue.enqueue(&event("msg_new")).await.unwrap(), Enqueued::Duplicate);
    database.close().await;
}

#[tokio::test]
async fn a_call_ends_even_if_there_is_always_a_ticket_whose_job_cannot_be_taken() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for number in 0..300 {
        queue.enqueue(&event(&format!("msg_{number}"))).await.unwrap();
    }
    let mut busy = queue.pool().begin().await.unwrap();
    let lock = format!("SELECT 1 FROM {} FOR UPDATE", database.table());
    busy.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    assert!(timeout(Duration::from_secs(20), take(&queue)).await.unwrap().is_none());
    assert_eq!(database.tickets().await, 300, "the call has deleted a ticket");
    busy.rollback().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_call_waits_for_a_lock_for_less_time_than_a_worker_waits_for_the_call() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event(id)).await.unwrap();
    }
    let lease = take(&queue).await.unwrap().lease;
    let mut locking = queue.pool().begin().await.unwrap();
    let lock = format!("SELECT FROM {} FOR UPDATE", database.table());
    locking.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    assert_eq!(queue.enqueue_in(&mut locking, &event("msg_3")).await.unwrap(), Enqueued::New);
    let (third, error) = (event("msg_3"), "an error");
    let results = tokio::join!(
        async { queue.complete(&lease).await.map(drop) },
        async { queue.renew(&lease, LONG).await.map(drop) },
        async { queue.retry(&lease, LONG, error).await.map(drop) },
        async { queue.give_back(&lease).await.map(drop) },
        async { queue.bury(&lease, error).await.map(drop) },
        async { queue.enqueue(&third).await.map(drop) },
    );
    let results = [results.0, results.1, results.2, results.3, results.4, results.5];
    for (place, result) in results.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("55P03"), "{place}");
    }
    locking.rollback().await.unwrap();
    assert_eq!(queue.complete(&lease).await.unwrap(), LeaseState::Held);
    database.close().await;
}

#[tokio::test]
async fn stores_an_event_whose_type_and_object_contain_what_postgres_cannot_store() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let event_type = format!("two\0words{}", "x".repeat(5000));
    let body = serde_json::json!({ "data": { "id": "a\0b" }, "type": event_type }).to_string();
    let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(queue.enqueue(&event).await.unwrap(), Enqueued::New);
    assert_eq!(take(&queue).await.unwrap().event.event_type().as_str(), event_type);
    database.close().await;
}
