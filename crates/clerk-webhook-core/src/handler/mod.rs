//! Typed handlers: one function for each event type.
//!
//! A handler is an asynchronous function that takes a payload and a [`Context`](crate::Context).
//! [`Handlers`](crate::Handlers) calls the handler for the type of an event. The handler's result determines
//! the [`Answer`](crate::Answer) to the sender:
//!
//! - `Ok(())`: the answer is 200.
//! - An error, usually returned by `?`: the answer is 500, and the sender retries.
//! - [`Failure::abort_message`](crate::Failure::abort_message): the answer is 422, and the sender does not
//!   retry.
//!
//! A delivery of an event without a handler is answered with 200 and the `ignored` outcome.
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
//!     cx.state().insert(&user.id).await?; // If this fails, the sender retries.
//!     Ok(())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let handlers = Handlers::builder()
//!     .on(UserCreated, joined)
//!     .on(UserDeleted, |user: DeletedObject, cx: Context<Database>| async move {
//!         let id = user.id.ok_or_else(|| Failure::abort_message("the deleted user has no id"))?;
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
//! `Handlers` does not depend on a server: call it from a request, a background worker or a test.

mod builder;
pub(crate) mod context;
pub(crate) mod handlers;
mod registry;

pub use builder::{DuplicateHandler, Handler, HandlersBuilder};
