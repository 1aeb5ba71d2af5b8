//! Many workers that use the same jobs and objects at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, JobQueue as _, TakeOptions, TransactionalQueue as _};
use clerk_webhook_store::Owner;
use tokio::task::JoinSet;

use crate::database::Database;

const TASKS: u32 = 16;
const JOBS: u32 = 15;

fn random(limit: u32) -> u32 {
    u32::try_from(Owner::random().as_u128() % u128::from(limit)).unwrap()
}

fn event(task: u32, number: u32) -> Event {
    let body = format!(r#"{{"data":{{"id":"user_{}"}},"type":"user.updated"}}"#, random(4));
    let id = format!("msg_{task}_{number}").parse().unwrap();
    Event::from_trusted(id, Timestamp::now(), body.into()).unwrap()
}

/// The server counts every deadlock, even those after which a statement was repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_deadlock_and_no_lost_job_in_a_race_of_all_methods() {
    let Some(database) = Database::separate().await else { return };
    let done = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let queues = [database.open().await, database.open().await, database.open().await];
    let mut works = JoinSet::new();
    for task in 0..TASKS {
        let (queue, done) = (queues[task as usize % queues.len()].clone(), Arc::clone(&done));
        works.spawn(async move {
            for number in 0..JOBS {
                queue.enqueue(&event(task, number)).await.unwrap();
            }
            let give_up = Instant::now() + Duration::from_secs(90);
            while done.lock().unwrap().len() < (TASKS * JOBS) as usize {
                assert!(Instant::now() < give_up, "jobs are lost: {:?}", queue.stats().await);
                let mut options = TakeOptions::default();
                options.lease = Duration::from_millis([100, 1_500][usize::from(random(10) > 0)]);
                options.max_attempts = 4;
                options.one_object_at_a_time = random(8) > 0;
                let Some(job) = queue.take(&options).await.unwrap() else {
                    if random(4) == 0 {
                        queue.retry_all_dead(None).await.unwrap();
                    }
                    queue.wait(Duration::from_millis(20)).await;
                    continue;
                };
                let lease = &job.lease;
                let completed = match random(10) {
                    0 => queue.retry(lease, Duration::from_millis(5), "a failure").await.map(|_| false),
                    1 => queue.give_back(lease).await.map(|_| false),
                    2 => queue.bury(lease, "a failure").await.map(|_| false),
                    3 => queue.renew(lease, Duration::from_millis(50)).await.map(|_| false),
                    4 => Ok(false),
                    5..7 => match queue.begin(lease, &options).await.unwrap() {
                        Some(transaction) if random(2) == 0 => queue.commit(transaction).await.map(|()| true),
                        Some(transaction) => transaction.rollback().await.map(|()| false),
                        None => Ok(false),
                    },
                    _ => queue
                        .complete(lease)
                        .await
                        .map(|state| state == clerk_webhook_store::LeaseState::Held),
                };
                if completed.unwrap() {
                    *done.lock().unwrap().entry(job.event.message_id().to_string()).or_default() += 1;
                }
            }
        });
    }
    while let Some(worked) = works.join_next().await {
        worked.unwrap();
    }
    assert!(done.lock().unwrap().values().all(|times| *times == 1), "a job was completed twice");
    let stats = queues[0].stats().await.unwrap();
    assert_eq!((stats.ready, stats.running, stats.dead), (0, 0, 0));
    // The server publishes the statistics of a connection when it is idle or closed.
    for queue in &queues {
        queue.pool().close().await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.number(deadlocks).await, 0);
    assert_eq!(database.tickets().await, 0);
    database.close().await;
}
