//! Runs your handler once per [Clerk](https://clerk.com) webhook, even if the sender delivers duplicates.
//!
//! Applications usually depend on `clerk-webhook` with the `sqlite`, `postgres`, `redis` or `memory` feature.
//! It re-exports this crate as `clerk_webhook::store`.
//!
//! # When to use it
//!
//! Svix, which sends Clerk's webhooks, delivers each message *at least* once, so your handler will see
//! duplicates:
//!
//! - it retries every response that is not 2xx,
//!   [for up to 66 hours](clerk_webhook_core::sender::LONGEST_RETRY_PERIOD);
//! - it closes the connection [after 15 s](clerk_webhook_core::sender::RESPONSE_TIMEOUT), even if your
//!   handler is still running, and retries;
//! - after a connection error it may send the same bytes again within a millisecond;
//! - to rotate the secret, you create a second endpoint; while both exist, it sends every event to both.
//!
//! If a handler must not run twice for one event, because it sends an email or adds to a counter, use this
//! crate. It stores the message id (`svix-id`) of each delivery, runs the handler for the first one, and
//! answers the duplicates with 200. If the handler only writes rows that a second run would write again in
//! the same way, you do not need it.
//!
//! # Lease or transaction
//!
//! | | [`Deduplicator`] | [`ExactlyOnce`] |
//! |---|---|---|
//! | the handler's effects | anywhere: other services, email, any database | in the store's database |
//! | engines | all | SQLite, Postgres |
//! | mechanism | claims the delivery under a lease | marks the delivery in the handler's transaction |
//! | guarantee | **at least once**, one run at a time | **exactly once** for writes in the transaction |
//! | after a crash | runs again after the lease expires (60 s) | is rolled back, and runs again |
//!
//! In both cases a handler that fails, panics or times out runs again when the sender retries. The handler
//! runs in a separate task, so it finishes even if the sender closes the connection.
//!
//! With [`Deduplicator`], pass [`Context::message_id`](clerk_webhook_core::Context::message_id) as the
//! idempotency key to every external API that the handler calls. The process may crash after the call and
//! before the store records the completion.
//!
//! # Example
//!
//! ```
//! use clerk_webhook_core::event::marker::UserCreated;
//! use clerk_webhook_core::{Event, Handlers, Outcome};
//! use clerk_webhook_store::{Deduplicator, MemoryStore};
//! # use clerk_webhook_core::Timestamp;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
//! let handlers = Handlers::builder()
//!     .on(UserCreated, |user, _cx| async move {
//!         println!("{} has joined", user.id);
//!         Ok(())
//!     })
//!     .build()?;
//! let deduplicator = Deduplicator::new(MemoryStore::new());
//!
//! // For each verified event:
//! let answer = deduplicator.handle(&handlers, event.clone(), ()).await;
//! assert_eq!(answer.outcome(), Outcome::Processed);
//!
//! // A retry of the same message:
//! let answer = deduplicator.handle(&handlers, event, ()).await;
//! assert_eq!(answer.outcome(), Outcome::Duplicate);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In Axum and Tower, `clerk_webhook_tower::WebhookService::deduplicated` and `WebhookService::exactly_once`
//! do this for a route. [`ExactlyOnce`] has an example with SQLite.
//!
//! # Which engine
//!
//! - `SqliteStore`: your application runs on one machine, in one or more processes.
//! - `PostgresStore`: your application uses Postgres, or runs on several machines.
//! - `RedisStore`: several machines without Postgres. If the server loses keys, for example in a failover,
//!   handlers can run twice.
//! - `MemoryStore`: tests, development, and single processes that may forget everything on restart.
//!
//! For another database, implement [`DeliveryStore`] and test it with the `conformance` suite.
//!
//! # Features
//!
//! | feature | adds | Rust |
//! |---|---|---|
//! | `memory` (default) | `MemoryStore` | 1.88 |
//! | `sqlite` | `SqliteStore`, for [`Deduplicator`] and [`ExactlyOnce`] | 1.94 |
//! | `postgres` | `PostgresStore`, for [`Deduplicator`] and [`ExactlyOnce`] | 1.94 |
//! | `tls-rustls` | TLS for `PostgresStore::connect`, with `postgres` | 1.94 |
//! | `redis` | `RedisStore`, for Redis and Valkey | 1.88 |
//! | `tracing` (default) | a log line for each delivery | 1.88 |
//! | `conformance` | the test suite for your own [`DeliveryStore`] | 1.88 |
//!
//! Each engine adds only its own dependencies. sqlx needs Rust 1.94.
//!
//! # Several endpoints, one store
//!
//! Clerk sends a message to all endpoints with the same message id. If your endpoints have different
//! handlers, give each endpoint a different [`Scope`], or the second endpoint treats the message as a
//! duplicate. If they have the same handlers, as during a secret rotation, use one scope for both.
//!
//! # Resends
//!
//! A resend from the Clerk Dashboard has the message id of the original. If the original was handled, the
//! answer is `duplicate` and no handler runs. Call [`DeliveryStore::forget`] first if the handler must run
//! again.
//!
//! Repair the receiver before you resend a message that failed: if a resend fails, the sender does not retry
//! it, and it cancels the retries of the message that are still scheduled.
//!
//! # Retention
//!
//! `RedisStore` and `MemoryStore` remove old deliveries after 30 days. With `SqliteStore` and
//! `PostgresStore`, call [`purge`] once a day.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Items for the other crates of this workspace. They are not part of the public API.
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "conformance")]
    pub use crate::conformance::random::{Random, seed};
    #[cfg(feature = "postgres")]
    pub use crate::engines::postgres::commit::commit as commit_postgres;
    #[cfg(feature = "postgres")]
    pub use crate::engines::postgres::pooler::{Mode, execute, fetch, refuse};
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub use crate::engines::sql::detach::DetachOnDrop;
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub use crate::engines::sql::{Committing, advise, millis, state_of};
    #[cfg(feature = "sqlite")]
    pub use crate::engines::sqlite::connection::{acquire as acquire_sqlite, begin as begin_sqlite};
    #[cfg(feature = "sqlite")]
    pub use crate::engines::sqlite::values::{bytes, now, now_plus};
    #[cfg(feature = "conformance")]
    pub use crate::run::deadline::WALL_CLOCK;
    pub use crate::run::deadline::wall_clock;
}

/// Implements `Debug` with the text of `Display`, because a `main` that returns the error prints its `Debug`
/// form.
macro_rules! debug_is_display {
    ($($error:ty),*) => {
        $(impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        })*
    };
}

#[cfg(feature = "conformance")]
pub mod conformance;
mod engines;
mod run;
mod store;

#[cfg(feature = "memory")]
pub use engines::memory::{MemoryStore, MemoryStoreFull};
#[cfg(feature = "postgres")]
pub use engines::postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use engines::redis::{InvalidRedisSetting, RedisStore};
#[cfg(feature = "postgres")]
pub use engines::sql::PostgresTransaction;
#[cfg(feature = "sqlite")]
pub use engines::sql::SqliteTransaction;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use engines::sql::{ConnectError, DeliveryTransaction, InvalidTableName};
#[cfg(feature = "sqlite")]
pub use engines::sqlite::SqliteStore;
pub use run::deduplicator::{Deduplicator, MAX_LEASE, MIN_LEASE};
pub use run::exactly_once::{ExactlyOnce, SharedTransaction, TransactionEnded, TransactionGuard};
pub use store::claim::{Claim, Lease, LeaseState, Owner};
pub use store::delivery_store::DeliveryStore;
pub use store::dynamic::{DynDeliveryStore, StoreError};
pub use store::key::{DeliveryKey, InvalidScope, Scope};
pub use store::retention::{DEFAULT_RETENTION, MIN_RETENTION, purge};
pub use store::transaction::{Begin, TransactionalStore};

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn debug_shows_the_text_of_an_error() {
        let scope: &dyn Error = &"two words".parse::<Scope>().unwrap_err();
        for error in [scope, &TransactionEnded] {
            assert_eq!(format!("{error:?}"), error.to_string());
        }
        #[cfg(feature = "memory")]
        assert!(format!("{:?}", MemoryStoreFull { capacity: 3 }).contains("all 3 deliveries"));
        #[cfg(feature = "redis")]
        assert!(format!("{:?}", InvalidRedisSetting::Prefix).starts_with("a key prefix"));
        #[cfg(any(feature = "postgres", feature = "sqlite"))]
        assert!(format!("{InvalidTableName:?}").starts_with("a table name"));
    }
}
