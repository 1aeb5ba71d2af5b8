//! Handle each delivery of a [Clerk](https://clerk.com) webhook once.
//!
//! Svix delivers at least once: it tries again for 28 hours and more after anything but 2xx, hangs up after 15 s while your
//! handler still runs, sends the same bytes twice within a millisecond, and during a rotation of the secret sends every event
//! to two endpoints. This crate remembers by message id what is being handled and what was, and lets one of them through.
//!
//! | what | for | it guarantees |
//! |---|---|---|
//! | [`Deduplicator`] | effects anywhere; any store | at most one run at a time; a run that failed or crashed is followed by another one; once one has completed there is none |
//! | [`ExactlyOnce`] | effects in the database of the store: SQLite, Postgres | the effects are there exactly once |
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
//! // In the handler of a request, for an event that was verified:
//! let answer = deduplicator.handle(&handlers, event.clone(), ()).await;
//! assert_eq!(answer.outcome(), Outcome::Processed);
//! # assert_eq!(deduplicator.handle(&handlers, event, ()).await.outcome(), Outcome::Duplicate);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On Tower and in Axum, `clerk_webhook_tower::WebhookService` does the same for a route.
//!
//! # Engines
//!
//! | feature | store | reaches | Rust |
//! |---|---|---|---|
//! | `memory` (default) | `MemoryStore` | one process, until it ends | 1.88 |
//! | `sqlite` | `SqliteStore` | all processes of a machine | 1.94, as sqlx |
//! | `postgres` | `PostgresStore` | all machines | 1.94, as sqlx |
//! | `redis` | `RedisStore` | all machines, as durable as the server | 1.88 |
//!
//! A feature brings the dependencies of its own engine only. For another engine implement [`DeliveryStore`]; the suite in
//! `conformance` (feature `conformance`) says whether it is right.
//!
//! # Two endpoints, one store
//!
//! Clerk sends a message to all endpoints under the same id, so each endpoint needs a [`Scope`] of its own.
//!
//! # Resends
//!
//! A resend from the dashboard has the id of the original. If that was handled, the answer is `duplicate` and nothing happens;
//! [`DeliveryStore::forget`] makes room for it. Repair the receiver before you resend a message that failed: a resend that fails
//! is not retried, and it cancels the scheduled retries of that message.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Shared with the other crates of this workspace; not part of the public API.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[doc(hidden)]
pub mod internal {
    #[cfg(feature = "postgres")]
    pub use crate::engines::postgres::pooler::{Mode, refuse};
    pub use crate::engines::sql::detach::DetachOnDrop;
    #[cfg(feature = "sqlite")]
    pub use crate::engines::sqlite::connection::begin as begin_sqlite;
}

/// Makes `Debug` show the text of an error, because that is what a `main` that returns the error prints.
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
    fn the_debug_form_of_an_error_is_its_text() {
        let scope: &dyn Error = &"two words".parse::<Scope>().unwrap_err();
        for error in [scope, &TransactionEnded] {
            assert_eq!(format!("{error:?}"), error.to_string());
        }
        #[cfg(feature = "memory")]
        assert!(format!("{:?}", MemoryStoreFull { capacity: 3 }).starts_with("all 3 deliveries"));
        #[cfg(feature = "redis")]
        assert!(format!("{:?}", InvalidRedisSetting::Prefix).starts_with("a prefix of keys"));
        #[cfg(any(feature = "postgres", feature = "sqlite"))]
        assert!(format!("{InvalidTableName:?}").starts_with("the name of a table"));
    }
}
