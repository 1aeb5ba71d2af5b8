//! Typed handlers that do what the data says, behind the protection against duplicates, at two endpoints.

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

/// Another endpoint, with the same handlers and the same store.
pub const OTHER_PATH: &str = "/webhooks/mail";

/// The header in which a middleware outside tells what became of a delivery.
pub const OUTCOME: &str = "x-outcome";

/// How long a handler needs that is slow: long enough for every server to see that the sender has hung up.
const SLOW: Duration = Duration::from_millis(1500);

/// What is shared by all endpoints of a server.
#[derive(Clone)]
pub struct Handling {
    pub handlers: Handlers<App>,
    pub app: App,
    pub endpoints: [Endpoint; 2],
}

/// A path, and what recognises the duplicates that come to it.
#[derive(Clone)]
pub struct Endpoint {
    pub path: &'static str,
    pub deduplicator: Deduplicator<Arc<dyn DynDeliveryStore>>,
}

/// The state that handlers are given.
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
        let handlers = Handlers::builder().on(UserCreated, act).build().unwrap();
        Self { handlers, app: App { inbox, gate: Gate::default() }, endpoints }
    }
}

/// Signs an event whose handler does what it says.
pub fn user(instruction: &str) -> WireRequest {
    WireRequest::of(format!(
        r#"{{"data":{{"external_id":"{instruction}","id":"user_1"}},"type":"user.created"}}"#
    ))
}

/// Does what a user's `external_id` says.
async fn act(user: User, cx: Context<App>) -> Result<(), Failure> {
    let App { inbox, gate } = cx.state();
    inbox.push_attempt(cx.event(), cx.attempt());
    match user.external_id.as_deref() {
        Some("fail") => Err("the database is down")?,
        Some("fail once") if cx.attempt() == Some(1) => Err("the database is down")?,
        Some("fail for a minute") => {
            return Err(Failure::retry_after(Duration::from_millis(59_001), "the database is being moved"));
        }
        Some("reject") => return Err(Failure::abort_message("nobody can handle that")),
        Some("disable") => return Err(Failure::disable_endpoint("nobody wants that")),
        Some("panic") => panic!("meant to"),
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

/// By which a case knows that a handler runs, and says when it may go on.
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

    /// Waits until a handler has begun.
    pub async fn began(&self) {
        self.began.acquire().await.unwrap().forget();
    }

    /// Lets the handler that is held go on.
    pub fn open(&self) {
        self.may_end.add_permits(1);
    }

    /// Waits until a slow handler has come to its end.
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

/// Tells in a header what became of a delivery, for a client to see that a middleware outside knows it.
pub fn tell_outcome<B>(mut response: Response<B>) -> Response<B> {
    if let Some(outcome) = response.extensions().get::<Outcome>() {
        let value = HeaderValue::from_static(outcome.as_str());
        response.headers_mut().insert(OUTCOME, value);
    }
    response
}

/// A store that nobody can ask.
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
