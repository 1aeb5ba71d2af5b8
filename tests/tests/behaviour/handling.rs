//! Typed handlers that follow the instruction in the data, with duplicate handling, on two endpoints.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::User;
use clerk_webhook_core::{Context, Failure, Handlers, Outcome};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore, DynDeliveryStore, Lease, LeaseState, MemoryStore, Scope,
};
use http::{HeaderValue, Response};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::inbox::Inbox;
use super::stacks::{PATH, Setup};
use super::wire_request::WireRequest;

/// The path of another endpoint with the same handlers and the same store.
pub const OTHER_PATH: &str = "/webhooks/mail";

/// The header in which an outer middleware reports a delivery's outcome.
pub const OUTCOME: &str = "x-outcome";

/// The run time of a slow handler, long enough for every server to notice that the client has disconnected.
const SLOW: Duration = Duration::from_millis(1500);

/// A server's handlers, state and endpoints.
#[derive(Clone)]
pub struct Handling {
    pub handlers: Handlers<App>,
    pub app: App,
    pub endpoints: [Endpoint; 2],
}

/// A path and the deduplicator for its deliveries.
#[derive(Clone)]
pub struct Endpoint {
    pub path: &'static str,
    pub deduplicator: Deduplicator<Arc<dyn DynDeliveryStore>>,
}

/// The state of the handlers.
#[derive(Clone)]
pub struct App {
    pub inbox: Inbox,
    pub gate: Gate,
}

impl Handling {
    pub fn new(setup: Setup, inbox: Inbox) -> Self {
        let store: Arc<dyn DynDeliveryStore> = match setup {
            Setup::StoreDown => Arc::new(UnreachableStore),
            _ => Arc::new(MemoryStore::new()),
        };
        let deduplicator = |scope: Scope| {
            let deduplicator = Deduplicator::new(Arc::clone(&store)).scope(scope);
            match setup {
                Setup::ShortHandlerTimeout => deduplicator.handler_timeout(Duration::from_millis(200)),
                _ => deduplicator,
            }
        };
        let endpoints = [
            Endpoint { path: PATH, deduplicator: deduplicator(Scope::default()) },
            Endpoint { path: OTHER_PATH, deduplicator: deduplicator("mail".parse().unwrap()) },
        ];
        let handlers = Handlers::builder().on(UserCreated, follow_instruction).build().unwrap();
        Self { handlers, app: App { inbox, gate: Gate::default() }, endpoints }
    }
}

/// Signs an event with an instruction for its handler.
pub fn user(instruction: &str) -> WireRequest {
    WireRequest::of(format!(
        r#"{{"data":{{"external_id":"{instruction}","id":"user_1"}},"type":"user.created"}}"#
    ))
}

/// Follows the instruction in the user's `external_id`.
async fn follow_instruction(user: User, cx: Context<App>) -> Result<(), Failure> {
    let App { inbox, gate } = cx.state();
    inbox.push_attempt(cx.event(), cx.attempt());
    match user.external_id.as_deref() {
        Some("fail") => Err("the database is down")?,
        Some("fail once") if cx.attempt() == Some(1) => Err("the database is down")?,
        Some("fail for a minute") => {
            return Err(Failure::retry_after(
                Duration::from_millis(59_001),
                "the database is in maintenance",
            ));
        }
        Some("reject") => return Err(Failure::abort_message("the message cannot be handled")),
        Some("disable") => return Err(Failure::disable_endpoint("the endpoint is obsolete")),
        Some("panic") => panic!("a panic on purpose"),
        Some("hang") => pending().await,
        Some("hold") => gate.hold().await,
        Some("be slow") => {
            gate.began.add_permits(1);
            sleep(SLOW).await;
            gate.ended.add_permits(1);
        }
        _ => {}
    }
    Ok(())
}

/// Tells a test that a handler has started, and lets the handler finish.
#[derive(Clone)]
pub struct Gate {
    began: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
    ended: Arc<Semaphore>,
}

impl Gate {
    async fn hold(&self) {
        self.began.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
    }

    /// Waits until a handler has started.
    pub async fn began(&self) {
        self.began.acquire().await.unwrap().forget();
    }

    /// Lets the waiting handler finish.
    pub fn open(&self) {
        self.may_end.add_permits(1);
    }

    /// Waits until a slow handler has finished.
    pub async fn ended(&self) {
        self.ended.acquire().await.unwrap().forget();
    }
}

impl Default for Gate {
    fn default() -> Self {
        let [began, may_end, ended] = std::array::from_fn(|_| Arc::new(Semaphore::new(0)));
        Self { began, may_end, ended }
    }
}

/// Copies the outcome from the response's extensions to a header, as an outer middleware could.
pub fn with_outcome_header<B>(mut response: Response<B>) -> Response<B> {
    if let Some(outcome) = response.extensions().get::<Outcome>() {
        let value = HeaderValue::from_static(outcome.as_str());
        response.headers_mut().insert(OUTCOME, value);
    }
    response
}

/// A store that always fails.
struct UnreachableStore;

#[derive(Debug)]
struct Unreachable;

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection refused")
    }
}

impl std::error::Error for Unreachable {}

impl DeliveryStore for UnreachableStore {
    type Error = Unreachable;

    async fn claim(&self, _key: &DeliveryKey, _lease: Duration) -> Result<Claim, Unreachable> {
        Err(Unreachable)
    }

    async fn renew(&self, _lease: &Lease, _by: Duration) -> Result<LeaseState, Unreachable> {
        Err(Unreachable)
    }

    async fn complete(&self, _lease: &Lease) -> Result<LeaseState, Unreachable> {
        Err(Unreachable)
    }

    async fn release(&self, _lease: &Lease) -> Result<LeaseState, Unreachable> {
        Err(Unreachable)
    }

    async fn forget(&self, _key: &DeliveryKey) -> Result<bool, Unreachable> {
        Err(Unreachable)
    }

    async fn purge(&self, _older_than: Duration, _limit: u32) -> Result<u64, Unreachable> {
        Err(Unreachable)
    }
}
