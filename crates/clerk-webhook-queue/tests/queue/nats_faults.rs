//! The NATS queue continues after faults of the server, or of the people who operate it.

use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::{self, stream::Stream};
use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::{
    DeliveryQueue as _, Enqueued, Job, JobQueue as _, NatsQueue, NatsQueueError, TakeOptions,
};
use clerk_webhook_store::LeaseState;
use clerk_webhook_tests::servers::Nats;
use futures_util::TryStreamExt as _;
use tokio::time::timeout;

use crate::file::event;

const LONG: Duration = Duration::from_secs(60);

async fn connect(server: &Nats) -> NatsQueue {
    let queue = NatsQueue::connect(&server.url()).await.unwrap();
    queue.migrate().await.unwrap();
    queue
}

async fn enqueue(queue: &NatsQueue, ids: &[&str]) {
    for id in ids {
        assert_eq!(queue.enqueue(&event(id)).await.unwrap(), Enqueued::New, "{id}");
    }
}

async fn take(queue: &NatsQueue) -> Option<Job> {
    queue.take(&TakeOptions::default()).await.unwrap()
}

/// Takes and completes jobs, as a worker does, until the queue contains no more, and returns their ids.
async fn drain(queue: &NatsQueue) -> Vec<String> {
    let mut ids = Vec::new();
    let drained = async {
        loop {
            match queue.take(&TakeOptions::default()).await {
                Ok(Some(job)) => {
                    assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);
                    ids.push(job.event.message_id().to_string());
                }
                Ok(None) => break,
                // The client has not reconnected yet.
                Err(_) => {}
            }
        }
    };
    timeout(LONG, drained).await.unwrap();
    ids.sort();
    ids
}

#[tokio::test]
async fn finds_the_jobs_of_a_server_that_has_lost_all_files() {
    let Some(mut server) = Nats::start("the test of lost files of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_1", "msg_2", "msg_3"]).await;
    assert_eq!(drain(&queue).await.len(), 3);

    server.kill();
    server.wipe();
    server.restart();
    // The new sequences are lower than those that the client has seen.
    let other = connect(&server).await;
    enqueue(&other, &["msg_4", "msg_5"]).await;
    let waiting = async { while drain(&queue).await.is_empty() {} };
    timeout(LONG, waiting).await.unwrap();
    assert_eq!(other.stats().await.unwrap().ready, 0);
    enqueue(&other, &["msg_6"]).await;
    assert_eq!(drain(&queue).await, ["msg_6"]);
}

#[tokio::test]
async fn finds_the_jobs_of_a_server_that_has_lost_its_last_records() {
    let Some(mut server) = Nats::start("the test of lost records of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_1", "msg_2"]).await;
    server.kill();
    server.back_up();
    server.restart();
    let lost = connect(&server).await;
    let waiting = async { while queue.stats().await.is_err() {} };
    timeout(LONG, waiting).await.unwrap();
    let job = take(&queue).await.unwrap();
    assert_eq!(queue.retry(&job.lease, Duration::ZERO, "a failure").await.unwrap(), LeaseState::Held);
    enqueue(&lost, &["msg_lost"]).await;
    assert_eq!(queue.stats().await.unwrap().ready, 3);

    server.kill();
    server.recover();
    server.restart();
    // The new sequences pass those that the client has seen, before the client reads the stream again.
    let other = connect(&server).await;
    enqueue(&other, &["msg_3", "msg_4", "msg_5", "msg_6", "msg_7"]).await;
    let ids = drain(&queue).await;
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5", "msg_6", "msg_7"]);
    assert_eq!(queue.stats().await.unwrap(), other.stats().await.unwrap());
}

#[tokio::test]
async fn finds_the_jobs_whose_records_have_the_sequences_of_lost_ones() {
    let Some(mut server) = Nats::start("the test of replaced records of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_1"]).await;
    assert_eq!(drain(&queue).await, ["msg_1"]);
    server.kill();
    server.back_up();
    server.restart();
    // In some rounds, the client creates its consumer again before it has read the record that the server loses.
    for _ in 0..8 {
        enqueue(&connect(&server).await, &["msg_lost"]).await;
        let waiting = async { while !queue.stats().await.is_ok_and(|stats| stats.ready == 1) {} };
        timeout(LONG, waiting).await.unwrap();

        server.kill();
        server.recover();
        server.restart();
        enqueue(&connect(&server).await, &["msg_2"]).await;
        let waiting = async { while queue.stats().await.is_err() {} };
        timeout(LONG, waiting).await.unwrap();
        assert_eq!(drain(&queue).await, ["msg_2"]);
        server.kill();
        server.recover();
        server.restart();
    }
}

#[tokio::test]
async fn finds_the_jobs_of_a_stream_that_somebody_has_created_again() {
    let Some(server) = Nats::start("the test of replaced streams of NatsQueue") else { return };
    let (queue, other) = (connect(&server).await, connect(&server).await);
    enqueue(&queue, &["msg_1"]).await;
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    jetstream::new(other.client().clone()).delete_stream("clerk_webhook_clerk").await.unwrap();
    other.migrate().await.unwrap();
    enqueue(&other, &["msg_2"]).await;
    assert_eq!(drain(&queue).await, ["msg_2"]);
}

#[tokio::test]
async fn two_processes_that_purge_at_the_same_time_delete_everything() {
    let Some(server) = Nats::start("the test of two purges of NatsQueue") else { return };
    let (queue, other) = (connect(&server).await, connect(&server).await);
    for number in 0..400 {
        enqueue(&queue, &[&format!("msg_{number}")]).await;
    }
    assert_eq!(drain(&queue).await.len(), 400);
    let purge = async |queue: &NatsQueue| {
        let mut purged = 0;
        loop {
            let batch = queue.purge(Duration::ZERO, 50).await.unwrap();
            purged += batch;
            assert!(batch <= 50, "{batch}");
            if batch < 50 {
                return purged;
            }
        }
    };
    let (one, two) = tokio::join!(purge(&queue), purge(&other));
    assert_eq!(one + two, 400);
}

#[tokio::test]
async fn a_purge_returns_the_error_of_a_server_that_deletes_nothing() {
    let Some(server) = Nats::start("the test of a rejected purge of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_1"]).await;
    drain(&queue).await;
    let mut config = stream(&queue).await.cached_info().config.clone();
    config.deny_delete = true;
    jetstream::new(queue.client().clone()).update_stream(config).await.unwrap();
    let error = queue.purge(Duration::ZERO, 50).await.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(error.source().unwrap().to_string().contains("not permitted"));
}

#[tokio::test]
async fn skips_a_job_that_a_foreign_message_has_replaced() {
    let Some(server) = Nats::start("the test of foreign messages of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_*", "msg_2"]).await;
    assert_eq!(queue.stats().await.unwrap().ready, 2);
    let context = jetstream::new(queue.client().clone());
    let foreign = context.publish("clerk_webhook.clerk.message.msg_%2A", "{}".into()).await.unwrap();
    let sequence = foreign.await.unwrap().sequence;
    assert_eq!(drain(&queue).await, ["msg_2"]);
    assert_eq!(queue.stats().await.unwrap().ready, 0);
    let error = queue.dead_letter(&"msg_*".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("`nats stream rmm clerk_webhook_clerk {sequence}`")), "{error}");
    assert!(take(&connect(&server).await).await.is_none());
}

#[tokio::test]
async fn skips_a_job_that_has_become_too_large() {
    let Some(mut server) = Nats::start("the test of large jobs of NatsQueue") else { return };
    let (queue, other) = (connect(&server).await, connect(&server).await);
    let body = format!(r#"{{"data":{{"name":"{}"}},"type":"user.created"}}"#, "x".repeat(200 * 1024));
    let large = Event::from_trusted("msg_large".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(queue.enqueue(&large).await.unwrap(), Enqueued::New);
    enqueue(&queue, &["msg_1", "msg_2"]).await;
    let mut config = stream(&queue).await.cached_info().config.clone();
    config.max_message_size = 100 * 1024;
    jetstream::new(queue.client().clone()).update_stream(config.clone()).await.unwrap();
    assert_eq!(drain(&queue).await, ["msg_1", "msg_2"]);
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    let body = large.raw_body().clone();
    let another = Event::from_trusted("msg_another".parse().unwrap(), Timestamp::now(), body).unwrap();
    match queue.enqueue(&another).await.unwrap_err() {
        NatsQueueError::TooLarge { size, .. } => {
            let body = another.raw_body().len();
            assert!(body < size && size < body + 16 * 1024, "{size}");
        }
        error => panic!("{error}"),
    }

    config.max_message_size = -1;
    jetstream::new(queue.client().clone()).update_stream(config).await.unwrap();
    server.kill();
    server.restart_with("max_payload: 128KB");
    let waiting = async { while queue.enqueue(&event("msg_3")).await.is_err() {} };
    timeout(LONG, waiting).await.unwrap();
    assert_eq!(drain(&queue).await, ["msg_3"]);

    server.kill();
    server.restart_with("max_payload: 4MB");
    assert_eq!(drain(&other).await, ["msg_large"]);
}

#[tokio::test]
async fn a_job_keeps_its_attempts_if_the_client_cannot_see_the_order_of_leases() {
    let Some(server) = Nats::start("the test of lost consumers of NatsQueue") else { return };
    let queue = connect(&server).await.timeout(Duration::from_millis(500));
    enqueue(&queue, &["msg_1"]).await;
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    delete_consumers(&queue).await;
    let mut options = TakeOptions::default();
    assert!(queue.take(&options).await.is_err());
    options.max_attempts = 0;
    assert!(queue.take(&options).await.unwrap().is_none());
    let dead = queue.dead_letter(&"msg_1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((dead.attempts, &dead.last_error), (0, &None));
    assert!(queue.retry_dead(&dead.message_id).await.unwrap());
    let job = take(&queue).await.expect("the job waits for the end of a lease that nobody holds");
    assert_eq!(job.lease.attempt(), 1);
    assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);

    // Without ordering, the answer of the server suffices.
    enqueue(&queue, &["msg_2"]).await;
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    delete_consumers(&queue).await;
    let mut options = TakeOptions::default();
    options.one_object_at_a_time = false;
    let job = queue.take(&options).await.unwrap().unwrap();
    assert_eq!(queue.renew(&job.lease, LONG).await.unwrap(), LeaseState::Held);
    assert_eq!(queue.renew(&job.lease, LONG).await.unwrap(), LeaseState::Held);
}

#[tokio::test]
async fn forgets_dead_letters_that_somebody_has_deleted_on_the_server() {
    let Some(server) = Nats::start("the test of deleted dead letters of NatsQueue") else { return };
    let queue = connect(&server).await;
    enqueue(&queue, &["msg_1", "msg_2", "msg_3"]).await;
    while let Some(job) = take(&queue).await {
        assert_eq!(queue.bury(&job.lease, "a failure").await.unwrap(), LeaseState::Held);
    }
    assert_eq!(queue.stats().await.unwrap().dead, 3);
    let stream = stream(&queue).await;
    let subject = "clerk_webhook.clerk.message.msg_2";
    let second = stream.get_last_raw_message_by_subject(subject).await.unwrap().sequence;
    assert!(stream.delete_message(second).await.unwrap());
    assert_eq!(queue.dead_letters(9).await.unwrap().len(), 2);
    assert_eq!(queue.stats().await.unwrap().dead, 2);

    stream.purge().await.unwrap();
    assert_eq!(queue.stats().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_new_process_reads_all_records_before_it_takes_a_job() {
    let Some(server) = Nats::start("the test of the first reading of NatsQueue") else { return };
    let queue = connect(&server).await;
    for id in ["msg_1", "msg_2"] {
        let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        assert_eq!(queue.enqueue(&event).await.unwrap(), Enqueued::New);
    }
    let mut options = TakeOptions::default();
    options.one_object_at_a_time = false;
    let (one, two) = (queue.take(&options).await.unwrap(), queue.take(&options).await.unwrap());
    let _ = queue.give_back(&one.unwrap().lease).await.unwrap();
    let context = jetstream::new(queue.client().clone());
    for number in 0..10_000 {
        let stored = context.publish(format!("clerk_webhook.clerk.x.{number}"), "".into()).await.unwrap();
        if number % 1000 == 999 {
            stored.await.unwrap();
        }
    }
    // The last record of the stream is a lease for the same object.
    let _ = queue.renew(&two.unwrap().lease, LONG).await.unwrap();
    let last = stream(&queue).await.cached_info().state.last_sequence;
    let fresh = connect(&server).await;
    // The calls return during the first reading.
    while timeout(Duration::from_millis(2), async { assert!(take(&fresh).await.is_none()) }).await.is_err() {}
    assert_eq!(stream(&queue).await.cached_info().state.last_sequence, last);
}

async fn stream(queue: &NatsQueue) -> Stream {
    jetstream::new(queue.client().clone()).get_stream("clerk_webhook_clerk").await.unwrap()
}

async fn delete_consumers(queue: &NatsQueue) {
    let stream = stream(queue).await;
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    assert!(!names.is_empty());
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
}
