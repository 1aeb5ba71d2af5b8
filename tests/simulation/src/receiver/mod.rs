//! The receivers under test, and the services that their processes share.

pub mod jobs;
pub mod leased;
pub mod queued;
pub mod synced;
pub mod tables;
pub mod transactional;

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, MessageId, SigningSecret, Timestamp, Verifier};
use clerk_webhook_store::{DeliveryKey, Scope};

use crate::history::{Did, Key, Millis, Op, What};
use crate::plan::Plan;
use crate::process::Local;
use crate::visit::{Shared, Visit};

/// The code under test, and the service that its processes share.
pub trait Receiver: 'static {
    /// The service.
    type Service;
    /// The receiver in a process.
    type App: Clone + Send + 'static;

    /// Creates the service.
    fn service(plan: &Plan) -> Self::Service;
    /// Executes a call of a process.
    fn execute(service: &mut Self::Service, op: &Op, now: Millis, process: usize) -> Did;
    /// Cleans up after a process that has ended, or after all if the service has restarted.
    fn disconnected(_service: &mut Self::Service, _process: Option<usize>) {}
    /// Cleans up after a call whose result nobody received.
    fn unreceived(_service: &mut Self::Service, _did: Did) {}
    /// Returns what else happened in the last call.
    fn happened(_service: &mut Self::Service) -> Vec<What> {
        Vec::new()
    }
    /// Returns the body of a message.
    fn body(_service: &Self::Service, key: Key) -> String {
        body(key)
    }
    /// Starts the receiver in a process.
    fn start(plan: &Plan, service: &Self::Service, local: &Local, shared: &Shared) -> Self::App;
    /// Handles a request.
    fn receive(app: Self::App, event: Event, visit: Visit) -> impl Future<Output = Answer> + Send;
    /// Returns whether the receiver has something to do.
    fn is_active(app: &Self::App) -> bool;
    /// Shuts down.
    fn shutdown(app: Self::App, limit: Duration) -> impl Future<Output = ()> + Send;
    /// Removes old deliveries.
    fn purge(_app: Self::App, _retention: Duration) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Compares the data with Clerk's.
    fn compare(_app: Self::App, _number: usize) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Forgets a delivery.
    fn forget(_app: Self::App, _key: Key) -> impl Future<Output = ()> + Send {
        async {}
    }
    /// Retries or discards a dead letter, if the message is one.
    fn end_dead_letter(_app: Self::App, _key: Key, _end: DeadLetterEnd) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What an operator does with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterEnd {
    /// Makes it ready again.
    Retry,
    /// Discards it.
    Discard,
}

/// Returns the event of a message. Every second message is about the same object.
#[must_use]
pub fn event(key: Key) -> Event {
    event_of(key, body(key))
}

fn event_of(key: Key, body: String) -> Event {
    Event::from_trusted(id(key), timestamp(0), body.into()).expect("an event")
}

fn id(key: Key) -> MessageId {
    format!("msg_{}", key.message).parse().expect("a message id")
}

fn body(key: Key) -> String {
    format!(r#"{{"data":{{"id":"user_{}","object":"user"}},"type":"simulated.event"}}"#, key.message % 2)
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + at)
}

/// Verifies a request that the sender signed at a time, with a clock that shows another time.
///
/// # Errors
///
/// Returns the answer to a request whose age the tolerance does not allow.
pub fn verify(key: Key, body: String, signed: Millis, clock: i64) -> Result<Event, Answer> {
    static SECRET: LazyLock<SigningSecret> =
        LazyLock::new(|| SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret"));
    let signed = timestamp(i64::try_from(signed).expect("a time"));
    let headers = SECRET.sign(&id(key), signed, body.as_bytes()).to_pairs();
    let verifier = Verifier::builder().secret(SECRET.clone()).clock(move || timestamp(clock)).build();
    verifier.expect("a verifier").receive(&headers, body.into()).map_err(|error| Answer::from(&error))
}

pub(crate) fn scope_of(scope: u8) -> Scope {
    Scope::new(((b'a' + scope) as char).to_string()).expect("a scope")
}

pub(crate) fn delivery_key(key: Key) -> DeliveryKey {
    DeliveryKey::new(scope_of(key.scope), id(key))
}

pub(crate) fn key_of(key: &DeliveryKey) -> Key {
    let scope = key.scope().as_str().as_bytes()[0] - b'a';
    let message = key.message_id().as_str().trim_start_matches("msg_").parse().expect("a number");
    Key { scope, message }
}
