//! A receiver that records its runs, for tests that kill it. It is configured with environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `STORE` | the path to a SQLite file, or the URL of a Postgres or Redis server |
//! | `VARIANT` | `leases` or `transactions` |
//! | `RECORD` | the file for the record of runs |
//! | `SCOPE` | the scope of the deliveries |
//! | `FAIL_PERCENT` | the percentage of runs that fail; 0 by default |
//! | `DELAY` | the longest run in ms, or `forever`; 0 by default |
//! | `SHORTEST` | the shortest run in ms; 0 by default |
//! | `GATE` | a file: handlers wait until it exists; none by default |
//! | `LEASE`, `STORE_TIMEOUT` | the deduplicator's settings, in ms |
//! | `SEED` | the seed for failures and delays |

mod receive;

use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::{Router, routing::post};
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook_core::Verifier;
use clerk_webhook_store::{DeliveryStore, PostgresStore, RedisStore, SqliteStore};
use clerk_webhook_tests_once::{termination, variable};
use sqlx::PgPool;
use tokio::net::TcpListener;

use receive::{Effects, Leases, Receive, Transactions};

/// How long a receiver waits for its handlers during a shutdown.
const SHUTDOWN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let address: String = variable("STORE").expect("STORE is not set");
    if address.starts_with("postgres://") {
        // With sqlx's default timeout of 30 s, because the deduplicator must limit the wait, not the pool.
        let pool = PgPool::connect(&address).await;
        let store = PostgresStore::new(pool.expect("could not connect to Postgres"));
        store.migrate().await.expect("could not create the table");
        serve_either(store).await;
    } else if address.starts_with("redis://") {
        let store = RedisStore::connect(&address).await.expect("could not connect to Redis");
        serve_leases(store).await;
    } else {
        let store = SqliteStore::open(&address).await.expect("could not open the file");
        store.migrate().await.expect("could not create the table");
        serve_either(store).await;
    }
}

async fn serve_either<S: DeliveryStore + Effects>(store: S) {
    match variable::<String>("VARIANT").as_deref() {
        Some("leases") => serve_leases(store).await,
        Some("transactions") => serve(Transactions::on(store)).await,
        variant => panic!("VARIANT is {variant:?}. Set it to `leases` or `transactions`"),
    }
}

async fn serve_leases<S: DeliveryStore + Clone>(store: S) {
    serve(Leases::on(store)).await;
}

#[derive(Clone)]
struct App<R> {
    verifier: Verifier,
    receive: R,
}

impl<R> FromRef<App<R>> for Verifier {
    fn from_ref(app: &App<R>) -> Self {
        app.verifier.clone()
    }
}

async fn serve<R: Receive>(receive: R) {
    async fn webhook<R: Receive>(State(app): State<App<R>>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
        ClerkAnswer(app.receive.receive(event).await)
    }
    let verifier = Verifier::from_env().expect("the signing secret is missing or invalid");
    let app = App { verifier, receive: receive.clone() };
    let router = Router::new().route("/webhooks/clerk", post(webhook::<R>)).with_state(app);
    // Before the address is printed, so that no signal arrives too early.
    let terminated = termination();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("could not bind a port");
    println!(
        "listening on http://{}/webhooks/clerk",
        listener.local_addr().expect("the listener has an address")
    );
    axum::serve(listener, router).with_graceful_shutdown(terminated).await.expect("the server failed");
    assert_eq!(receive.shutdown(SHUTDOWN).await, 0, "the shutdown stopped a handler");
}
