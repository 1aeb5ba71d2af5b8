//! What it costs to handle each delivery once: typed handlers behind the verification, with and without
//! a `Deduplicator` over the memory of the process, on a Tokio runtime of one thread.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::event::marker::{UserCreated, UserDeleted};
use clerk_webhook_core::{Handlers, Outcome, SigningSecret, Timestamp};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore as _, LeaseState, MemoryStore, Scope,
};
use clerk_webhook_tower::WebhookService;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

use crate::delivery::{self, SignedDelivery};
use crate::group::{Contestant, Goal, Group};

pub const HANDLERS: &str = "Tower layer and handlers";
pub const ONCE: &str = "the same with a Deduplicator";

/// How much more time than the same without it a delivery may take.
const GOAL: f64 = 3000.0;

/// As many as a `MemoryStore` has room for: what is there after some days.
const REMEMBERED: u32 = 100_000;

/// Deliveries that come for the first time, to a handler that is ready at once.
pub(crate) fn new_deliveries() -> Group {
    group(Outcome::Processed, Outcome::Processed, new_id)
}

/// One delivery again and again.
pub(crate) fn duplicates() -> Group {
    group(Outcome::Processed, Outcome::Duplicate, |_| delivery::ID.to_owned())
}

/// Deliveries that come for the first time, and that nobody handles.
pub(crate) fn ignored() -> Group {
    group(Outcome::Ignored, Outcome::Ignored, new_id)
}

/// Returns an id that is as long as Svix makes them.
fn new_id(number: u32) -> String {
    format!("msg_{number:027}")
}

fn group(without: Outcome, with: Outcome, id_of: fn(u32) -> String) -> Group {
    let (once, store) = (runtime(), MemoryStore::new());
    once.block_on(fill(&store));
    let plain = WebhookService::new(handlers(without), ()).verified(delivery::verifier());
    let deduplicated = WebhookService::deduplicated(handlers(without), (), Deduplicator::new(store));
    let deduplicated = deduplicated.verified(delivery::verifier());
    let contestants = vec![
        contestant(HANDLERS, plain, runtime(), id_of, without),
        contestant(ONCE, deduplicated, once, id_of, with),
    ];
    let goals = vec![Goal::AtMostLonger { who: ONCE, than: HANDLERS, nanoseconds: GOAL }];
    Group { contestants, goals }
}

fn handlers(outcome: Outcome) -> Handlers {
    let builder = Handlers::builder();
    let builder = match outcome {
        Outcome::Ignored => builder.on(UserDeleted, async |_, _| Ok(())),
        _ => builder.on(UserCreated, async |user, _| {
            black_box(user);
            Ok(())
        }),
    };
    builder.build().unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Long enough.
const LEASE: Duration = Duration::from_secs(60);

async fn fill(store: &MemoryStore) {
    for number in 0..REMEMBERED - 1 {
        let key = DeliveryKey::new(Scope::default(), format!("old_{number:027}").parse().unwrap());
        let Ok(Claim::Acquired(lease)) = store.claim(&key, LEASE).await else {
            panic!("it is there already");
        };
        assert_eq!(store.complete(&lease).await, Ok(LeaseState::Held));
    }
}

/// Signs a delivery and has it handled; that is part of the time, and takes everybody the same.
fn contestant<S, B>(
    name: &'static str,
    mut service: S,
    runtime: Runtime,
    id_of: fn(u32) -> String,
    outcome: Outcome,
) -> Contestant
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + 'static,
{
    let (secret, delivery) = (delivery::secret(), SignedDelivery::user_created());
    let mut number = 0;
    let mut deliver = move || {
        let mut request = Request::new(Full::new(black_box(&delivery.body).clone()));
        *request.headers_mut() = signed(&secret, &delivery, &id_of(number));
        number += 1;
        let response = runtime.block_on(service.call(request)).unwrap();
        response.extensions().get::<Outcome>().copied()
    };
    // The first one of all duplicates is none, and the first two find out that somebody reads the data.
    deliver();
    deliver();
    Contestant::new(name, move || assert_eq!(deliver(), Some(outcome)))
}

fn signed(secret: &SigningSecret, delivery: &SignedDelivery, id: &str) -> HeaderMap {
    let mut headers = delivery.headers.clone();
    let signed = secret.sign(&id.parse().unwrap(), Timestamp::now(), &delivery.body);
    for (name, value) in signed.to_pairs() {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    headers
}
