//! Functions for events, by type.
//!
//! A handler is an asynchronous function of a payload and a [`Context`](crate::Context). [`Handlers`](crate::Handlers) calls the one for the type of an
//! event, and what it returns decides what the sender is told:
//!
//! ```
//! use clerk_webhook_core::event::payload::{DeletedObject, User};
//! use clerk_webhook_core::event::marker::{UserCreated, UserDeleted};
//! use clerk_webhook_core::{Context, Event, Failure, Handlers, Outcome, Timestamp};
//!
//! # #[derive(Clone)] struct Database;
//! # impl Database {
//! #     async fn insert(&self, _id: &str) -> Result<(), std::io::Error> { Ok(()) }
//! #     async fn remove(&self, _id: &str) -> Result<(), std::io::Error> { Ok(()) }
//! # }
//! async fn joined(user: User, cx: Context<Database>) -> Result<(), Failure> {
//!     cx.state().insert(&user.id).await?; // any error: the sender tries again
//!     Ok(())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let handlers = Handlers::builder()
//!     .on(UserCreated, joined)
//!     .on(UserDeleted, |user: DeletedObject, cx: Context<Database>| async move {
//!         let id = user.id.ok_or_else(|| Failure::abort_message("a user without an id"))?;
//!         Ok(cx.state().remove(&id).await?)
//!     })
//!     .build()?;
//!
//! # fn event(body: &'static str) -> Result<Event, Box<dyn std::error::Error>> {
//! #     Ok(Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?)
//! # }
//! let created = event(r#"{"data":{"id":"user_1"},"type":"user.created"}"#)?;
//! let answer = handlers.answer(created, Database).await;
//! assert_eq!(answer.outcome(), Outcome::Processed);
//! # let deleted = event(r#"{"data":{"deleted":true,"object":"user"},"type":"user.deleted"}"#)?;
//! # assert_eq!(handlers.answer(deleted, Database).await.outcome(), Outcome::Rejected);
//! # let other = event(r#"{"data":{},"type":"session.ended"}"#)?;
//! # assert_eq!(handlers.answer(other, Database).await.outcome(), Outcome::Ignored);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same `Handlers` run in a request, in a worker and in a test.

mod builder;
pub(crate) mod context;
pub(crate) mod handlers;
mod registry;

pub use builder::{DuplicateHandler, Handler, HandlersBuilder};
