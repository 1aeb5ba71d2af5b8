//! The cost of handling each message once: typed handlers after the verification, with and without a
//! `Deduplicator` over a `MemoryStore`, on a Tokio runtime with one thread.

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
pub const ONCE: &str = "Tower layer, handlers and Deduplicator";

/// How many nanoseconds the `Deduplicator` may add to a delivery.
const GOAL: f64 = 3000.0;

/// The number of deliveries in the store: its default capacity, as after some days in production.
const REMEMBERED: u32 = 100_000;

/// Deliveries of new messages, whose handler returns immediately.
pub(crate) fn new_deliveries() -> Group {
    group(Outcome::Processed, Outcome::Processed, new_id)
}

/// Repeated deliveries of one message.
pub(crate) fn duplicates() -> Group {
    group(Outcome::Processed, Outcome::Duplicate, |_| delivery::ID.to_owned())
}

/// Deliveries of new messages that have no handler.
pub(crate) fn ignored() -> Group {
    group(Outcome::Ignored, Outcome::Ignored, new_id)
}

/// Returns a message id of the same length as Svix's ids.
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

/// Longer than a run of the benchmark.
const LEASE: Duration = Duration::from_secs(60);

async fn fill(store: &MemoryStore) {
    for number in 0..REMEMBERED - 1 {
        let key = DeliveryKey::new(Scope::default(), format!("old_{number:027}").parse().unwrap());
        let Ok(Claim::Acquired(lease)) = store.claim(&key, LEASE).await else {
            panic!("the delivery is already in the store");
        };
        assert_eq!(store.complete(&lease).await, Ok(LeaseState::Held));
    }
}

/// Signs a delivery and calls the service. The signing is part of the time and equal for all contestants.
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
    // The first delivery is not a duplicate. After two deliveries, the verifier decodes data in one pass.
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
