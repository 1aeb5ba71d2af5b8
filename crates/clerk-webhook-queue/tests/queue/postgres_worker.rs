//! The worker with a Postgres queue, and with the application's own worker of graphile_worker.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Context, Event, Failure, Handlers, Outcome, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, JobQueue as _, PostgresQueue, TakeOptions, Worker};
use clerk_webhook_store::PostgresTransaction;
use graphile_worker::{Worker as GraphileWorker, WorkerOptions, WorkerShutdownConfig};
use sqlx::AssertSqlSafe;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing_subscriber::filter::LevelFilter;

use crate::database::Database;

const LONG: Duration = Duration::from_secs(30);

async fn eventually(mut is_true: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !is_true().await {
        assert!(Instant::now() < give_up);
        sleep(Duration::from_millis(10)).await;
    }
}

async fn drained(queue: &PostgresQueue) {
    eventually(async || {
        let stats = queue.stats().await.unwrap();
        stats.ready + stats.running == 0
    })
    .await;
}

async fn dead(queue: &PostgresQueue) -> Vec<(String, u32)> {
    let letters = queue.dead_letters(100).await.unwrap();
    let mut dead: Vec<_> =
        letters.into_iter().map(|letter| (letter.message_id.to_string(), letter.attempts)).collect();
    dead.sort();
    dead
}

async fn enqueue(queue: &PostgresQueue, id: &str, event_type: &str) {
    let body = format!(r#"{{"data":{{"id":"user_1"}},"type":"{event_type}"}}"#);
    let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into());
    assert_eq!(queue.answer(event.unwrap()).await.outcome(), Outcome::Queued);
}

/// Starts a worker of graphile_worker with the registered handlers.
async fn graphile(
    database: &Database,
    queue: &PostgresQueue,
    register: impl FnOnce(WorkerOptions) -> WorkerOptions,
) -> (Arc<GraphileWorker>, JoinHandle<()>) {
    let options = WorkerOptions::default()
        .pg_pool(queue.pool().clone())
        .schema(database.graphile())
        .concurrency(4)
        .poll_interval(Duration::from_millis(20))
        .worker_shutdown(WorkerShutdownConfig::default().listen_os_shutdown_signals(false));
    let worker = Arc::new(register(options).init().await.unwrap());
    let running = Arc::clone(&worker);
    (worker, tokio::spawn(async move { running.run().await.unwrap() }))
}

async fn stop((worker, running): (Arc<GraphileWorker>, JoinHandle<()>)) {
    worker.request_shutdown();
    running.await.unwrap();
}

fn handlers_in_transaction() -> Handlers<(PostgresTransaction, String)> {
    let handle = async |_: Event, cx: Context<(PostgresTransaction, String)>| {
        let attempt = i64::from(cx.attempt().unwrap());
        let (transaction, effects) = cx.state();
        {
            let mut transaction = transaction.lock().await?;
            let insert = sqlx::query(AssertSqlSafe(format!("INSERT INTO {effects} VALUES ($1, $2)")));
            insert.bind(cx.message_id().as_str()).bind(attempt).execute(&mut **transaction).await?;
        }
        assert_ne!(cx.message_id().as_str(), "msg_panics", "intended");
        match cx.message_id().as_str() {
            "msg_abort" => Err(Failure::abort_message("no such user")),
            "msg_hangs" => pending().await,
            "msg_recovers" if attempt < 3 => Err("not yet".into()),
            _ => Ok(()),
        }
    };
    Handlers::builder().on_event("test.queue", handle).build().unwrap()
}

/// Checks that a worker with transactions handles each event once.
async fn commits_the_effects(database: Database, registers: bool) {
    let queue = database.open().await;
    let effects = format!("{}.effect", database.schema);
    database.execute(&format!("CREATE TABLE {effects} (message_id TEXT, attempt BIGINT)")).await;
    for id in ["abort", "panics", "hangs", "recovers", "succeeds"] {
        enqueue(&queue, &format!("msg_{id}"), "test.queue").await;
    }
    enqueue(&queue, "msg_ignored", "test.other").await;
    let state = effects.clone();
    let worker = Worker::exactly_once(queue.clone(), handlers_in_transaction(), move |transaction| {
        (transaction, state.clone())
    });
    let worker = worker
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .max_attempts(3)
        .handler_timeout(Duration::from_secs(2))
        .poll_interval(Duration::from_millis(20));
    if registers {
        let running = graphile(&database, &queue, |options| worker.register(options)).await;
        drained(&queue).await;
        stop(running).await;
    } else {
        let worker = worker.start();
        drained(&queue).await;
        worker.shutdown(LONG).await;
    }
    let rows = database.rows(&format!("SELECT message_id, attempt FROM {effects} ORDER BY message_id")).await;
    assert_eq!(rows, [("msg_recovers".to_owned(), 3), ("msg_succeeds".to_owned(), 1)]);
    let expected = [("msg_abort", 1), ("msg_hangs", 3), ("msg_panics", 3)];
    assert_eq!(dead(&queue).await, expected.map(|(id, attempts)| (id.to_owned(), attempts)));
    assert_eq!(database.tickets().await, 0);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_commits_the_effects_with_the_end_of_the_job() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        commits_the_effects(database, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_graphile_commits_the_effects_with_the_end_of_the_job() {
    let Some(database) = Database::new().await else { return };
    commits_the_effects(database, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_and_graphile_run_each_object_once_at_a_time() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let (running, runs, most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let state = (Arc::clone(&running), Arc::clone(&runs), Arc::clone(&most));
    let handle = async |_: Event, cx: Context<(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>| {
        let (running, runs, most) = cx.state();
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(Duration::from_millis(5)).await;
        running.fetch_sub(1, Ordering::SeqCst);
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    for number in 0..30 {
        enqueue(&queue, &format!("msg_{number}"), "user.updated").await;
    }
    let other = database.open().await;
    let worker =
        Worker::new(other, handlers.clone(), state.clone()).poll_interval(Duration::from_millis(20)).start();
    let registered = Worker::new(queue.clone(), handlers, state);
    let graphile = graphile(&database, &queue, |options| registered.register(options)).await;
    drained(&queue).await;
    worker.shutdown(LONG).await;
    stop(graphile).await;
    assert_eq!((runs.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (30, 1));
    assert_eq!(database.tickets().await, 0);
    database.close().await;
}

/// The runtime has one thread, because the subscriber applies to the thread.
#[tokio::test]
async fn graphile_postpones_a_ticket_of_another_scope() {
    let Some(database) = Database::new().await else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::ERROR);
    let subscriber = subscriber.with_writer(Mutex::new(writer)).finish();
    let logging = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let queue = database.open().await;
    let other = queue.clone().with_scope("other".parse().unwrap());
    enqueue(&other, "msg_other", "user.updated").await;
    let handlers: Handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
    let registered = Worker::new(queue.clone(), handlers, ());
    let graphile = graphile(&database, &queue, |options| registered.register(options)).await;
    let postponed = format!(
        "SELECT count(*) FROM {}._private_jobs WHERE run_at > now() + interval '50 s' AND locked_at IS NULL",
        database.graphile()
    );
    eventually(async || database.number(&postponed).await == 1 && database.tickets().await == 1).await;
    stop(graphile).await;
    drop(logging);
    let log = std::io::read_to_string(reader).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("postponed a job")).collect();
    assert_eq!(lines.len(), usize::from(cfg!(feature = "tracing")), "{log}");
    assert!(lines.iter().all(|line| line.contains("scope=\"other\"") && line.contains("msg_other")), "{log}");
    assert_eq!(other.stats().await.unwrap().ready, 1);
    // The queue of the other scope finds the ticket when it is visible again.
    let visible = format!("UPDATE {}._private_jobs SET run_at = now()", database.graphile());
    database.execute(&visible).await;
    assert!(other.take(&TakeOptions::default()).await.unwrap().is_some());
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_graphile_worker_runs_after_its_lease() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let handle = async |_: Event, cx: Context<mpsc::UnboundedSender<u32>>| {
        cx.state().send(cx.attempt().unwrap())?;
        if cx.attempt() == Some(1) {
            pending::<()>().await;
        }
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    enqueue(&queue, "msg_1", "user.updated").await;
    // The runtime is dropped with all of its tasks, as if the process were killed.
    let killed = tokio::runtime::Runtime::new().unwrap();
    let (url, sender, crashing) = (database.options(), started.clone(), handlers.clone());
    let (table, schema) = (database.table(), database.graphile());
    killed.spawn(async move {
        let pool = sqlx::postgres::PgPoolOptions::new().connect_with(url).await.unwrap();
        let queue = PostgresQueue::new(pool.clone()).table(&table).unwrap();
        let queue = queue.graphile_schema(&schema).unwrap();
        let options = WorkerOptions::default().pg_pool(pool).schema(schema);
        let registered = Worker::new(queue, crashing, sender).lease(Duration::from_secs(1));
        registered.register(options).init().await.unwrap().run().await.unwrap();
    });
    assert_eq!(timeout(LONG, starts.recv()).await.unwrap(), Some(1));
    killed.shutdown_background();
    let worker =
        Worker::new(queue.clone(), handlers, started).poll_interval(Duration::from_millis(50)).start();
    assert_eq!(timeout(LONG, starts.recv()).await.unwrap(), Some(2));
    drained(&queue).await;
    worker.shutdown(LONG).await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graphile_gives_a_job_back_that_another_worker_is_running() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    enqueue(&queue, "msg_1", "user.updated").await;
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    let visible = format!("UPDATE {}._private_jobs SET run_at = now()", database.graphile());
    database.execute(&visible).await;
    let runs = Arc::new(Semaphore::new(0));
    let handle = async |_: Event, cx: Context<Arc<Semaphore>>| {
        cx.state().add_permits(1);
        Ok(())
    };
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let registered = Worker::new(queue.clone(), handlers, Arc::clone(&runs));
    let graphile = graphile(&database, &queue, |options| registered.register(options)).await;
    let postponed = format!(
        "SELECT count(*) FROM {}._private_jobs WHERE run_at > now() AND locked_at IS NULL",
        database.graphile()
    );
    eventually(async || database.number(&postponed).await == 1 && database.tickets().await == 1).await;
    assert_eq!(runs.available_permits(), 0);
    let _ = queue.give_back(&job.lease).await.unwrap();
    drained(&queue).await;
    stop(graphile).await;
    assert_eq!(runs.available_permits(), 1);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graphile_repairs_deleted_tickets_until_its_worker_is_dropped() {
    let Some(database) = Database::separate().await else { return };
    let queue = database.open().await.listen().await.unwrap();
    enqueue(&queue, "msg_1", "user.updated").await;
    database.execute(&format!("DELETE FROM {}._private_jobs", database.graphile())).await;
    let handlers: Handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
    let registered = Worker::new(queue.clone(), handlers, ());
    let graphile = graphile(&database, &queue, |options| registered.register(options)).await;
    drained(&queue).await;
    stop(graphile).await;
    // The repairs own a clone of the queue, whose listener stops with the last clone.
    drop(queue);
    let listeners = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually(async || database.number(listeners).await == 0).await;
    database.close().await;
}
