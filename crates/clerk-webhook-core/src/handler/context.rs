//! The second argument of a handler.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::event::{DecodeError, Event, EventType};
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

/// The second argument of a handler: the application state and the event.
///
/// ```
/// use clerk_webhook_core::event::payload::User;
/// use clerk_webhook_core::{Context, Failure};
///
/// struct Mailer;
///
/// # impl Mailer {
/// #     async fn send(&self, _key: &str, _user: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # }
/// async fn welcome(user: User, cx: Context<Mailer>) -> Result<(), Failure> {
///     // The message id is the idempotency key: if the handler runs again, no second email is sent.
///     Ok(cx.state().send(cx.message_id().as_str(), &user.id).await?)
/// }
/// ```
#[derive(Clone)]
pub struct Context<S = ()> {
    pub(super) state: S,
    pub(super) event: Event,
    pub(super) attempt: Option<u32>,
}

impl<S> Context<S> {
    /// Returns the application state.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Consumes the context and returns the application state.
    pub fn into_state(self) -> S {
        self.state
    }

    /// Returns the event, including all fields of its envelope.
    ///
    /// For a typed handler, the payload has been moved out of the event, so [`Event::data`] decodes it a
    /// second time.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        self.event.event_type()
    }

    /// Returns the message id, which is the same for all deliveries of a message.
    ///
    /// Pass it as the idempotency key to every external API that the handler calls, for example in the
    /// `Idempotency-Key` header.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        self.event.message_id()
    }

    /// Returns the time at which the sender signed this delivery, in whole seconds.
    #[must_use]
    pub fn attempted_at(&self) -> Timestamp {
        self.event.attempted_at()
    }

    /// Returns the time at which the event occurred, or `None` if the body does not contain it.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.event.occurred_at()
    }

    /// Returns the JSON text of the data exactly as received, or `null` if the body has no data.
    #[must_use]
    pub fn raw_data(&self) -> &str {
        self.event.raw_data()
    }

    /// Decodes the data into your own type.
    ///
    /// The type can have fields that the payload types of this crate lack.
    ///
    /// # Errors
    ///
    /// Returns an error if the data does not match the type. The error contains the path of the mismatch,
    /// never the value.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.event.data_as()
    }

    /// Returns the number of this attempt to handle the message, starting at 1.
    ///
    /// Returns `None` unless the caller of the handler counts the attempts, as `Deduplicator` does. Svix does
    /// not send the attempt number.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }
}

/// Omits the state, so that `S` does not have to implement `Debug`.
impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("event", &self.event)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
