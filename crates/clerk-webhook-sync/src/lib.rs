//! Clerk's users, organizations and memberships in your own SQL database, right under any order of webhooks.
//!
//! Svix delivers in no order and more than once: an update before the creation, a late update after the deletion, the
//! deletion of a membership with the time of its last change. [`ClerkSync`] keeps the newest version of each object, and of
//! the deleted a tombstone that nothing brings back, so that every order ends in the same rows.
//!
//! ```
//! use clerk_webhook_core::{Handlers, Outcome};
//! use clerk_webhook_sync::ClerkSync;
//! # use clerk_webhook_core::{Event, Timestamp};
//! # use sqlx::sqlite::SqlitePoolOptions;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # fn event(body: &'static str) -> Result<Event, Box<dyn std::error::Error>> {
//! #     Ok(Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?)
//! # }
//! # let deleted = event(r#"{"data":{"deleted":true,"id":"user_2","object":"user"},"timestamp":9,"type":"user.deleted"}"#)?;
//! # let late = event(r#"{"data":{"email_addresses":[],"first_name":"Bob","id":"user_2","updated_at":5},"timestamp":6,"type":"user.created"}"#)?;
//! # let created = event(r#"{"data":{"email_addresses":[],"first_name":"Ada","id":"user_1","updated_at":1},"timestamp":2,"type":"user.created"}"#)?;
//! # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! let sync = ClerkSync::new(pool);
//! sync.migrate().await?;
//! let handlers = Handlers::builder().otherwise(sync.handler()).build()?;
//!
//! // Whatever order the events come in:
//! for event in [deleted, late, created] {
//!     assert_eq!(handlers.answer(event, ()).await.outcome(), Outcome::Processed);
//! }
//! let ada = sync.user("user_1").await?.ok_or("she has joined")?;
//! assert_eq!(ada.first_name.as_deref(), Some("Ada"));
//! assert_eq!(sync.user("user_2").await?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to apply events
//!
//! | method | transaction | for |
//! |---|---|---|
//! | [`ClerkSync::handler`] | one for each event | events whose type has no other handler; start with this one |
//! | [`ClerkSync::handler_with`] | one for each event | all events, and then your handlers |
//! | [`ClerkSync::transactional_handler`] | that of `ExactlyOnce` | the same, with rows and the mark "handled" in one transaction |
//! | [`ClerkSync::transactional_handler_with`] | that of `ExactlyOnce` | rows, the mark, and what your handlers write, together |
//! | [`ClerkSync::apply`] | one for each event | your own code, which gets what has [changed](Applied) |
//! | [`ClerkSync::apply_in`] | yours | writing your own rows together with those of the sync |
//!
//! Applying an event twice changes nothing, so the rows need no protection against duplicates. Your own handlers need it. If
//! your code must run once for each change and see the row before the change, register a function with
//! [`ClerkSync::on_change`]. All of these methods call that function in their transaction.
//!
//! # What is kept
//!
//! Users with their e-mail addresses, phone numbers and accounts elsewhere; organizations; memberships; invitations and
//! domains of organizations; roles and permissions. Where it is wanted, also [sessions](ClerkSync::keep_sessions),
//! [subscriptions with their items](ClerkSync::keep_billing), and the [waitlist](ClerkSync::keep_waitlist). The README has
//! the tables. Of all other events nothing is kept, and never e-mails and text messages: they hold one-time codes.
//!
//! # How it is decided which version counts
//!
//! An event, and each copy of another object that it shows, is an observation with an order:
//!
//! 1. `obs_rank`: an object counts more than the copy of one that a membership or a subscription shows, which lacks a part
//!    of it. Copies fill the gap until the object itself has come.
//! 2. `updated_at`: when the object last changed, by its own data. If that is more than a day later than the event, it is
//!    wrong, and the time of the event is used instead. A number below 10^11 counts seconds.
//! 3. `event_at`: when the event occurred, by its envelope. Of two changes in one millisecond the later event counts.
//! 4. `tie`: the SHA-256 of the data, so that of two that are the same until here one counts, whichever, everywhere.
//!
//! Data that lacks an essential key does not describe the whole object. It counts as a copy, so it never erases what a
//! whole object told. The essential keys are `email_addresses` of a user, `name` of an organization and of a domain, `role`
//! of a membership, `permissions` of a role, `key` of a permission, `status` of a subscription, and `email_address` of a
//! waitlist entry. Data of an invitation, a session or a subscription item always counts as whole: an event that revokes or
//! ends one must count whatever its data lacks.
//!
//! Events need only the ids that identify their object: its own, the user of a session, and the organization of a domain
//! and of a membership. A deletion needs the id of its object alone.
//!
//! A row is the greatest that was observed. A deletion counts more than all, for ever: Clerk never uses an id again. Its time
//! is that of the envelope, since the data of a deleted membership is as it was before. The tombstone that stays has the
//! id and the time. The tombstone of a membership also has `created_at` and the ids of its organization and its user. Any
//! event of the membership puts these three columns into the tombstone, before or after the deletion.
//!
//! Nothing refers to anything by a foreign key and no e-mail address is unique, since events come in any order. What is live
//! is decided by views, when they are read. A membership ends with its organization, with its user, and with a later
//! membership of the same user in the same organization, even if its own deletion never comes. It does not matter whether
//! the later membership was deleted as well, because a user has one membership in an organization at a time. The later
//! membership is the one with the later `created_at`. If `created_at` is unknown, the view uses `deleted_at` of a tombstone
//! and `event_at` of a version: any time at which the membership existed puts it in order with the others.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sqlite` | yes | `ClerkSync` on a `sqlx::SqlitePool`; SQLite is part of the program |
//! | `postgres` | | `ClerkSync` on a `sqlx::PgPool`, Postgres 12 or newer |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
mod error;
mod observe;
#[cfg(test)]
mod properties;
mod query;
mod schema;
mod settings;
mod sync;
mod value;

pub use apply::applied::{Applied, IgnoredReason};
pub use apply::change::{Change, HookFuture, RowChange};
pub use apply::engine::SyncDatabase;
pub use error::{SyncError, SyncErrorKind};
pub use schema::names::InvalidPrefix;
pub use schema::tables::{
    DomainRow, InvitationRow, MembershipRow, OrganizationRow, PermissionRow, RoleRow, SessionRow,
    SubscriptionItemRow, SubscriptionRow, UserRow, WaitlistEntryRow,
};
pub use settings::RawColumn;
pub use sync::ClerkSync;

/// The snippets of the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
