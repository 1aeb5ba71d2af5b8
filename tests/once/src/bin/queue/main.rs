//! A server that enqueues deliveries, or a worker that handles them and records its runs, for tests that kill
//! them. It is configured with environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `ROLE` | `server` or `worker` |
//! | `VARIANT` | `leases`, or `transactions`, with which each run writes its effect in a transaction |
//! | `STORE` | the path to a SQLite file, or the URL of a Postgres database or a NATS server |
//! | `RECORD`, `FAIL_PERCENT`, `DELAY`, `SHORTEST`, `SEED` | see `receiver` |
//! | `PANIC_PERCENT` | the percentage of runs that panic |
//! | `LEASE` | the worker's lease in ms |
//! | `MAX_ATTEMPTS` | the number of attempts after which a job becomes a dead letter |

use std::process;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::{Router, routing::post};
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook_core::{Context, Event, Failure, Handlers, Verifier};
use clerk_webhook_queue::{
    DeliveryQueue, JobQueue, NatsQueue, PostgresQueue, SqliteQueue, TransactionalQueue, Worker,
};
use clerk_webhook_store::{PostgresTransaction, SharedTransaction, SqliteTransaction};
use clerk_webhook_tests_once::record::{Mark, Record, Run};
use clerk_webhook_tests_once::work::Work;
use clerk_webhook_tests_once::{termination, variable};
use tokio::net::TcpListener;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main]
async fn main() {
    let store: String = variable("STORE").expect("STORE is not set");
    match store.split_once("://") {
        Some(("postgres", _)) => {
            let queue = PostgresQueue::connect(&store).await.expect("could not connect to Postgres");
            queue.migrate().await.expect("could not create the table");
            let queue = queue.listen().await.expect("could not listen");
            run_variant(queue, Transaction::Postgres).await;
        }
        Some(_) => {
            let queue = NatsQueue::connect(&store).await.expect("could not connect to NATS");
            // Far shorter than the lease, because a call during an outage lasts until its timeout.
            let queue = queue.timeout(Duration::from_millis(500));
            queue.migrate().await.expect("could not create the stream");
            run(queue.clone(), with_leases(queue)).await;
        }
        None => {
            let queue = SqliteQueue::open(store).await.expect("could not open the file");
            queue.migrate().await.expect("could not create the table");
            run_variant(queue, Transaction::Sqlite).await;
        }
    }
}

async fn run_variant<Q: TransactionalQueue + Clone>(
    queue: Q,
    transaction: fn(SharedTransaction<Q::Transaction>) -> Transaction,
) {
    let worker = match variable::<String>("VARIANT").as_deref() {
        Some("leases") => with_leases(queue.clone()),
        Some("transactions") => with_transactions(queue.clone(), transaction),
        variant => panic!("VARIANT is {variant:?}. Set it to `leases` or `transactions`"),
    };
    run(queue, worker).await;
}

async fn run<Q: JobQueue + Clone>(queue: Q, worker: Worker<Q>) {
    match variable::<String>("ROLE").as_deref() {
        Some("server") => serve(queue).await,
        Some("worker") => work(worker).await,
        role => panic!("ROLE is {role:?}. Set it to `server` or `worker`"),
    }
}

#[derive(Clone)]
struct App<Q> {
    verifier: Verifier,
    queue: Q,
}

impl<Q> FromRef<App<Q>> for Verifier {
    fn from_ref(app: &App<Q>) -> Self {
        app.verifier.clone()
    }
}

async fn serve<Q: DeliveryQueue + Clone>(queue: Q) {
    async fn webhook<Q: DeliveryQueue + Clone>(
        State(app): State<App<Q>>,
        ClerkEvent(event): ClerkEvent,
    ) -> ClerkAnswer {
        ClerkAnswer(app.queue.answer(event).await)
    }
    let verifier = Verifier::from_env().expect("the signing secret is missing or invalid");
    let router =
        Router::new().route("/webhooks/clerk", post(webhook::<Q>)).with_state(App { verifier, queue });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("could not bind a port");
    println!(
        "listening on http://{}/webhooks/clerk",
        listener.local_addr().expect("the listener has an address")
    );
    axum::serve(listener, router).await.expect("the server failed");
}

fn handlers() -> Handlers<JobState> {
    Handlers::builder().otherwise(handle).build().expect("one handler")
}

fn with_leases<Q: JobQueue>(queue: Q) -> Worker<Q> {
    let state = JobState { work: Work::from_env(), transaction: None };
    Worker::new(queue, handlers(), state).concurrency(4)
}

fn with_transactions<Q: TransactionalQueue>(
    queue: Q,
    transaction: fn(SharedTransaction<Q::Transaction>) -> Transaction,
) -> Worker<Q> {
    let work = Work::from_env();
    let worker = Worker::exactly_once(queue, handlers(), move |shared| JobState {
        work: work.clone(),
        transaction: Some(transaction(shared)),
    });
    // The lease lasts longer than this, and the job of a killed worker waits for the end of its lease.
    worker.handler_timeout(Duration::from_secs(5))
}

async fn work<Q: JobQueue>(worker: Worker<Q>) {
    let terminated = termination();
    let record: String = variable("RECORD").expect("RECORD is not set");
    let unsettled = Unsettled(Record::open(record).expect("could not open the record"));
    tracing_subscriber::registry().with(unsettled).init();
    let worker = worker
        .lease(Duration::from_millis(variable("LEASE").expect("LEASE is not set")))
        .max_attempts(variable("MAX_ATTEMPTS").expect("MAX_ATTEMPTS is not set"))
        .backoff(Duration::from_millis(10), Duration::from_millis(100))
        .poll_interval(Duration::from_millis(50))
        .start();
    terminated.await;
    worker.shutdown(Duration::from_secs(5)).await;
}

/// Records the runs whose result the worker could not store, because the database was down. Such a job may
/// run again.
struct Unsettled(Record);

impl<S: tracing::Subscriber> Layer<S> for Unsettled {
    fn on_event(&self, event: &tracing::Event<'_>, _context: LayerContext<'_, S>) {
        let mut line = LogLine::default();
        event.record(&mut line);
        let is_unsettled = line.message.starts_with("could not store the result of a job")
            // A commit with an unknown result.
            || (variable::<String>("VARIANT").as_deref() == Some("transactions")
                && line.outcome == "store_unavailable");
        if let (true, Ok(message_id)) = (is_unsettled, line.message_id.parse()) {
            Run::of(message_id, &self.0).note(Mark::Unsettled, 0);
        }
    }
}

#[derive(Default)]
struct LogLine {
    message: String,
    message_id: String,
    outcome: String,
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message_id" => value.clone_into(&mut self.message_id),
            "outcome" => value.clone_into(&mut self.outcome),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[derive(Clone)]
struct JobState {
    work: Work,
    transaction: Option<Transaction>,
}

#[derive(Clone)]
enum Transaction {
    Sqlite(SqliteTransaction),
    Postgres(PostgresTransaction),
}

impl Transaction {
    async fn write_effect(&self, message_id: &str) -> Result<(), Failure> {
        match self {
            Self::Sqlite(transaction) => {
                let effect = sqlx::query("INSERT INTO effect (message_id) VALUES (?)").bind(message_id);
                effect.execute(&mut **transaction.lock().await?).await?;
            }
            Self::Postgres(transaction) => {
                let effect = sqlx::query("INSERT INTO effect (message_id) VALUES ($1)").bind(message_id);
                effect.execute(&mut **transaction.lock().await?).await?;
            }
        }
        Ok(())
    }
}

async fn handle(event: Event, cx: Context<JobState>) -> Result<(), Failure> {
    let JobState { work, transaction } = cx.state();
    let recorded = work.run(&event);
    let run = recorded.start(cx.attempt().expect("a worker counts the attempts"));
    if let Some(transaction) = transaction {
        transaction.write_effect(event.message_id().as_str()).await?;
    }
    let result = work.work().await;
    match event.event_type().as_str() {
        "poison.fail" => {
            run.fail();
            return Err(Failure::retry("poison"));
        }
        "poison.panic" => panic!("poison"),
        // Like a handler that exhausts the memory.
        "poison.abort" => process::abort(),
        _ => {}
    }
    assert!(!work.panics(), "intended");
    match result {
        Ok(()) => run.complete(),
        Err(error) => {
            run.fail();
            return Err(Failure::retry(error));
        }
    }
    Ok(())
}
