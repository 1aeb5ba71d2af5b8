//! The queues, and the bare writes that they are compared with.

pub mod nats;
pub mod postgres;
pub mod sqlite;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::JobQueue;

use crate::Fallible;

/// A database or a server with queues.
pub trait Engine: Clone + Send + Sync + 'static {
    type Queue: JobQueue + Clone;

    fn name(&self) -> &'static str;

    /// Returns the settings that determine the durability of a write.
    fn settings(&self) -> impl Future<Output = Fallible<String>>;

    /// Returns the goal for the throughput of a worker.
    fn jobs_per_second(&self) -> Option<f64>;

    /// Creates an empty queue, which shares no table, index or stream with other queues. The name must be new.
    fn new_queue(&self, name: &str) -> impl Future<Output = Fallible<Self::Queue>>;

    /// Stores the message id and the body of an event in the simplest durable way.
    ///
    /// Panics if the server rejects them.
    fn write(&self, event: &Event) -> impl Future<Output = ()> + Send;

    /// Enqueues many events as fast as possible.
    fn fill(&self, queue: &Self::Queue, count: usize) -> impl Future<Output = Fallible<()>>;

    /// Removes all data of the benchmark.
    fn clean(&self) -> impl Future<Output = Fallible<()>>;
}

/// The body of a real `user.created`, 1.9 KB.
const USER_CREATED: &str =
    include_str!("../../../../../crates/clerk-webhook-test/fixtures/events/user.created.json");

/// The id of the user in the body.
const USER: &str = "user_2fCjroEEruEbiXLF9UBxU3QkoiF";

/// Returns a new event about a user about whom no other event is.
pub fn new_event() -> Event {
    static EVENTS: AtomicU64 = AtomicU64::new(0);
    let number = EVENTS.fetch_add(1, Ordering::Relaxed);
    // Svix's ids also have a random part, so consecutive ids are far apart in an index.
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let body = USER_CREATED.replace(USER, &format!("user_{scattered:016x}{number:011}"));
    let id = format!("msg_{scattered:016x}{number:011}").parse().expect("a valid message id");
    Event::from_trusted(id, Timestamp::now(), body.into()).expect("a valid event")
}

pub fn new_events(count: usize) -> Vec<Event> {
    (0..count).map(|_| new_event()).collect()
}
