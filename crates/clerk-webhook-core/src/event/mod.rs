//! Typed events.
//!
//! A [`Verifier`](crate::Verifier) verifies a delivery and returns an [`Event`]. The event decodes its data
//! when the application first reads it:
//!
//! ```
//! # use clerk_webhook_core::{Event, Timestamp};
//! # let body = r#"{"data":{"id":"user_1","first_name":"Ada","last_name":"Lovelace"},"type":"user.created"}"#;
//! # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
//! use clerk_webhook_core::EventData;
//!
//! match event.data() {
//!     EventData::UserCreated(user) => assert_eq!(user.full_name().as_deref(), Some("Ada Lovelace")),
//!     EventData::UserDeleted(user) => println!("{:?} was deleted", user.id),
//!     EventData::Unrecognized(data) => println!("{}: {}", data.event_type(), data.reason()),
//!     _ => {}
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # New fields and event types
//!
//! Clerk adds fields and event types about once a month. The verifier accepts events with new fields, values
//! and types:
//!
//! - To read a field that a payload type does not have, decode the data into your own type with
//!   [`Event::data_as`].
//! - An unknown string in an enumeration field is decoded as `Other`.
//! - Data that belongs to an unknown event type or does not match its payload type is decoded as
//!   [`EventData::Unrecognized`], which contains the reason.

mod catalogue;
pub(crate) mod data;
mod decode;
mod decode_error;
mod envelope;
mod error;
#[expect(clippy::module_inception, reason = "the module defines `Event`")]
pub(crate) mod event;
pub(crate) mod event_type;
mod metadata;
mod named;
mod object_only;
pub(crate) mod open_enum;
pub mod payload;
mod sensitive;
mod track;
mod unrecognized;

pub(crate) use data::EventData;
pub use data::{EventMarker, marker};
pub(crate) use decode::DecodeHints;
pub use decode_error::DecodeError;
pub use envelope::HttpRequest;
pub use error::{EventError, EventErrorKind};
pub(crate) use event::Event;
pub(crate) use event_type::EventType;
pub use unrecognized::{Unrecognized, UnrecognizedReason};
