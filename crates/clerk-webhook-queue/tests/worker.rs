//! The worker with a queue in a SQLite file.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::HashSet;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{Context, Event, EventType, Failure, Handled, Handlers, Outcome, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, JobQueue as _, SqliteQueue, TakeOptions, Worker};
use clerk_webhook_store::SqliteTransaction;
use tokio::sync::{Barrier, Semaphore};
use tokio::time::sleep;

const LONG: Duration = Duration::from_secs(30);

/// A queue in a file that is removed on drop.
struct File {
    path: PathBuf,
    queue: SqliteQueue,
}

impl File {
    async fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("worker-{}-{number}.db", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let queue = SqliteQueue::open(&path).await.unwrap();
        queue.migrate().await.unwrap();
        Self { path, queue }
    }

    async fn enqueue(&self, id: &str, event_type: &str) {
        self.enqueue_body(id, &format!(r#"{{"data":{{"id":"user_1"}},"type":"{event_type}"}}"#)).await;
    }

    async fn enqueue_body(&self, id: &str, body: &str) {
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.to_owned().into());
        assert_eq!(self.queue.answer(event.unwrap()).await.outcome(), Outcome::Queued);
    }

    /// Creates a worker that retries quickly.
    fn worker<S: Clone + Send + Sync + 'static>(
        &self,
        handlers: Handlers<S>,
        state: S,
    ) -> Worker<SqliteQueue> {
        let worker = Worker::new(self.queue.clone(), handlers, state);
        worker.backoff(Duration::from_millis(1), Duration::from_millis(1))
    }

    /// Waits until no job is ready or running.
    async fn drained(&self) {
        eventually(async || {
            let stats = self.queue.stats().await.unwrap();
            stats.ready + stats.running == 0
        })
        .await;
    }

    /// Returns the message id, the attempts and the last error of each dead letter.
    async fn dead(&self) -> Vec<(String, u32, String)> {
        let letters = self.queue.dead_letters(100).await.unwrap();
        let mut dead: Vec<_> = letters
            .into_iter()
            .map(|letter| (letter.message_id.to_string(), letter.attempts, letter.last_error.unwrap()))
            .collect();
        dead.sort();
        dead
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path.display()));
        }
    }
}

async fn eventually(mut is_true: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !is_true().await {
        assert!(Instant::now() < give_up);
        sleep(Duration::from_millis(5)).await;
    }
}

/// The message id and the attempt number of each run.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<Vec<(String, u32)>>>);

impl Runs {
    fn add<S>(&self, cx: &Context<S>) -> u32 {
        let attempt = cx.attempt().unwrap();
        self.0.lock().unwrap().push((cx.message_id().to_string(), attempt));
        attempt
    }

    fn of(&self, id: &str) -> Vec<u32> {
        let runs = self.0.lock().unwrap();
        runs.iter().filter(|(run, _)| run == id).map(|(_, attempt)| *attempt).collect()
    }
}

/// A test of an application needs neither a queue nor a worker.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_handlers_run_inline_and_in_a_worker() {
    let handled = async |_user, cx: Context<Arc<Mutex<Vec<String>>>>| {
        cx.state().lock().unwrap().push(cx.message_id().to_string());
        Ok(())
    };
    let handlers = Handlers::builder().on(UserCreated, handled).build().unwrap();
    let state = Arc::<Mutex<Vec<String>>>::default();

    let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
    let event = Event::from_trusted("msg_inline".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(handlers.handle(event, Arc::clone(&state)).await.unwrap(), Handled::Processed);
    assert_eq!(*state.lock().unwrap(), ["msg_inline"]);

    let file = File::new().await;
    let worker = file.worker(handlers, Arc::clone(&state)).start();
    file.enqueue("msg_queued", "user.created").await;
    file.drained().await;
    worker.shutdown(LONG).await;
    assert_eq!(*state.lock().unwrap(), ["msg_inline", "msg_queued"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_of_a_handler_has_its_next_state() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<Runs>| {
        let attempt = cx.state().add(&cx);
        match cx.message_id().as_str() {
            "msg_abort" => Err(Failure::abort_message("no such user")),
            "msg_disable" => Err(Failure::disable_endpoint("wrong endpoint")),
            "msg_panics" => panic!("intended"),
            "msg_hangs" => pending().await,
            "msg_fails" => Err("always".into()),
            "msg_recovers" if attempt < 3 => Err("not yet".into()),
            _ => Ok(()),
        }
    };
    let handlers = Handlers::builder().on_event("test.queue", handle).build().unwrap();
    let ids = ["abort", "disable", "panics", "hangs", "fails", "recovers", "succeeds"];
    for id in ids {
        file.enqueue(&format!("msg_{id}"), "test.queue").await;
    }
    file.enqueue("msg_ignored", "test.other").await;
    let worker = file
        .worker(handlers, runs.clone())
        .one_object_at_a_time(false)
        .max_attempts(3)
        .handler_timeout(Duration::from_millis(50))
        .start();
    file.drained().await;
    let expected = [
        ("msg_abort", 1, "no such user"),
        ("msg_disable", 1, "wrong endpoint"),
        ("msg_fails", 3, "always"),
        ("msg_hangs", 3, "the handler did not finish within `handler_timeout`"),
        ("msg_panics", 3, "the handler panicked"),
    ];
    let expected = expected.map(|(id, attempts, error)| (id.to_owned(), attempts, error.to_owned()));
    assert_eq!(file.dead().await, expected);
    assert_eq!(runs.of("msg_recovers"), [1, 2, 3]);
    assert_eq!(runs.of("msg_succeeds"), [1]);
    assert_eq!(worker.shutdown(Duration::MAX).await, 0);
}

#[tokio::test]
async fn data_that_cannot_be_decoded_follows_the_rules_of_the_handlers() {
    let body = r#"{"data":{"id":7},"type":"user.created"}"#;
    let file = File::new().await;
    file.enqueue_body("msg_1", body).await;
    let handlers = Handlers::builder().on(UserCreated, async |_, _: Context<()>| Ok(())).build().unwrap();
    let worker = file.worker(handlers, ()).max_attempts(2).start();
    file.drained().await;
    let [(id, attempts, error)] = &file.dead().await[..] else { panic!("not one dead letter") };
    assert_eq!((id.as_str(), *attempts), ("msg_1", 2));
    assert!(error.contains("id") && !error.contains('7'), "{error}");
    worker.shutdown(LONG).await;

    let file = File::new().await;
    file.enqueue_body("msg_1", body).await;
    let handlers = Handlers::builder().on(UserCreated, async |_, _: Context<()>| Ok(()));
    let handlers = handlers.on_undecodable(async |_, _| Ok(())).build().unwrap();
    let worker = file.worker(handlers, ()).start();
    file.drained().await;
    assert_eq!(file.dead().await, []);
    worker.shutdown(LONG).await;
}

#[tokio::test]
async fn keeps_to_the_delay_of_a_failure() {
    let (file, runs) = (File::new().await, Runs::default());
    file.enqueue("msg_1", "test.queue").await;
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        Err::<(), _>(Failure::retry_after(Duration::from_secs(3600), "overloaded"))
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let worker = file.worker(handlers, runs.clone()).start();
    let is_waiting = async || !runs.of("msg_1").is_empty() && file.queue.stats().await.unwrap().ready == 1;
    eventually(is_waiting).await;
    worker.shutdown(LONG).await;
    assert!(file.queue.take(&TakeOptions::default()).await.unwrap().is_none());
    assert_eq!(runs.of("msg_1"), [1]);
}

#[tokio::test]
async fn skips_codes_that_have_expired() {
    let (file, runs) = (File::new().await, Runs::default());
    let old = Timestamp::now().as_millis() - 11 * 60 * 1000;
    let recent = Timestamp::now().as_millis() - 9 * 60 * 1000;
    for (id, event_type, occurred_at) in [
        ("msg_old_code", "sms.created", old),
        ("msg_recent_code", "email.created", recent),
        ("msg_old_user", "user.created", old),
        ("msg_old_session", "session.created", old),
    ] {
        let data = r#"{"id":"user_1"}"#;
        file.enqueue_body(
            id,
            &format!(r#"{{"data":{data},"type":"{event_type}","timestamp":{occurred_at}}}"#),
        )
        .await;
    }
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let worker = file.worker(handlers, runs.clone());
    let worker = worker.max_age(EventType::SessionCreated, Duration::from_secs(60)).start();
    file.drained().await;
    worker.shutdown(LONG).await;
    let ran: HashSet<_> = runs.0.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ran, ["msg_recent_code", "msg_old_user"].map(str::to_owned).into());
    assert_eq!(file.dead().await, []);
}

/// The runs of a moment, and the highest numbers of concurrent runs, for one object and in total.
#[derive(Clone)]
struct Overlap {
    runs: Arc<Mutex<(Vec<String>, usize, usize)>>,
    /// Each run waits until this number of runs has begun.
    expected: Arc<Barrier>,
}

impl Overlap {
    async fn run(event: Event, cx: Context<Self>) -> Result<(), Failure> {
        let object = event.raw_data().to_owned();
        {
            let (running, same, all) = &mut *cx.state().runs.lock().unwrap();
            running.push(object.clone());
            *same = running.iter().filter(|running| **running == object).count().max(*same);
            *all = running.len().max(*all);
        }
        cx.state().expected.wait().await;
        // Time for a run that must not begin.
        sleep(Duration::from_millis(20)).await;
        let running = &mut cx.state().runs.lock().unwrap().0;
        let index = running.iter().position(|running| *running == object).unwrap();
        running.remove(index);
        Ok(())
    }
}

#[tokio::test]
async fn runs_jobs_about_one_object_one_after_the_other() {
    for (setting, same, all) in [(true, 1, 2), (false, 4, 4)] {
        let (file, expected) = (File::new().await, Arc::new(Barrier::new(all)));
        let overlap = Overlap { runs: Arc::default(), expected };
        for number in 0..12 {
            let body = format!(r#"{{"data":{{"id":"user_{}"}},"type":"test.queue"}}"#, number / 6);
            file.enqueue_body(&format!("msg_{number}"), &body).await;
        }
        let handlers = Handlers::builder().otherwise(Overlap::run).build().unwrap();
        let worker = file.worker(handlers, overlap.clone()).one_object_at_a_time(setting);
        // The interval is far longer than the test, so the end of a job must start the next job about its
        // object.
        let worker = worker.poll_interval(Duration::from_secs(3600)).start();
        file.drained().await;
        worker.shutdown(LONG).await;
        let (_, max_same, max_all) = overlap.runs.lock().unwrap().clone();
        assert_eq!((max_same, max_all), (same, all));
    }
}

#[tokio::test]
async fn starts_a_job_of_the_same_process_without_polling() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let worker = file.worker(handlers, runs.clone()).poll_interval(Duration::from_secs(3600)).start();
    // The worker is idle before the event arrives.
    sleep(Duration::from_millis(50)).await;
    file.enqueue("msg_1", "test.queue").await;
    file.drained().await;
    assert_eq!(runs.of("msg_1"), [1]);
    worker.shutdown(LONG).await;
}

#[tokio::test]
async fn finds_a_job_of_another_process() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let worker = file.worker(handlers, runs.clone()).poll_interval(Duration::from_millis(10)).start();
    // An event that is enqueued through a second pool does not wake the worker.
    let other = SqliteQueue::open(&file.path).await.unwrap();
    let body = r#"{"data":{},"type":"test.queue"}"#;
    let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(other.answer(event).await.outcome(), Outcome::Queued);
    file.drained().await;
    assert_eq!(runs.of("msg_1"), [1]);
    worker.shutdown(LONG).await;
}

#[tokio::test]
async fn a_shutdown_waits_for_handlers_within_the_limit() {
    let file = File::new().await;
    let (started, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let state = (Arc::clone(&started), Arc::clone(&may_end));
    let handle = async |_: Event, cx: Context<(Arc<Semaphore>, Arc<Semaphore>)>| {
        cx.state().0.add_permits(1);
        let _permit = cx.state().1.acquire().await?;
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    file.enqueue("msg_1", "test.queue").await;
    let worker = file.worker(handlers, state).start();
    let _started = started.acquire().await.unwrap();
    let shutdown = tokio::spawn(worker.shutdown(LONG));
    // The worker takes no more jobs.
    sleep(Duration::from_millis(20)).await;
    file.enqueue("msg_2", "test.queue").await;
    may_end.add_permits(2);
    assert_eq!(shutdown.await.unwrap(), 0);
    let stats = file.queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.running), (1, 0));
}

#[tokio::test]
async fn a_shutdown_gives_back_the_jobs_that_it_stops() {
    let (file, started) = (File::new().await, Arc::new(Semaphore::new(0)));
    let handle = async |_: Event, cx: Context<Arc<Semaphore>>| {
        cx.state().add_permits(1);
        pending().await
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    for id in ["msg_1", "msg_2", "msg_3"] {
        file.enqueue(id, "test.queue").await;
    }
    let worker = file.worker(handlers, Arc::clone(&started)).one_object_at_a_time(false).concurrency(2);
    let worker = worker.max_attempts(1).start();
    let _started = started.acquire_many(2).await.unwrap();
    assert_eq!(worker.in_flight(), 2);
    assert_eq!(worker.shutdown(Duration::from_millis(10)).await, 2);
    let stats = file.queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.running, stats.dead), (3, 0, 0));
    let job = file.queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    assert_eq!((job.event.message_id().as_str(), job.lease.attempt()), ("msg_1", 1));
}

#[tokio::test]
async fn a_dropped_worker_takes_no_further_jobs() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    drop(file.worker(handlers, runs.clone()).poll_interval(Duration::from_millis(1)).start());
    file.enqueue("msg_1", "test.queue").await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(runs.of("msg_1"), [0; 0]);
    assert_eq!(file.queue.stats().await.unwrap().ready, 1);
}

#[tokio::test]
async fn renews_the_lease_of_a_long_handler() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<Runs>| {
        cx.state().add(&cx);
        // Longer than the lease, including the additional time of a new lease.
        sleep(Duration::from_millis(3500)).await;
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    file.enqueue("msg_1", "test.queue").await;
    let workers = [(); 2].map(|()| {
        let worker = file.worker(handlers.clone(), runs.clone()).lease(Duration::from_secs(1));
        worker.poll_interval(Duration::from_millis(10)).start()
    });
    file.drained().await;
    assert_eq!(runs.of("msg_1"), [1]);
    for worker in workers {
        worker.shutdown(LONG).await;
    }
}

const EFFECT: &str = "CREATE TABLE effect (message_id TEXT NOT NULL, attempt INTEGER NOT NULL)";

async fn effects(file: &File) -> Vec<(String, i64)> {
    let select = sqlx::query_as("SELECT message_id, attempt FROM effect ORDER BY message_id");
    select.fetch_all(file.queue.pool()).await.unwrap()
}

#[tokio::test]
async fn commits_the_effects_with_the_end_of_the_job() {
    let file = File::new().await;
    sqlx::query(EFFECT).execute(file.queue.pool()).await.unwrap();
    let handle = async |_: Event, cx: Context<SqliteTransaction>| {
        let attempt = cx.attempt().unwrap();
        {
            let mut transaction = cx.state().lock().await?;
            let insert = sqlx::query("INSERT INTO effect VALUES (?, ?)").bind(cx.message_id().as_str());
            insert.bind(attempt).execute(&mut **transaction).await?;
        }
        match cx.message_id().as_str() {
            "msg_abort" => Err(Failure::abort_message("no such user")),
            "msg_panics" => panic!("intended"),
            "msg_hangs" => pending().await,
            "msg_recovers" if attempt < 3 => Err("not yet".into()),
            _ => Ok(()),
        }
    };
    let handlers = Handlers::builder().on_event("test.queue", handle).build().unwrap();
    for id in ["abort", "panics", "hangs", "recovers", "succeeds"] {
        file.enqueue(&format!("msg_{id}"), "test.queue").await;
    }
    file.enqueue("msg_ignored", "test.other").await;
    let worker = Worker::exactly_once(file.queue.clone(), handlers, |transaction| transaction)
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .max_attempts(3)
        .handler_timeout(Duration::from_secs(2))
        .start();
    file.drained().await;
    worker.shutdown(LONG).await;
    assert_eq!(effects(&file).await, [("msg_recovers".to_owned(), 3), ("msg_succeeds".to_owned(), 1)]);
    let dead: Vec<_> = file.dead().await.into_iter().map(|(id, attempts, _)| (id, attempts)).collect();
    let expected = [("msg_abort", 1), ("msg_hangs", 3), ("msg_panics", 3)];
    assert_eq!(dead, expected.map(|(id, attempts)| (id.to_owned(), attempts)));
    // The queue remembers the messages.
    let body = r#"{"data":{},"type":"test.queue"}"#;
    let event = Event::from_trusted("msg_succeeds".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(file.queue.answer(event).await.outcome(), Outcome::Duplicate);
}

#[tokio::test]
async fn an_attempt_counts_if_a_task_still_uses_its_transaction() {
    let (file, runs) = (File::new().await, Runs::default());
    let handle = async |_: Event, cx: Context<(SqliteTransaction, Runs)>| {
        let (transaction, runs) = cx.state().clone();
        runs.add(&cx);
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let _guard = transaction.lock().await;
            let _ = locked.send(());
            // Longer than the worker waits for the transaction, but shorter than its next write waits.
            sleep(Duration::from_millis(5500)).await;
        });
        is_locked.await?;
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    file.enqueue("msg_1", "test.queue").await;
    let state = runs.clone();
    let state_with = move |transaction| (transaction, state.clone());
    let worker = Worker::exactly_once(file.queue.clone(), handlers, state_with).max_attempts(1).start();
    // The task holds the only connection of the worker's pool, so the test reads through another one.
    let other = SqliteQueue::open(&file.path).await.unwrap();
    eventually(async || other.stats().await.unwrap().dead == 1).await;
    let error = "the handler returned while a task still used its transaction";
    assert_eq!(file.dead().await, [("msg_1".to_owned(), 1, error.to_owned())]);
    assert_eq!(runs.of("msg_1"), [1]);
    worker.shutdown(LONG).await;
}
