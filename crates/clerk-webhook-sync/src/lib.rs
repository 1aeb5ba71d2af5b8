//! Clerk's users, organizations and memberships as tables in your own SQLite or Postgres database.
//!
//! [`ClerkSync`] applies Clerk's webhook events to these tables. Svix can deliver events late, more than once
//! and in any order. The sync keeps the newest version of each object, and a tombstone for each deleted
//! object. The same events in any order therefore produce the same rows.
//!
//! Applications do not depend on this crate directly. Add the `clerk-webhook` crate with the `sync` feature
//! and the `sqlite` or `postgres` feature. It re-exports this crate as `clerk_webhook::sync`.
//!
//! # When to use it
//!
//! - You join your own tables with users, organizations or memberships.
//! - You read users or memberships on every request and do not want to call Clerk's API each time.
//! - You write your own rows in the transaction that changes a user, for example with
//!   [`ClerkSync::on_change`].
//!
//! If you only react to events, handlers are enough, and you do not need this crate.
//!
//! # Example
//!
//! ```
//! use clerk_webhook_core::{Handlers, Outcome};
//! use clerk_webhook_sync::ClerkSync;
//! use sqlx::sqlite::SqlitePoolOptions;
//! # use clerk_webhook_core::{Event, Timestamp};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # fn event(body: &'static str) -> Result<Event, Box<dyn std::error::Error>> {
//! #     Ok(Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?)
//! # }
//! # let deleted = event(r#"{"data":{"deleted":true,"id":"user_2","object":"user"},"timestamp":9,"type":"user.deleted"}"#)?;
//! # let late = event(r#"{"data":{"email_addresses":[],"first_name":"Bob","id":"user_2","updated_at":5},"timestamp":6,"type":"user.created"}"#)?;
//! # let created = event(r#"{"data":{"email_addresses":[],"first_name":"Ada","id":"user_1","updated_at":1},"timestamp":2,"type":"user.created"}"#)?;
//! let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! let sync = ClerkSync::new(pool);
//! sync.migrate().await?; // Creates the tables.
//! let handlers = Handlers::builder().otherwise(sync.handler()).build()?;
//!
//! // For `user_2`, `user.deleted` arrives before `user.created`.
//! for event in [deleted, late, created] {
//!     assert_eq!(handlers.answer(event, ()).await.outcome(), Outcome::Processed);
//! }
//! let ada = sync.user("user_1").await?.ok_or("user_1 has no row")?;
//! assert_eq!(ada.first_name.as_deref(), Some("Ada"));
//! assert_eq!(sync.user("user_2").await?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The `database` chapter of the guide in `clerk-webhook` contains complete programs for SQLite and Postgres.
//!
//! # Tables
//!
//! | table | one row for each | view of live rows | filled |
//! |---|---|---|---|
//! | `clerk_users` | user | `clerk_active_users` | always |
//! | `clerk_user_emails`, `clerk_user_phone_numbers`, `clerk_user_external_accounts` | user's address, phone number or external account | | always |
//! | `clerk_organizations` | organization | `clerk_active_organizations` | always |
//! | `clerk_memberships` | user's membership in an organization | `clerk_active_memberships` | always |
//! | `clerk_invitations` | invitation to an organization | `clerk_active_invitations` | always |
//! | `clerk_domains` | organization's domain | `clerk_active_domains` | always |
//! | `clerk_roles` | role | `clerk_active_roles` | always |
//! | `clerk_permissions` | permission | `clerk_active_permissions` | always |
//! | `clerk_sessions` | session | `clerk_active_sessions` | with [`keep_sessions`](ClerkSync::keep_sessions) |
//! | `clerk_subscriptions` | subscription | `clerk_active_subscriptions` | with [`keep_billing`](ClerkSync::keep_billing) |
//! | `clerk_subscription_items` | plan in a subscription | `clerk_active_subscription_items` | with [`keep_billing`](ClerkSync::keep_billing) |
//! | `clerk_waitlist_entries` | waitlist entry | `clerk_active_waitlist_entries` | with [`keep_waitlist`](ClerkSync::keep_waitlist) |
//!
//! The sync never stores events about sent emails, sent text messages or payment attempts. The emails and
//! text messages contain one-time codes.
//!
//! # Queries
//!
//! Query the views with your own SQL, or call these methods. They return live rows only.
//!
//! | method | returns |
//! |---|---|
//! | [`user`](ClerkSync::user), [`user_by_primary_email`](ClerkSync::user_by_primary_email), [`user_by_external_id`](ClerkSync::user_by_external_id) | a user |
//! | [`organization`](ClerkSync::organization) | an organization |
//! | [`members`](ClerkSync::members) | an organization's memberships, with their users |
//! | [`organizations_of`](ClerkSync::organizations_of) | a user's memberships, with their organizations |
//! | [`sessions_of`](ClerkSync::sessions_of) | a user's active sessions that have not expired |
//! | [`subscriptions_of`](ClerkSync::subscriptions_of) | a user's or an organization's subscriptions |
//! | [`subscription_items_of`](ClerkSync::subscription_items_of) | a user's or an organization's plans |
//! | [`waitlist_entry_by_email`](ClerkSync::waitlist_entry_by_email) | a waitlist entry |
//!
//! [`forget_user`](ClerkSync::forget_user) and [`forget_email`](ClerkSync::forget_email) erase personal data.
//!
//! # How to apply events
//!
//! | method | transaction | use it for |
//! |---|---|---|
//! | [`ClerkSync::handler`] | one for each event | events whose type has no handler; start with this one |
//! | [`ClerkSync::handler_with`] | one for each event | all events; your handlers run after the rows are committed |
//! | [`ClerkSync::transactional_handler`] | `ExactlyOnce`'s transaction | events whose type has no handler; the same commit writes the rows and marks the message as handled |
//! | [`ClerkSync::transactional_handler_with`] | `ExactlyOnce`'s transaction | all events; the same commit writes the rows and your handlers' writes, and marks the message as handled |
//! | [`ClerkSync::apply`] | one for each event | your own code that needs to know what [changed](Applied) |
//! | [`ClerkSync::apply_in`] | yours | your own rows and the sync's rows in one transaction |
//!
//! Applying an event twice changes nothing, so the rows need no protection against duplicates. Your own
//! handlers may need it. If your code must run once for each change and needs the row as it was before the
//! change, register a hook with [`ClerkSync::on_change`]. Each of these methods calls the hook in its
//! transaction.
//!
//! # Guarantees
//!
//! - The same events always produce the same tables, regardless of the order and how often they are applied.
//!   Only the `synced_at` column differs.
//! - A deleted object never becomes live again, even if a late event about it arrives.
//! - Any number of processes can apply events to one database at the same time.
//! - An event is applied completely or not at all.
//!
//! Clerk sends events only for changes, and does not guarantee delivery. With the `backend-api` feature,
//! [`backfill`](ClerkSync::backfill) imports the objects that existed before, and
//! [`reconcile`](ClerkSync::reconcile) repairs rows whose events were lost. A [`Sweeper`] runs both by schedule.
//!
//! # Which version of an object wins
//!
//! An event is an observation of its object. It can also contain copies of other objects: a membership
//! contains its user and its organization, and a subscription contains its items. Each copy is an observation
//! too. A row stores the observation with the highest order. The order compares these columns from first to
//! last:
//!
//! 1. `obs_rank`: 1 for an object and 0 for a copy, because a copy lacks some of the data. A copy is stored
//!    until an event about the object itself arrives.
//! 2. `updated_at`: when the object last changed, from its data. If this time is more than a day later than
//!    the event, the event's time replaces it. A number below 10^11 is read as seconds.
//! 3. `event_at`: when the event occurred, from its envelope. If two changes have the same `updated_at`, the
//!    later event wins.
//! 4. `tie`: the SHA-256 of the data. It decides between observations that are equal otherwise, with the same
//!    result in every database.
//!
//! Data without an essential key describes only a part of its object. It is treated as a copy, so it never
//! overwrites a complete object. The essential keys are `email_addresses` for a user, `name` for an
//! organization and a domain, `role` for a membership, `permissions` for a role, `key` for a permission,
//! `status` for a subscription, and `email_address` for a waitlist entry. Invitations, sessions and
//! subscription items have no essential key: an event that revokes or ends one must take effect even if its
//! data lacks fields.
//!
//! An event must contain its object's id. A session must also contain its user's id, and a domain or a
//! membership its organization's id. A deletion needs only its object's id.
//!
//! # Deletions
//!
//! A deletion wins over every other observation, because Clerk never reuses an id. `deleted_at` is the time
//! in the envelope, because the data of a deleted membership still contains the time of its last change. The
//! row becomes a tombstone, which keeps the id and `deleted_at`. A membership's tombstone also keeps
//! `created_at`, `organization_id` and `user_id`. Any event about the membership fills these three columns,
//! before or after the deletion.
//!
//! The tables have no foreign keys, and email addresses are not unique, because events arrive in any order.
//! The views decide which rows are live when you read them. A membership is not live if its organization or
//! its user was deleted, or if the same user has a later membership in the same organization. This holds even
//! if the earlier membership's deletion never arrives, and even if the later membership was deleted too,
//! because a user has at most one membership in an organization at a time. The later membership has the later
//! `created_at`. If `created_at` is unknown, the view compares the `deleted_at` of a tombstone or the
//! `event_at` of a live row.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `sqlite` | yes | `ClerkSync` with a `sqlx::SqlitePool`; SQLite is linked into the program |
//! | `postgres` | no | `ClerkSync` with a `sqlx::PgPool`; needs Postgres 12 or later |
//! | `backend-api` | no | [`BackendApi`], a client for Clerk's Backend API over the application's HTTP client |
//! | `backend-api-client` | no | [`HyperTransport`], an HTTP client with TLS for [`BackendApi`]; compiles ring |
//! | `tracing` | yes | a log line for each delivery, and the log of a [`Sweeper`] |
//! | `metrics` | no | [metrics](#metrics) for the application's recorder of the `metrics` crate |
//!
//! # Metrics
//!
//! | name | kind | labels | value |
//! |---|---|---|---|
//! | `clerk_sync_apply_total` | counter | `table`, `result`, `source` | objects that were applied; `result` is `inserted`, `updated`, `tombstoned` or `stale`, and `source` is `event`, `backfill` or `reconcile` |
//! | `clerk_sync_drift_rows` | gauge | `table`, `kind` | rows that the last comparison repaired: `missing`; `extra`, whose objects Clerk no longer holds; `differing` or outdated |
//! | `clerk_sync_last_sweep_timestamp_seconds` | gauge | `kind` | Unix time of the end of the last complete import (`backfill`) or comparison (`reconcile`) of all tables |
//! | `clerk_api_requests_total` | counter | `endpoint`, `status` | answers of Clerk's Backend API |
//! | `clerk_api_request_duration_seconds` | histogram | `endpoint` | duration of a request to Clerk's Backend API |
//!
//! Events that the sync ignores and dry runs change no metric. A [`Sweeper`] sets the time of the last complete runs
//! when it starts, so that it survives a restart. Labels contain no ids.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
#[cfg(feature = "backend-api")]
mod backend_api;
#[cfg(feature = "backend-api")]
mod backfill;
mod error;
#[cfg(feature = "metrics")]
mod metrics;
mod observe;
#[cfg(test)]
mod properties;
mod query;
mod ready;
mod schema;
mod settings;
#[cfg(feature = "backend-api")]
mod sweeper;
mod sync;
mod value;

pub use apply::applied::{Applied, IgnoredReason};
pub use apply::change::{Change, HookFuture, Origin, RowChange};
pub use apply::engine::SyncDatabase;
#[cfg(feature = "backend-api-client")]
pub use backend_api::HyperTransport;
#[cfg(feature = "backend-api")]
pub use backend_api::{
    ApiEvent, BackendApi, BackendApiError, BackendApiErrorKind, InvalidBaseUrl, InvalidSecretKey,
    InvalidShare, MAX_RESPONSE_BYTES, Resource, ResponseTooLarge, Transport, TransportError, UnknownResource,
    WaitReason,
};
#[cfg(feature = "backend-api")]
pub use backfill::error::ImportError;
#[cfg(feature = "backend-api")]
pub use backfill::options::{BackfillOptions, ReconcileOptions};
#[cfg(feature = "backend-api")]
pub use backfill::report::{Drift, DriftKind, Progress, Refreshed, Report, Skipped, TableReport};
#[cfg(feature = "backend-api")]
pub use backfill::state::ImportState;
pub use error::{SyncError, SyncErrorKind};
pub use ready::NotReady;
pub use schema::names::InvalidPrefix;
pub use schema::tables::{
    DomainRow, InvitationRow, MembershipRow, OrganizationRow, PermissionRow, RoleRow, SessionRow,
    SubscriptionItemRow, SubscriptionRow, UserRow, WaitlistEntryRow,
};
pub use settings::RawColumn;
#[cfg(feature = "backend-api")]
pub use sweeper::{SweepEvent, SweepKind, Sweeper};
pub use sync::{ClerkSync, SchemaVersion};

/// Compiles the examples in the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
