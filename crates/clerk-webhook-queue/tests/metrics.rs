//! The metrics of the queue and the worker.
#![cfg(all(feature = "metrics", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::{Context, Event, EventType, Failure, Handlers, Timestamp};
use clerk_webhook_queue::{
    DeliveryQueue as _, JobQueue as _, SqliteQueue, TakeOptions, Worker, report_stats,
};
use clerk_webhook_tests::metrics::Metrics;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Returns the value of a series of the queue.
fn get(metrics: &Metrics, series: &str) -> Option<f64> {
    metrics.get(&format!("queue_{series}"))
}

/// Waits until a series has a value.
async fn reaches(metrics: &Metrics, series: &str, value: f64) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while get(metrics, series) != Some(value) {
        assert!(Instant::now() < give_up, "{series} is {:?}, not {value}", get(metrics, series));
        sleep(Duration::from_millis(5)).await;
    }
}

/// Returns the values of the gauge of jobs that are ready, running and dead.
fn jobs(metrics: &Metrics) -> [Option<f64>; 3] {
    ["ready", "running", "dead"].map(|state| get(metrics, &format!("jobs{{scope=main,state={state}}}")))
}

async fn queue() -> SqliteQueue {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let queue = SqliteQueue::new(pool).with_scope("main".parse().unwrap());
    queue.migrate().await.unwrap();
    queue
}

async fn add(queue: &SqliteQueue, id: &str, event_type: &str) {
    let body = format!(r#"{{"data":{{}},"type":"{event_type}","timestamp":1700000000000}}"#);
    let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(queue.answer(event).await.status(), 200);
}

/// The recorder applies to the thread, so a test does not see the metrics of another one.
#[tokio::test]
async fn reports_the_statistics_on_demand() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let queue = queue().await;
    report_stats(&queue).await.unwrap();
    assert_eq!(jobs(&metrics), [Some(0.0); 3]);
    assert_eq!(get(&metrics, "oldest_ready_seconds{scope=main}"), Some(0.0));

    for id in ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5", "msg_6"] {
        add(&queue, id, "user.created").await;
    }
    for _ in 0..2 {
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    }
    let _running = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    let older = "UPDATE clerk_webhook_queue SET enqueued_at = enqueued_at - 90000 WHERE message_id = 'msg_6'";
    sqlx::query(older).execute(queue.pool()).await.unwrap();
    let stats = report_stats(&queue).await.unwrap();
    assert_eq!((stats.ready, stats.running, stats.dead), (3, 1, 2));
    assert_eq!(jobs(&metrics), [Some(3.0), Some(1.0), Some(2.0)]);
    let age = get(&metrics, "oldest_ready_seconds{scope=main}").unwrap();
    assert!((90.0..120.0).contains(&age), "{age}");

    // The clock of the machine that enqueued the event is ahead.
    let newer = "UPDATE clerk_webhook_queue SET enqueued_at = enqueued_at + 900000";
    sqlx::query(newer).execute(queue.pool()).await.unwrap();
    report_stats(&queue).await.unwrap();
    assert_eq!(get(&metrics, "oldest_ready_seconds{scope=main}"), Some(0.0));

    queue.pool().close().await;
    assert!(report_stats(&queue).await.is_err());
    assert_eq!(jobs(&metrics), [Some(3.0), Some(1.0), Some(2.0)], "the gauges keep their values");
}

#[tokio::test]
async fn a_worker_counts_dead_letters_and_expired_events_and_sets_the_gauges() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let queue = queue().await;
    for (id, event_type) in [
        ("msg_1", "user.created"),
        ("msg_2", "secret.word"),
        ("msg_3", "sms.created"),
        ("msg_4", "future.event"),
        ("msg_5", "user.created"),
    ] {
        add(&queue, id, event_type).await;
    }
    let handle = async |_: Event, _: Context<()>| Err::<(), _>(Failure::abort_message("no such user"));
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let worker = Worker::new(queue.clone(), handlers, ())
        .max_age(EventType::from("future.event"), Duration::from_secs(60))
        .stats_interval(Duration::ZERO)
        .start();
    reaches(&metrics, "dead_letters_total{event_type=user.created,scope=main}", 2.0).await;
    reaches(&metrics, "dead_letters_total{event_type=_OTHER,scope=main}", 1.0).await;
    reaches(&metrics, "expired_total{event_type=sms.created,scope=main}", 1.0).await;
    reaches(&metrics, "expired_total{event_type=_OTHER,scope=main}", 1.0).await;
    reaches(&metrics, "jobs{scope=main,state=dead}", 3.0).await;
    worker.shutdown(Duration::from_secs(30)).await;
    assert_eq!(jobs(&metrics), [Some(0.0), Some(0.0), Some(3.0)]);
}

#[tokio::test]
async fn a_run_counts_as_a_delivery_unless_its_metrics_are_off() {
    for (is_on, runs) in [(true, Some(1.0)), (false, None)] {
        let metrics = Metrics::default();
        let _recording = metrics::set_default_local_recorder(&metrics);
        let queue = queue().await;
        add(&queue, "msg_1", "user.created").await;
        let started = Arc::new(Notify::new());
        let handle = async |_: Event, cx: Context<Arc<Notify>>| {
            cx.state().notify_one();
            Ok(())
        };
        let handlers = Handlers::builder().otherwise(handle).build().unwrap();
        let worker = Worker::new(queue, handlers, Arc::clone(&started)).delivery_metrics(is_on).start();
        started.notified().await;
        worker.shutdown(Duration::from_secs(30)).await;
        let count = |outcome: &str| {
            metrics.get(&format!("deliveries_total{{event_type=user.created,outcome={outcome},scope=main}}"))
        };
        assert_eq!((count("queued"), count("processed")), (Some(1.0), runs));
        let durations = metrics.values("handler_duration_seconds{event_type=user.created,scope=main}");
        assert_eq!(durations.len(), usize::from(is_on));
        assert_eq!(metrics.get("in_flight{scope=main}"), Some(0.0));
    }
}
