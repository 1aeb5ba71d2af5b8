//! Receives [Clerk](https://clerk.com) webhooks: verified, typed, and handled once.
//!
//! Clerk sends an HTTP request for each event, such as `user.created`, through Svix. This crate checks the
//! signature of the raw body before your code runs, and returns the event as a Rust type. It rejects every
//! other request. Use it in any Rust service that has an endpoint for Clerk's webhooks. It does not verify
//! the session tokens of signed-in users.
//!
//! ```
//! use clerk_webhook::{EventData, Verifier};
//!
//! # use clerk_webhook::{SigningSecret, Timestamp};
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let headers = secret.sign(&"msg_1".parse()?, Timestamp::now(), body.as_bytes()).to_pairs();
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let event = verifier.receive(&headers, body.into())?;
//! assert!(matches!(event.data(), EventData::UserCreated(user) if user.id == "user_1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In a web framework, an extractor, middleware or filter calls [`Verifier::receive`] for you. The
//! [quick start](guide::quick_start) shows a complete program for Axum.
//!
//! # Which features do I need?
//!
//! ```toml
//! [dependencies]
//! clerk-webhook = { path = "../clerk-webhook/crates/clerk-webhook", features = ["axum"] }
//! ```
//!
//! Enable the feature for your web framework. The sender can deliver an event several times. If your handlers
//! must run only once for each event, also enable a store: `sqlite`, `postgres`, `redis` or `memory`.
//!
//! | I want to … | feature | start at |
//! |---|---|---|
//! | receive events in Axum | `axum` | [`axum::ClerkEvent`], [`tower::WebhookService`] |
//! | receive events in Actix Web | `actix` | [`actix::ClerkEvent`] |
//! | receive events in Poem | `poem` | [`poem::ClerkEndpoint`] |
//! | receive events in Rocket | `rocket` | [`rocket::ClerkEvent`] |
//! | receive events in Warp | `warp` | [`warp::clerk_event`] |
//! | receive events in hyper, or verify deliveries before they reach a Tower service | `tower` | [`tower::WebhookService`], [`tower::VerifyWebhookLayer`] |
//! | receive events in another server | none | [`Verifier::receive`] |
//! | write one function for each event type | none | [`Handlers`] |
//! | handle each event once, on one machine | `sqlite` | [`store::ExactlyOnce`] |
//! | handle each event once, on several machines, in Postgres | `postgres` | [`store::ExactlyOnce`] |
//! | handle each event once, on several machines, in Redis | `redis` | [`store::Deduplicator`] |
//! | handle each event once, until the process exits | `memory` | [`store::MemoryStore`] |
//! | handle each event once, with my own store | `store`, and `conformance` in tests | [`store::DeliveryStore`] |
//! | respond immediately, and handle events later, on one machine | `queue` with `sqlite` | [`queue::SqliteQueue`], [`queue::Worker`] |
//! | the same on several machines, in Postgres | `queue` with `postgres` | [`queue::PostgresQueue`], [`queue::Worker`] |
//! | the same on several machines, in NATS JetStream | `nats` | `queue::NatsQueue`, [`queue::Worker`] |
//! | encrypt the connection to Postgres | `postgres` with `tls-rustls` | [`store::PostgresStore`] |
//! | keep Clerk's users and organizations in my database | `sync` with `sqlite` or `postgres` | [`sync::ClerkSync`] |
//! | import the users and organizations that exist already, with my HTTP client | `backend-api` with `sqlite` or `postgres` | [`sync::BackendApi`] |
//! | the same with the HTTP client of this crate | `backend-api-client` with `sqlite` or `postgres` | [`sync::HyperTransport`] |
//! | test my handlers | `test` | [`test::Delivery`] |
//! | see each delivery in the log | `tracing`, on by default | [`Observation`] |
//! | import once, and repair lost events every day | `backend-api` or `backend-api-client` with `sqlite` or `postgres` | [`sync::Sweeper`] |
//! | count deliveries, jobs, rows and requests to Clerk | `metrics` | [`Observation`] |
//! | convert timestamps | `chrono`, `jiff` or `time` | [`Timestamp`] |
//!
//! # The guide
//!
//! The [`guide`] has a chapter for each task, with complete programs. Start with the
//! [quick start](guide::quick_start), [setting up the endpoint in Clerk](guide::clerk) and
//! [your framework](guide::frameworks). If a delivery fails, see
//! [when something goes wrong](guide::troubleshooting).
//!
//! # The log
//!
//! The crate logs one line for each handled delivery. For rejected deliveries it logs a warning, at most once
//! per second, that states the reason and what to do. Your application's `tracing` subscriber receives the
//! lines. If the application has no subscriber, call `tracing_subscriber::fmt::init()`. If you enable the
//! `env-filter` feature of `tracing-subscriber`, also set `RUST_LOG=info`, because that filter shows only
//! errors by default.
//!
//! # Rust versions
//!
//! The features `sqlite`, `postgres`, `sync`, `backend-api` and `backend-api-client` need Rust 1.94. `actix`,
//! `rocket` and `nats` need Rust 1.89. All other features need Rust 1.88.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "sync", not(any(feature = "sqlite", feature = "postgres"))))]
compile_error!(
    "the `sync` feature of clerk-webhook needs a database: add the `sqlite` or `postgres` feature"
);

#[doc(inline)]
pub use clerk_webhook_core::*;

/// Receives events in [Actix Web](https://docs.rs/actix-web).
#[cfg(feature = "actix")]
pub mod actix {
    #[doc(inline)]
    pub use clerk_webhook_actix::{
        ClerkAnswer, ClerkEvent, ClerkEventError, OptionalClerkEvent, VerifyWebhook, VerifyWebhookMiddleware,
        guard,
    };
}

/// Receives events in [Axum](https://docs.rs/axum).
#[cfg(feature = "axum")]
pub mod axum {
    #[doc(inline)]
    pub use clerk_webhook_axum::{ClerkAnswer, ClerkEvent, ClerkEventRejection};
}

/// Receives events in [Poem](https://docs.rs/poem).
#[cfg(feature = "poem")]
pub mod poem {
    #[doc(inline)]
    pub use clerk_webhook_poem::{
        ClerkAnswer, ClerkEndpoint, ClerkEvent, ClerkEventError, OptionalClerkEvent,
    };
}

/// Receives events in [Rocket](https://docs.rs/rocket).
#[cfg(feature = "rocket")]
pub mod rocket {
    #[doc(inline)]
    pub use clerk_webhook_rocket::{
        ClerkAnswer, ClerkEvent, ClerkEventError, ClerkFairing, OptionalClerkEvent, outcome, receive_error,
    };
}

/// Handles each event once.
#[cfg(feature = "store")]
pub mod store {
    #[cfg(feature = "conformance")]
    #[doc(inline)]
    pub use clerk_webhook_store::conformance;
    #[doc(inline)]
    pub use clerk_webhook_store::{
        Begin, Claim, DEFAULT_RETENTION, Deduplicator, DeliveryKey, DeliveryStore, DynDeliveryStore,
        ExactlyOnce, InvalidScope, Lease, LeaseState, MAX_LEASE, MIN_LEASE, MIN_RETENTION, Owner, Scope,
        SharedTransaction, StoreError, TransactionEnded, TransactionGuard, TransactionalStore, purge,
    };
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[doc(inline)]
    pub use clerk_webhook_store::{ConnectError, DeliveryTransaction, InvalidTableName};
    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use clerk_webhook_store::{InvalidRedisSetting, RedisStore};
    #[cfg(feature = "memory")]
    #[doc(inline)]
    pub use clerk_webhook_store::{MemoryStore, MemoryStoreFull};
    #[cfg(feature = "postgres")]
    #[doc(inline)]
    pub use clerk_webhook_store::{PostgresStore, PostgresTransaction};
    #[cfg(feature = "sqlite")]
    #[doc(inline)]
    pub use clerk_webhook_store::{SqliteStore, SqliteTransaction};
}

/// Answers the sender at once, and handles events later.
#[cfg(feature = "queue")]
pub mod queue {
    #[cfg(feature = "postgres")]
    #[doc(inline)]
    pub use clerk_webhook_queue::PostgresQueue;
    #[cfg(feature = "sqlite")]
    #[doc(inline)]
    pub use clerk_webhook_queue::SqliteQueue;
    #[cfg(feature = "conformance")]
    #[doc(inline)]
    pub use clerk_webhook_queue::conformance;
    #[cfg(feature = "metrics")]
    #[doc(inline)]
    pub use clerk_webhook_queue::report_stats;
    #[doc(inline)]
    pub use clerk_webhook_queue::{
        DeadLetter, DeliveryQueue, Enqueued, EventTypeStats, Job, JobQueue, MAX_ERROR_LENGTH, QueueStats,
        RunningWorker, TakeOptions, TransactionalQueue, Worker, object_of, purge,
    };
    #[cfg(feature = "nats")]
    #[doc(inline)]
    pub use clerk_webhook_queue::{NatsQueue, NatsQueueError};
}

/// Keeps Clerk's objects in your database.
#[cfg(feature = "sync")]
pub mod sync {
    #[doc(inline)]
    pub use clerk_webhook_sync::*;
}

/// Signs deliveries for tests.
#[cfg(feature = "test")]
pub mod test {
    #[doc(inline)]
    pub use clerk_webhook_test::*;
}

/// Receives events in hyper, Axum, or any other server that runs [Tower](https://docs.rs/tower) services.
#[cfg(feature = "tower")]
pub mod tower {
    #[doc(inline)]
    pub use clerk_webhook_tower::{
        AnswerResponse, DefaultAnswer, DefaultRefusal, NoTimeout, ReadTimeout, RefusalResponse, ResponseBody,
        ResponseFuture, VerifyWebhook, VerifyWebhookLayer, WebhookFuture, WebhookService,
    };
    #[cfg(feature = "store")]
    #[doc(inline)]
    pub use clerk_webhook_tower::{Deduplicate, DeduplicateFuture, DeduplicateLayer};
}

/// Receives events in [Warp](https://docs.rs/warp).
#[cfg(feature = "warp")]
pub mod warp {
    #[doc(inline)]
    pub use clerk_webhook_warp::{
        ClerkAnswer, ClerkEventRejection, clerk_event, clerk_event_or_reply, handle_rejection,
        optional_clerk_event,
    };
}

/// Defines a module for each chapter of the guide.
///
/// The chapters link to other chapters by file path, so that the links work on a code host. For rustdoc,
/// `links!` adds definitions of the same links before the text. The first definition wins, so in rustdoc the
/// links lead to modules.
macro_rules! guide {
    ($($chapter:ident)*) => { guide!(@modules [$($chapter)*] $($chapter)*); };
    (@modules $all:tt $($chapter:ident)*) => {
        #[cfg(all(doc, not(doctest)))]
        #[doc = links!$all]
        #[doc = include_str!("guide/README.md")]
        pub mod guide {
            $(
                #[doc = links!$all]
                #[doc = include_str!(concat!("guide/", stringify!($chapter), ".md"))]
                pub mod $chapter {}
            )*
        }
    };
}

#[cfg(all(doc, not(doctest)))]
macro_rules! links {
    ($($chapter:ident)*) => {
        concat!($("[", stringify!($chapter), "]: crate::guide::", stringify!($chapter), "\n"),*)
    };
}

guide!(
    quick_start clerk frameworks axum actix poem rocket warp tower events handlers once queue database import serve testing
    command deployment troubleshooting security extending benchmarks
);
