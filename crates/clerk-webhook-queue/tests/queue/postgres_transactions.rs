//! Transactions that also mark a job as done.

use std::time::Duration;

use clerk_webhook_queue::{
    DeliveryQueue as _, Enqueued, JobQueue as _, TakeOptions, TransactionalQueue as _,
};
use clerk_webhook_store::{Lease, LeaseState};
use sqlx::Executor as _;
use tokio::time::{sleep, timeout};

use crate::database::Database;
use crate::file::event;
use crate::postgres::{event_about, eventually_taken, leased, take};

#[tokio::test]
async fn an_open_transaction_protects_the_job_and_its_object_after_the_lease() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        let (queue, other) = (database.open().await, database.open().await);
        for id in ["msg_1", "msg_2"] {
            queue.enqueue(&event_about(id, "user_1")).await.unwrap();
        }
        let options = leased(Duration::from_secs(1));
        for commits in [false, true] {
            let job = eventually_taken(&queue, &options).await;
            let transaction = queue.begin(&job.lease, &options).await.unwrap().unwrap();
            sleep(Duration::from_millis(1100)).await;
            let taken = other.take(&TakeOptions::default()).await.unwrap();
            assert!(taken.is_none(), "commits: {commits}");
            if commits {
                queue.commit(transaction).await.unwrap();
            } else {
                transaction.rollback().await.unwrap();
            }
        }
        let next = eventually_taken(&other, &TakeOptions::default()).await;
        let _ = other.complete(&next.lease).await.unwrap();
        assert_eq!(database.tickets().await, 0);
        database.close().await;
    }
}

#[tokio::test]
async fn a_failed_statement_fails_the_commit() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = take(&queue).await.unwrap();
    let mut transaction = queue.begin(&job.lease, &TakeOptions::default()).await.unwrap().unwrap();
    assert!(transaction.execute("SELECT 1 / 0").await.is_err());
    assert!(queue.commit(transaction).await.is_err());
    assert_eq!(queue.stats().await.unwrap().running, 1);
    let _ = queue.complete(&job.lease).await.unwrap();
    let second = queue.begin(&job.lease, &TakeOptions::default()).await.unwrap();
    assert!(second.is_none(), "a transaction began for a job that is done");
    database.close().await;
}

#[tokio::test]
async fn a_duplicate_does_not_wait_for_the_open_transaction_of_its_job() {
    let Some(database) = Database::new().await else { return };
    let (queue, other) = (database.open().await, database.open().await);
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = take(&queue).await.unwrap();
    let transaction = queue.begin(&job.lease, &TakeOptions::default()).await.unwrap().unwrap();
    let enqueued = timeout(Duration::from_secs(2), async { other.enqueue(&event("msg_1")).await.unwrap() });
    assert_eq!(enqueued.await.unwrap(), Enqueued::Duplicate);
    queue.commit(transaction).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn the_server_ends_the_transaction_of_a_machine_that_has_disappeared() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        let queue = database.open().await;
        queue.enqueue(&event("msg_1")).await.unwrap();
        let mut options = leased(Duration::from_secs(1));
        options.max_idle = Some(Duration::from_millis(200));
        let job = eventually_taken(&queue, &options).await;
        // The client sends nothing, and does not close the connection.
        let transaction = queue.begin(&job.lease, &options).await.unwrap().unwrap();
        let again = eventually_taken(&database.open().await, &TakeOptions::default()).await;
        assert_eq!(again.lease.attempt(), 2);
        assert!(queue.commit(transaction).await.is_err());

        options.max_idle = Some(Duration::MAX);
        let transaction = queue.begin(&again.lease, &options).await.unwrap().unwrap();
        queue.commit(transaction).await.unwrap();
        database.close().await;
    }
}

#[tokio::test]
async fn a_transaction_does_not_begin_if_the_lease_expires_while_it_waits_for_the_object() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event_about("msg_1", "user_1")).await.unwrap();
    let options = leased(Duration::from_secs(1));
    let job = take(&queue).await.unwrap();
    assert_eq!(queue.renew(&job.lease, options.lease).await.unwrap(), LeaseState::Held);
    let mut busy = queue.pool().begin().await.unwrap();
    let lock = format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('clerk_webhook:{}:clerk:user_1', 7164785587434629122))",
        database.table()
    );
    busy.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    let beginning = tokio::spawn({
        let (queue, lease) = (queue.clone(), Lease::new(job.lease.key().clone(), job.lease.owner(), 1));
        async move { queue.begin(&lease, &options).await.unwrap().is_some() }
    });
    sleep(Duration::from_millis(1200)).await;
    assert!(!beginning.is_finished(), "the transaction did not wait for the object");
    busy.rollback().await.unwrap();
    assert!(!beginning.await.unwrap());
    database.close().await;
}

#[tokio::test]
async fn a_job_behind_an_open_transaction_is_looked_at_every_few_seconds_after_the_lease() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event_about(id, "user_1")).await.unwrap();
    }
    let options = leased(Duration::from_secs(1));
    let job = take(&queue).await.unwrap();
    assert_eq!(queue.renew(&job.lease, options.lease).await.unwrap(), LeaseState::Held);
    let transaction = queue.begin(&job.lease, &options).await.unwrap().unwrap();
    sleep(Duration::from_millis(1100)).await;
    assert!(take(&queue).await.is_none());
    let later = format!(
        "SELECT count(*) FROM {}._private_jobs WHERE key LIKE '%:msg_2' AND run_at > now() + interval '2 s'",
        database.graphile()
    );
    assert_eq!(database.number(&later).await, 1);
    queue.commit(transaction).await.unwrap();
    assert!(take(&queue).await.is_some());
    database.close().await;
}

#[tokio::test]
async fn a_job_behind_a_transaction_that_was_lost_with_the_last_attempt_is_ready_at_once() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event_about(id, "user_1")).await.unwrap();
    }
    let mut options = leased(Duration::from_secs(1));
    options.max_attempts = 1;
    let job = eventually_taken(&queue, &options).await;
    let transaction = queue.begin(&job.lease, &options).await.unwrap().unwrap();
    sleep(Duration::from_millis(1100)).await;
    // The ticket of the second job is not visible for some seconds.
    assert!(queue.take(&options).await.unwrap().is_none());
    drop(transaction);
    let mut next = None;
    let buried = async {
        while queue.stats().await.unwrap().dead == 0 {
            next = queue.take(&options).await.unwrap();
        }
    };
    timeout(Duration::from_secs(30), buried).await.unwrap();
    let hidden = format!(
        "SELECT count(*) FROM {}._private_jobs WHERE key LIKE '%:msg_2' AND run_at > now()",
        database.graphile()
    );
    assert!(next.is_some() || database.number(&hidden).await == 0);
    database.close().await;
}
