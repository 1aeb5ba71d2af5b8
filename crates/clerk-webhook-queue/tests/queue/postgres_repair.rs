//! How the Postgres queue repairs the jobs of graphile_worker.

use clerk_webhook_queue::{DeliveryQueue as _, Job, JobQueue as _, TakeOptions};

use crate::database::Database;
use crate::file::event;
use crate::postgres::{eventually_taken, take};

#[tokio::test]
async fn a_deleted_ticket_is_added_again() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_ready")).await.unwrap();
    queue.enqueue(&event("msg_crashed")).await.unwrap();
    let crashed = take(&database.open().await).await.unwrap();
    database.execute(&format!("DELETE FROM {}._private_jobs", database.graphile())).await;
    database.execute(&format!("UPDATE {} SET lease_until = 0 WHERE state = 2", database.table())).await;
    // The first call of a queue finds no ticket, and repairs them the next time that it has read the task.
    let mut taken =
        [eventually_taken_by_a_new_queue(&database).await, eventually_taken_by_a_new_queue(&database).await];
    taken.sort_by_key(|job| job.lease.attempt());
    assert_eq!(taken[1].event.message_id(), crashed.event.message_id());
    assert_eq!(taken.each_ref().map(|job| job.lease.attempt()), [1, 2]);
    database.close().await;
}

async fn eventually_taken_by_a_new_queue(database: &Database) -> Job {
    let queue = database.open().await;
    eventually_taken(&queue, &TakeOptions::default()).await
}

#[tokio::test]
async fn a_ticket_that_graphile_has_abandoned_is_replaced() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    for (id, change) in [
        ("msg_locked", "locked_by = 'dead', locked_at = now() - interval '6 minutes'"),
        ("msg_failed", "attempts = max_attempts"),
        ("msg_claimed", "locked_by = 'alive', locked_at = now() - interval '4 minutes'"),
    ] {
        queue.enqueue(&event(id)).await.unwrap();
        let tickets = format!("{}._private_jobs", database.graphile());
        database.execute(&format!("UPDATE {tickets} SET {change} WHERE key LIKE '%:{id}'")).await;
    }
    let mut taken = Vec::new();
    while let Some(job) = take(&queue).await {
        taken.push(job.event.message_id().to_string());
    }
    taken.sort();
    assert_eq!(taken, ["msg_failed", "msg_locked"]);
    // The next repair deletes the ticket that has failed. A worker of graphile_worker may return to the locked one.
    assert_eq!(database.tickets().await, 5);
    assert!(take(&database.open().await).await.is_none());
    assert_eq!(database.tickets().await, 4);
    database.close().await;
}

#[tokio::test]
async fn any_number_of_deleted_tickets_is_added_again_at_once() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let table = database.table();
    database
        .execute(&format!(
            "INSERT INTO {table} (scope, message_id, state, event_type, attempts, available_at, attempted_at,
                 enqueued_at, payload)
             SELECT 'clerk', 'msg_' || n, 0, 'user.created', 0, n, 0, 0, '{{\"type\":\"x\"}}'
               FROM generate_series(1, 205) AS n"
        ))
        .await;
    let mut taken = 0;
    while take(&queue).await.is_some() {
        taken += 1;
    }
    assert_eq!(taken, 205);
    database.close().await;
}

#[tokio::test]
async fn an_idle_worker_finds_the_new_id_of_the_task_before_it_waits() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = take(&queue).await.unwrap();
    let _ = queue.complete(&job.lease).await.unwrap();
    // graphile_worker's clean-up deletes a task that has no ticket.
    let graphile = database.graphile();
    database
        .execute(&format!("DELETE FROM {graphile}._private_jobs; DELETE FROM {graphile}._private_tasks"))
        .await;
    queue.enqueue(&event("msg_2")).await.unwrap();
    assert_eq!(take(&queue).await.unwrap().event.message_id().as_str(), "msg_2");
    database.close().await;
}
