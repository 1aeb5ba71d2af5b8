//! Stores [Clerk](https://clerk.com) webhooks in a durable queue, so that the sender is answered at once and
//! the event is handled afterwards.
//!
//! Applications usually add the crate `clerk-webhook` with the features `queue` and `sqlite`, and find this
//! crate as `clerk_webhook::queue`.
//!
//! # When not to use it
//!
//! Most handlers do not need a queue. Until you answer with 2xx, the sender is a durable queue: it retries
//! for [up to 66 hours](clerk_webhook_core::sender::LONGEST_RETRY_PERIOD), and the Clerk Dashboard shows what
//! failed. After the 2xx, nobody sends the event again.
//!
//! - If a handler only writes to your own database, run it in the request, with
//!   [`ExactlyOnce`](clerk_webhook_store::ExactlyOnce).
//! - If a handler calls other services and finishes within a few seconds, run it in the request, with
//!   [`Deduplicator`](clerk_webhook_store::Deduplicator).
//!
//! Never answer with 2xx and continue in a task in memory: a restart loses the event.
//!
//! # When to use it
//!
//! - The handler may take longer than [the 15 s](clerk_webhook_core::sender::RESPONSE_TIMEOUT) after which the
//!   sender closes the connection.
//! - Another service is often unavailable, and you want to retry more often, or for longer, than the sender.
//! - The handlers must run in another process than the server.
//! - Events about the same object must not be handled at the same time.
//!
//! # Guarantee: at least once
//!
//! - The sender receives a 2xx only after the event is durable.
//! - From then on, each event is handled at least once, and by at most one worker at a time.
//! - A handler that fails runs again after a growing delay. After the last attempt, the event becomes a dead
//!   letter. It stays in the queue until you retry or discard it.
//! - A duplicate is acknowledged and not enqueued again, whether the event waits, runs, was handled or is a
//!   dead letter.
//!
//! The order of events is not guaranteed, because a retry comes later. If a worker crashes after the effects
//! of a handler, the handler runs again. Pass
//! [`Context::message_id`](clerk_webhook_core::Context::message_id) as the idempotency key to every external
//! API. For effects in the database of the queue, use `Worker::exactly_once`.
//!
#![cfg_attr(feature = "sqlite", doc = include_str!("worker/example.md"))]
//!
//! In Axum and Tower, `clerk_webhook_tower::WebhookService::queued` answers the deliveries of a route.
//!
//! # Dead letters
//!
//! Alert on `dead` of [`JobQueue::stats`]: a dead letter needs a person. [`JobQueue::dead_letters`] lists them
//! with their last error. After you have repaired the cause, call [`JobQueue::retry_dead`] or
//! [`JobQueue::retry_all_dead`]. [`JobQueue::discard`] gives an event up for good.
//!
//! # Retention
//!
//! The queue deletes the body of an event when the event was handled, because the body contains personal
//! data. It keeps the message id, which finds later duplicates. Call [`purge`] once a day to delete old ids.
//!
//! # Features
//!
//! | feature | adds | Rust |
//! |---|---|---|
//! | `sqlite` | `SqliteQueue`, for any number of processes on one machine | 1.94 |
//! | `tracing` (default) | a log line for each delivery, attempt and dead letter | 1.88 |
//! | `metrics` | counters and durations, for the recorder of the crate `metrics` | 1.88 |
//! | `conformance` | the test suite for your own [`JobQueue`] | 1.88 |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod engines;
mod queue;
mod worker;

#[cfg(feature = "sqlite")]
pub use engines::sqlite::SqliteQueue;
pub use queue::dead_letters::{DeadLetter, EventTypeStats, QueueStats};
pub use queue::delivery_queue::{DeliveryQueue, Enqueued};
pub use queue::job_queue::{Job, JobQueue, MAX_ERROR_LENGTH, TakeOptions};
pub use queue::object::object_of;
pub use queue::retention::purge;
pub use worker::builder::Worker;
pub use worker::running::RunningWorker;
