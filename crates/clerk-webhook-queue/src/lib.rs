//! Stores [Clerk](https://clerk.com) webhooks in a durable queue, responds to the sender immediately, and
//! handles the events afterwards.
//!
//! Applications usually add the `clerk-webhook` crate with the `nats` feature, or with `queue` and one of `sqlite`
//! and `postgres`. It contains this crate as `clerk_webhook::queue`.
//!
//! # When not to use it
//!
//! Most handlers do not need a queue. Until you respond with 2xx, the sender acts as a durable queue: it
//! retries, usually for about 28 hours, and for
//! [at most 66 hours](clerk_webhook_core::sender::LONGEST_RETRY_PERIOD). The Clerk Dashboard shows the failed
//! deliveries. After the 2xx, the sender does not send the event again.
//!
//! - If a handler only writes to your own database, run it in the request, with
//!   [`ExactlyOnce`](clerk_webhook_store::ExactlyOnce).
//! - If a handler calls other services and finishes within a few seconds, run it in the request, with
//!   [`Deduplicator`](clerk_webhook_store::Deduplicator).
//!
//! Never respond with 2xx and leave the work to a spawned task: a restart loses the event.
//!
//! # When to use it
//!
//! - The handler may take longer than 12 s, the default time limit of a handler in a request. The sender closes
//!   the connection after [15 s](clerk_webhook_core::sender::RESPONSE_TIMEOUT).
//! - Another service is often unavailable, and you want to retry more often, or for longer, than the sender
//!   does.
//! - The handlers must run in a different process from the server.
//! - Events about the same object must not be handled at the same time.
//!
//! # Guarantee: at least once
//!
//! - The sender receives a 2xx only after the event is durable.
//! - From then on, each event is handled at least once. Two workers never hold a live lease of one event, except
//!   with a `NatsQueue` with several replicas while the leader of its stream changes. If a handler blocks its
//!   thread for longer than the lease, a second worker can start the event while the first handler is still
//!   running.
//! - A handler that fails runs again after a random delay. The upper limit of the delay doubles with each
//!   attempt, from 5 s to 1 h. If the last attempt fails, the event becomes a dead letter. It stays in the queue
//!   until you retry or discard it.
//! - An event that is older than [`Worker::max_age`] is an exception: the worker marks it as done and runs no
//!   handler. This also applies to a dead letter that you retry. By default, `email.created`, which covers the
//!   emails of every template, and `sms.created` expire after 10 minutes. Pass `Duration::MAX` to turn this off.
//! - A duplicate is acknowledged and not enqueued again, until you [`purge`] its message id, after 30 days by
//!   default.
//!
//! The order of events is not guaranteed, because a retry can run after newer events. The process can crash
//! after a handler has called an external API, but before the queue has recorded the completion. The handler
//! then runs again, so pass [`Context::message_id`](clerk_webhook_core::Context::message_id) as the
//! idempotency key to every external API. For writes to the database of a `SqliteQueue` or a `PostgresQueue`,
//! use [`Worker::exactly_once`].
//!
#![cfg_attr(feature = "sqlite", doc = include_str!("worker/example.md"))]
//!
//! With Axum and Tower, `clerk_webhook_tower::WebhookService::queued` is a complete route that enqueues each
//! event and responds.
//!
//! # Dead letters
//!
//! Set an alert for the number of dead letters in [`JobQueue::stats`], because somebody must deal with each
//! of them. [`JobQueue::dead_letters`] lists them with their last error, and [`JobQueue::dead_letter`] finds
//! one by its message id. After you have fixed the cause, call [`JobQueue::retry_dead`] or
//! [`JobQueue::retry_all_dead`]. If an event must never be handled, call [`JobQueue::discard`].
//!
//! # Retention
//!
//! When an event has been handled, the queue deletes its body, because the body contains personal data. It
//! keeps the message id to identify later duplicates. Call [`purge`] once a day to delete old message ids.
//!
//! # Which engine
//!
//! - `SqliteQueue`: your application runs on one machine, in one or more processes.
//! - `PostgresQueue`: your application uses Postgres, or runs on several machines. The jobs are jobs of
//!   [graphile_worker](https://docs.rs/graphile_worker). It needs Postgres 12 or later. `PostgresQueue::listen`
//!   needs a direct connection, because `LISTEN` does not work through a pooler in transaction mode.
//!
//! - `NatsQueue`: your application runs on several machines, and uses NATS. It needs nats-server 2.9 or later.
//!
//! For another database, implement [`JobQueue`] and test it with the `conformance` suite.
//!
//! # Features
//!
//! | feature | adds | Rust |
//! |---|---|---|
//! | `sqlite` | `SqliteQueue`, for any number of processes on one machine | 1.94 |
//! | `postgres` | `PostgresQueue`, for any number of machines with one Postgres database | 1.94 |
//! | `nats` | `NatsQueue`, for any number of machines, on NATS JetStream | 1.89 |
//! | `tracing` (default) | a log line for each delivery, attempt and dead letter | 1.88 |
//! | `metrics` | counters, durations and the state of the queue, for the recorder of the `metrics` crate | 1.88 |
//! | `conformance` | the test suite for your own [`JobQueue`] | 1.88 |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod engines;
mod queue;
mod worker;

#[cfg(feature = "nats")]
pub use engines::nats::NatsQueue;
#[cfg(feature = "nats")]
pub use engines::nats::error::NatsQueueError;
#[cfg(feature = "postgres")]
pub use engines::postgres::queue::PostgresQueue;
#[cfg(feature = "sqlite")]
pub use engines::sqlite::SqliteQueue;
pub use queue::dead_letters::{DeadLetter, EventTypeStats, QueueStats};
pub use queue::delivery_queue::{DeliveryQueue, Enqueued};
pub use queue::job_queue::{Job, JobQueue, MAX_ERROR_LENGTH, TakeOptions};
#[cfg(feature = "metrics")]
pub use queue::metrics::report_stats;
pub use queue::object::object_of;
pub use queue::retention::purge;
pub use queue::transactional::TransactionalQueue;
pub use worker::builder::Worker;
pub use worker::running::RunningWorker;
