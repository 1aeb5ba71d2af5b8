//! A receiver whose runs are recorded, for tests that kill it.
//!
//! | variable | |
//! |---|---|
//! | `STORE` | the path of a SQLite file, or the URL of a Postgres or a Redis |
//! | `VARIANT` | `leases` or `transactions` |
//! | `RECORD` | the file that runs are recorded in |
//! | `SCOPE` | the scope of the deliveries |
//! | `FAIL_PERCENT` | how many handlers of a hundred fail; none unless set |
//! | `DELAY` | how many ms a handler takes at most, or `forever`; none unless set |
//! | `SHORTEST` | how many ms a handler takes at least; none unless set |
//! | `GATE` | the file that a handler waits for before it ends; none unless set |
//! | `LEASE`, `STORE_TIMEOUT` | in ms |
//! | `SEED` | says which handlers fail and how long they take |

mod receive;
mod work;

use std::env;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::{Router, routing::post};
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook_core::Verifier;
use clerk_webhook_store::{DeliveryStore, PostgresStore, RedisStore, SqliteStore};
use sqlx::PgPool;
use tokio::net::TcpListener;

use receive::{Effects, Leases, Receive, Transactions};

/// How long a receiver waits for its handlers when it is asked to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let address: String = variable("STORE").expect("STORE is set");
    if address.starts_with("postgres://") {
        // With the 30 s of sqlx: it is not the pool that has to give up in time.
        let pool = PgPool::connect(&address).await;
        let store = PostgresStore::new(pool.expect("the Postgres is there"));
        store.migrate().await.expect("the table can be made");
        serve_either(store).await;
    } else if address.starts_with("redis://") {
        let store = RedisStore::connect(&address).await.expect("the Redis is there");
        serve_leases(store).await;
    } else {
        let store = SqliteStore::open(&address).await.expect("the file can be opened");
        store.migrate().await.expect("the table can be made");
        serve_either(store).await;
    }
}

async fn serve_either<S: DeliveryStore + Effects>(store: S) {
    match variable::<String>("VARIANT").as_deref() {
        Some("leases") => serve_leases(store).await,
        Some("transactions") => serve(Transactions::on(store)).await,
        variant => panic!("{variant:?} is no variant"),
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
    let verifier = Verifier::from_env().expect("there is a secret");
    let app = App { verifier, receive: receive.clone() };
    let router = Router::new().route("/webhooks/clerk", post(webhook::<R>)).with_state(app);
    // Before anybody knows the address, so that no signal comes too early.
    let terminated = termination();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a port");
    println!("listening on http://{}/webhooks/clerk", listener.local_addr().expect("it is bound"));
    axum::serve(listener, router).with_graceful_shutdown(terminated).await.expect("the server runs");
    assert_eq!(receive.shutdown(SHUTDOWN).await, 0, "a handler was stopped");
}

/// Waits for SIGTERM, also one that has come since this was called.
#[cfg(unix)]
fn termination() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be awaited");
    async move {
        terminate.recv().await;
    }
}

#[cfg(not(unix))]
fn termination() -> impl Future<Output = ()> {
    std::future::pending()
}

/// Returns the value of a variable, if it is set.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not understood")))
}
