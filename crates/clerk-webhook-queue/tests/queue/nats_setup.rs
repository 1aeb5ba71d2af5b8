//! Migrations, settings and limits of the NATS queue.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use clerk_webhook_core::Outcome;
use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, NatsQueue, NatsQueueError};
use clerk_webhook_store::LeaseState;
use clerk_webhook_tests::servers::{self, Nats};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::file::event;
use crate::nats::{event_of, options, stream_of, take};
use crate::nats_queue::{Names, unreachable};

const LONG: Duration = Duration::from_secs(60);

/// Stores events until the queue is full, and returns their number.
async fn fill(queue: &NatsQueue) -> usize {
    let mut stored = 0;
    loop {
        match queue.enqueue(&event(&format!("msg_{stored}"))).await {
            Ok(enqueued) => assert_eq!(enqueued, Enqueued::New),
            Err(error) => {
                assert!(matches!(error, NatsQueueError::Full), "{error}");
                return stored;
            }
        }
        stored += 1;
        assert!(stored < 10_000, "the queue has no limit");
    }
}

/// Checks that `migrate` fails with an error that contains the text.
async fn refuses_to_migrate(queue: &NatsQueue, text: &str) {
    let error = queue.migrate().await.unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
}

#[tokio::test]
async fn a_full_queue_rejects_new_events_and_its_workers_still_run() {
    let Some(url) = servers::nats("the test of a full NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await.max_bytes(64 * 1024);
    let stored = fill(&queue).await;
    assert!(stored > 2);
    // The limit applies to each stream.
    let other = queue.clone().with_scope("other".parse().unwrap());
    other.migrate().await.unwrap();
    assert_eq!(other.enqueue(&event("msg_new")).await.unwrap(), Enqueued::New);
    assert_eq!(queue.answer(event("msg_new")).await.status(), 503);
    assert!(fill(&other).await > 2);
    for _ in 0..stored {
        let job = take(&queue).await;
        assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);
    }
    assert!(queue.purge(Duration::ZERO, u32::MAX).await.unwrap() > 2);
    assert_eq!(queue.enqueue(&event("msg_new")).await.unwrap(), Enqueued::New);
    names.delete().await;
}

#[tokio::test]
async fn rejects_an_event_that_exceeds_the_max_payload_of_the_server() {
    let Some(server) = Nats::start_with("the test of max_payload of NatsQueue", "max_payload: 256KB") else {
        return;
    };
    let queue = NatsQueue::connect(&server.url()).await.unwrap().body_limit(100 * 1024);
    queue.migrate().await.unwrap();
    let event = |id, length| {
        let data = format!(r#"{{"id":"user_1","name":"{}"}}"#, "x".repeat(length));
        event_of(id, "user.updated", &data)
    };
    // The body, the event type and 16 KiB for the other fields fit exactly.
    let other = event("msg_1", 0).raw_body().len() + "user.updated".len() + 16 * 1024;
    let length = queue.client().max_payload() - other;
    assert_eq!(queue.enqueue(&event("msg_1", length)).await.unwrap(), Enqueued::New);
    let large = event("msg_2", length + 1);
    let error = queue.enqueue(&large).await.unwrap_err();
    assert!(matches!(error, NatsQueueError::TooLarge { .. }), "{error}");
    assert_eq!(queue.answer(large).await.outcome(), Outcome::StoreUnavailable);

    // Each state of the job fits, also with the longest error of characters that JSON escapes.
    let job = take(&queue).await;
    let error = "\u{1}".repeat(4000);
    assert_eq!(queue.retry(&job.lease, Duration::ZERO, &error).await.unwrap(), LeaseState::Held);
    assert_eq!(take(&queue).await.lease.attempt(), 2);

    let error = queue.body_limit(2 * 1024 * 1024).migrate().await.unwrap_err().to_string();
    assert!(error.contains("Set `max_payload: 2113536` in the server's configuration"), "{error}");
}

#[tokio::test]
async fn any_number_of_processes_create_the_stream_at_the_same_time() {
    let Some(url) = servers::nats("the test of migrations of NatsQueue") else { return };
    let names = Names::new(url);
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let queue = names.unmigrated().await;
        processes.spawn(async move { queue.migrate().await });
    }
    for migrated in processes.join_all().await {
        migrated.unwrap();
    }
    names.delete().await;
}

#[tokio::test]
async fn changes_or_rejects_the_settings_of_an_existing_stream() {
    let Some(url) = servers::nats("the test of settings of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    let context = jetstream::new(queue.client().clone());
    let config = stream_of(&names).await.cached_info().config.clone();
    assert!(config.description.as_ref().unwrap().contains("clerk-webhook"));

    let limited = stream::Config { max_bytes: 1_000_000, ..config.clone() };
    let old = stream::DiscardPolicy::Old;
    for changed in [
        stream::Config { max_age: Duration::from_secs(3600), discard: old, ..limited.clone() },
        // The server would reject each change of a job.
        stream::Config { discard_new_per_subject: true, ..limited.clone() },
    ] {
        context.update_stream(&changed).await.unwrap();
        queue.migrate().await.unwrap();
        assert_eq!(stream_of(&names).await.cached_info().config, limited);
    }

    // A server without a cluster may accept replicas for an existing stream.
    let migrated = names.unmigrated().await.replicas(3).migrate().await;
    let replicas = stream_of(&names).await.cached_info().config.num_replicas;
    assert!(migrated.is_err() || replicas == 3, "the stream has {replicas} replicas");
    context.delete_stream(&config.name).await.unwrap();
    let source = stream::Source { name: format!("{}_source", names.prefix), ..Default::default() };
    for (bad, text) in [
        (stream::Config { max_messages_per_subject: 2, ..config.clone() }, "per subject is not 1"),
        (stream::Config { storage: stream::StorageType::Memory, ..config.clone() }, "in memory"),
        (stream::Config { subjects: vec![names.prefix.clone()], ..config.clone() }, "other subjects"),
        (stream::Config { retention: stream::RetentionPolicy::WorkQueue, ..config.clone() }, "retention"),
        (stream::Config { deny_delete: true, ..config.clone() }, "deleting"),
        (stream::Config { no_ack: true, ..config.clone() }, "does not acknowledge"),
        (stream::Config { sources: Some(vec![source]), ..config.clone() }, "copies another stream"),
    ] {
        context.create_stream(bad).await.unwrap();
        refuses_to_migrate(&queue, text).await;
        context.delete_stream(&config.name).await.unwrap();
    }
    // The server rejects replicas for a new stream.
    refuses_to_migrate(&names.unmigrated().await.replicas(3), "NATS rejected a request").await;
    refuses_to_migrate(&unreachable().await, "did not answer within 200ms").await;
}

#[tokio::test]
async fn a_missing_stream_is_an_error_with_advice() {
    let Some(url) = servers::nats("the test of a missing stream of NatsQueue") else { return };
    let queue = Names::new(url).unmigrated().await;
    let errors = [
        queue.enqueue(&event("msg_1")).await.unwrap_err(),
        queue.take(&options()).await.unwrap_err(),
        queue.discard(&"msg_1".parse().unwrap()).await.unwrap_err(),
        queue.purge(Duration::ZERO, 1).await.unwrap_err(),
    ];
    for error in errors {
        let error = error.to_string();
        assert!(error.contains("Call `migrate()` when the application starts"), "{error}");
    }
    assert_eq!(queue.answer(event("msg_1")).await.status(), 503);
    assert!(matches!(queue.prefix("two words"), Err(NatsQueueError::Prefix)));
}

#[tokio::test]
async fn a_queue_of_another_scope_has_its_own_records() {
    let Some(url) = servers::nats("the test of scopes of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    while timeout(Duration::ZERO, queue.wait(LONG)).await.is_ok() {}

    let other = queue.clone().with_scope("other".parse().unwrap());
    other.migrate().await.unwrap();
    assert!(format!("{other:?}").contains(&format!("{}_other", names.prefix)), "{other:?}");
    assert_eq!(other.stats().await.unwrap().ready, 0);
    other.enqueue(&event("msg_1")).await.unwrap();
    assert_eq!(other.stats().await.unwrap().ready, 1);
    let woken = timeout(Duration::ZERO, queue.wait(LONG)).await;
    assert!(woken.is_err(), "an event of another scope woke the worker");
    names.delete().await;
}
