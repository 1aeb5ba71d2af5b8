//! What the NATS queue does beyond the conformance suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{Event, Handlers, Outcome, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, Job, JobQueue as _, NatsQueue, TakeOptions, Worker};
use clerk_webhook_store::LeaseState;
use clerk_webhook_tests::servers::{self, Nats};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::file::event;
use crate::nats_queue::Names;

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn options() -> TakeOptions {
    TakeOptions::default()
}

fn leased(lease: Duration) -> TakeOptions {
    let mut options = options();
    options.lease = lease;
    options
}

pub(crate) async fn take(queue: &NatsQueue) -> Job {
    queue.take(&options()).await.unwrap().unwrap()
}

pub(crate) fn event_of(id: &str, event_type: &str, data: &str) -> Event {
    let body = format!(r#"{{"data":{data},"type":{}}}"#, serde_json::to_string(event_type).unwrap());
    Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
}

pub(crate) async fn stream_of(names: &Names) -> stream::Stream {
    let context = jetstream::new(async_nats::connect(&names.url).await.unwrap());
    context.get_stream(format!("{}_clerk", names.prefix)).await.unwrap()
}

#[tokio::test]
async fn loses_nothing_if_the_server_is_killed() {
    let Some(mut server) = Nats::start_with("the restart test of NatsQueue", "max_payload: 4MB") else {
        return;
    };
    let queue = NatsQueue::connect(&server.url()).await.unwrap();
    queue.migrate().await.unwrap();
    for id in ["msg_done", "msg_dead", "msg_delayed", "msg_running"] {
        queue.enqueue(&event(id)).await.unwrap();
    }
    for _ in 0..4 {
        let job = take(&queue).await;
        let ended = match job.event.message_id().as_str() {
            "msg_done" => queue.complete(&job.lease).await,
            "msg_dead" => queue.bury(&job.lease, "a failure").await,
            "msg_delayed" => queue.retry(&job.lease, LONG, "a failure").await,
            _ => queue.renew(&job.lease, LONG).await,
        };
        assert_eq!(ended.unwrap(), LeaseState::Held);
    }
    queue.enqueue(&event("msg_ready")).await.unwrap();
    let before = queue.stats().await.unwrap();
    assert_eq!((before.ready, before.running, before.dead), (2, 1, 1));

    server.kill();
    let lost = timeout(LONG, async { queue.enqueue(&event("msg_lost")).await }).await.unwrap();
    assert!(lost.is_err(), "an event was stored without a server");
    server.restart();

    let other = NatsQueue::connect(&server.url()).await.unwrap();
    assert_eq!(other.stats().await.unwrap(), before);
    for id in ["msg_done", "msg_dead", "msg_delayed", "msg_running", "msg_ready"] {
        assert_eq!(other.enqueue(&event(id)).await.unwrap(), Enqueued::Duplicate, "{id}");
    }
    assert_eq!(take(&other).await.event.raw_body(), event("msg_ready").raw_body());
    assert!(other.take(&options()).await.unwrap().is_none());
    // The client whose connection was lost reconnects.
    let again = async {
        while queue.enqueue(&event("msg_again")).await.is_err() {}
        while queue.stats().await.is_err() {}
    };
    timeout(LONG, again).await.unwrap();
    assert_eq!(take(&queue).await.event.message_id().as_str(), "msg_again");
}

#[tokio::test]
async fn message_ids_and_event_types_can_contain_every_character() {
    let Some(url) = servers::nats("the test of message ids of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    let other = names.queue().await;
    let ids = ["*", ">", "msg_*", "msg_>", "%2A", "msg_%2A", "$JS", "a/b:c", "\"", "{}", &"x".repeat(256)];
    let types = ["user.created", "", "*", "two words", "a..b", ">", "line\r\nX: y", "é", "\u{0}", "a.*"];
    for (id, event_type) in ids.iter().zip(types.iter().cycle()) {
        let event = event_of(id, event_type, r#"{"id":"user\r\n1"}"#);
        assert_eq!(queue.enqueue(&event).await.unwrap(), Enqueued::New, "{id}");
        assert_eq!(queue.enqueue(&event).await.unwrap(), Enqueued::Duplicate, "{id}");
        let job = take(&other).await;
        assert_eq!(
            (job.event.message_id(), job.event.event_type()),
            (event.message_id(), event.event_type())
        );
        assert_eq!(job.event.raw_body(), event.raw_body());
        assert_eq!(queue.bury(&job.lease, "line 1\r\nline 2").await.unwrap(), LeaseState::Held);
        let dead = other.dead_letters(1).await.unwrap();
        assert_eq!(dead[0].last_error.as_deref(), Some("line 1\r\nline 2"));
        assert!(queue.discard(event.message_id()).await.unwrap());
    }
    names.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_handle_every_event_once() {
    let Some(url) = servers::nats("the test of workers with NatsQueue") else { return };
    let names = Names::new(url);
    let handled = Arc::new(AtomicU32::new(0));
    let mut workers = Vec::new();
    for _ in 0..2 {
        let handlers = Handlers::builder()
            .on(UserCreated, |_, cx| async move {
                let handled: &Arc<AtomicU32> = cx.state();
                handled.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
            .build()
            .unwrap();
        workers.push(Worker::new(names.queue().await, handlers, Arc::clone(&handled)).start());
    }
    let queue = names.queue().await;
    for number in 0..100 {
        let data = format!(r#"{{"id":"user_{}"}}"#, number % 10);
        let event = event_of(&format!("msg_{number}"), "user.created", &data);
        assert_eq!(queue.answer(event).await.outcome(), Outcome::Queued);
    }
    let finished = async {
        loop {
            let stats = queue.stats().await.unwrap();
            assert_eq!(stats.dead, 0);
            if stats.ready + stats.running == 0 {
                break;
            }
            queue.wait(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, finished).await.unwrap();
    for worker in workers {
        assert_eq!(worker.shutdown(LONG).await, 0);
    }
    assert_eq!(handled.load(Ordering::Relaxed), 100);
    names.delete().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_take_at_the_same_time_never_run_two_jobs_about_an_object() {
    let Some(url) = servers::nats("the test of objects of NatsQueue") else { return };
    let names = Names::new(url);
    let queues = [names.queue().await, names.queue().await, names.queue().await, names.queue().await];
    for round in 0..25 {
        for number in 0..8 {
            queues[0]
                .enqueue(&event_of(&format!("msg_{round}_{number}"), "x", r#"{"id":"user_1"}"#))
                .await
                .unwrap();
        }
        let mut takes = JoinSet::new();
        for queue in queues.iter().cycle().take(8) {
            let queue = queue.clone();
            takes.spawn(async move { queue.take(&options()).await.unwrap() });
        }
        let jobs: Vec<_> = takes.join_all().await.into_iter().flatten().collect();
        assert_eq!(jobs.len(), 1, "round {round}");
        let mut next = jobs.into_iter().next();
        while let Some(job) = next {
            assert_eq!(job.lease.attempt(), 1);
            assert_eq!(queues[1].complete(&job.lease).await.unwrap(), LeaseState::Held);
            next = queues[2].take(&options()).await.unwrap();
        }
        assert_eq!(queues[3].stats().await.unwrap().ready, 0, "round {round}");
    }
    names.delete().await;
}

#[tokio::test]
async fn events_and_delays_wake_a_worker_in_another_process() {
    let Some(url) = servers::nats("the test of waiting of NatsQueue") else { return };
    let names = Names::new(url);
    let (queue, other) = (names.queue().await, names.queue().await);
    assert!(queue.take(&options()).await.unwrap().is_none());
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.wait(Duration::MAX).await }
    });
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(!waiting.is_finished(), "the call does not wait");
    other.enqueue(&event("msg_1")).await.unwrap();
    timeout(LONG, waiting).await.unwrap().unwrap();

    let job = take(&queue).await;
    let _ = other.retry(&job.lease, Duration::from_millis(300), "a failure").await.unwrap();
    let again = async {
        loop {
            if let Some(job) = queue.take(&options()).await.unwrap() {
                break job;
            }
            queue.wait(LONG * 60).await;
        }
    };
    let job = timeout(LONG, again).await.expect("the end of a delay does not wake the worker");
    assert_eq!(job.lease.attempt(), 2);

    names.delete().await;
}

#[tokio::test]
async fn a_new_process_knows_how_old_a_lease_is() {
    let Some(url) = servers::nats("the test of leases of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let (lease, pause, began) = (Duration::from_secs(5), Duration::from_secs(4), Instant::now());
    drop(queue.take(&leased(lease)).await.unwrap().unwrap());
    let taken = Instant::now();
    tokio::time::sleep(pause).await;

    let other = names.queue().await;
    assert!(other.take(&options()).await.unwrap().is_none() || taken.elapsed() > lease);
    other.wait(LONG).await;
    let job = other.take(&options()).await.unwrap().expect("the lease has expired");
    assert!(began.elapsed() >= lease, "the lease was too short: {:?}", began.elapsed());
    assert!(taken.elapsed() < pause + lease, "the lease began again: {:?}", taken.elapsed());
    assert_eq!(job.lease.attempt(), 2);

    let late = names.queue().await;
    assert!(late.take(&options()).await.unwrap().is_none(), "a new process ignores the lease");
    names.delete().await;
}

#[tokio::test]
async fn a_worker_starts_although_reading_all_records_takes_longer_than_a_request() {
    let Some(url) = servers::nats("the test of the start of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    let context = jetstream::new(queue.client().clone());
    for thousand in 0..20 {
        let mut stored = Vec::new();
        for number in 0..1000 {
            let subject = format!("{}.clerk.other.{thousand}.{number}", names.prefix);
            stored.push(context.publish(subject, "".into()).await.unwrap());
        }
        for stored in stored {
            stored.await.unwrap();
        }
    }
    queue.enqueue(&event("msg_1")).await.unwrap();

    let impatient = names.queue().await.timeout(Duration::from_millis(100));
    let job = async {
        loop {
            if let Ok(Some(job)) = impatient.take(&options()).await {
                break job;
            }
        }
    };
    assert_eq!(timeout(LONG, job).await.unwrap().event.message_id().as_str(), "msg_1");
    names.delete().await;
}

#[tokio::test]
async fn a_call_skips_a_hundred_jobs_that_have_had_all_of_their_attempts() {
    let Some(url) = servers::nats("the test of skipped jobs of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    for number in 0..100 {
        queue.enqueue(&event(&format!("msg_{number}"))).await.unwrap();
    }
    let mut options = options();
    options.max_attempts = 0;
    assert!(queue.take(&options).await.unwrap().is_none());
    assert_eq!(queue.stats().await.unwrap().dead, 100);
    names.delete().await;
}

#[tokio::test]
async fn deletes_the_body_when_a_job_is_done_or_discarded() {
    let Some(url) = servers::nats("the test of bodies of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    for id in ["msg_done", "msg_discarded"] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = take(&queue).await;
        if id == "msg_done" {
            let _ = queue.complete(&job.lease).await.unwrap();
        } else {
            let _ = queue.bury(&job.lease, "a failure").await.unwrap();
            assert!(queue.discard(job.event.message_id()).await.unwrap());
        }
        let subject = format!("{}.clerk.message.{id}", names.prefix);
        let message = stream_of(&names).await.get_last_raw_message_by_subject(&subject).await.unwrap();
        let text = format!("{:?}", message.headers);
        assert!(message.payload.is_empty() && !text.contains("user_") && !text.contains("failure"), "{text}");
    }
    let stream = stream_of(&names).await;
    assert_eq!(stream.cached_info().state.messages, 2);

    // The last message of the stream is one of those that the purge deletes.
    assert_eq!(queue.purge(Duration::ZERO, 1000).await.unwrap(), 2);
    assert!(queue.take(&options()).await.unwrap().is_none());
    assert_eq!(queue.enqueue(&event("msg_done")).await.unwrap(), Enqueued::New);
    names.delete().await;
}

#[tokio::test]
async fn works_again_after_somebody_has_deleted_the_last_message() {
    let Some(url) = servers::nats("the test of deleted messages of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await.timeout(Duration::from_millis(500));
    queue.enqueue(&event("msg_1")).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    let other = names.queue().await;
    other.enqueue(&event("msg_2")).await.unwrap();
    queue.stats().await.unwrap();
    let stream = stream_of(&names).await;
    // The client has not seen this message when it is deleted.
    let published = jetstream::new(other.client().clone());
    published.publish(format!("{}.clerk.x", names.prefix), "".into()).await.unwrap().await.unwrap();
    let last = stream.get_info().await.unwrap().state.last_sequence;
    stream.delete_message(last).await.unwrap();
    let fresh = names.queue().await;
    assert_eq!(fresh.stats().await.unwrap().ready, 2);
    stream.delete_message(last - 1).await.unwrap();
    assert_eq!(take(&queue).await.event.message_id().as_str(), "msg_1");
    let again = async { while queue.take(&options()).await.is_err() {} };
    timeout(LONG, again).await.unwrap();
    names.delete().await;
}

#[tokio::test]
async fn debug_and_errors_show_nothing_of_the_payload() {
    let Some(url) = servers::nats("the test of the texts of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = take(&queue).await;
    let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    let dead = queue.dead_letters(9).await.unwrap();
    let text = format!("{queue:?} {job:?} {dead:?} {:?}", queue.stats().await.unwrap());
    assert!(text.starts_with("NatsQueue") && !text.contains("Ada") && !text.contains("user_"), "{text}");
    names.delete().await;
}

#[tokio::test]
async fn abandoned_calls_lose_no_job() {
    let Some(url) = servers::nats("the test of abandoned calls of NatsQueue") else { return };
    let names = Names::new(url);
    let (queue, other) = (names.queue().await, names.queue().await);
    let lease = Duration::from_millis(200);
    for number in 0..40_u64 {
        queue.enqueue(&event(&format!("msg_{number}"))).await.unwrap();
        let limit = Duration::from_micros(number * 40);
        let _ = timeout(limit, queue.take(&leased(lease))).await;
        if let Some(job) = other.take(&leased(lease)).await.unwrap() {
            let _ = timeout(limit, other.complete(&job.lease)).await;
        }
    }
    let drain = async {
        loop {
            match other.take(&options()).await.unwrap() {
                Some(job) => drop(other.complete(&job.lease).await.unwrap()),
                None if other.stats().await.unwrap().running + other.stats().await.unwrap().ready == 0 => {
                    break;
                }
                None => other.wait(lease).await,
            }
        }
    };
    timeout(LONG, drain).await.unwrap();
    let purged = queue.purge(Duration::ZERO, 1000).await.unwrap();
    assert_eq!(purged, 40);
    assert!(queue.dead_letters(9).await.unwrap().is_empty());
    names.delete().await;
}
