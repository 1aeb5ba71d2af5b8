//! What a handler knows besides the payload.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::event::{DecodeError, Event, EventType};
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

/// What a handler is given besides the payload: the state of the application, and the delivery.
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
///     // Whatever lies outside of a transaction wants a key by which it does not happen twice.
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
    /// Returns the state of the application.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Returns the state itself.
    pub fn into_state(self) -> S {
        self.state
    }

    /// Returns the event, with everything that its envelope says.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        self.event.event_type()
    }

    /// Returns the identity of the message, which is the same for every attempt: the key to pass on to whatever is
    /// done outside of the database, such as the `Idempotency-Key` of an API.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        self.event.message_id()
    }

    /// Returns when this attempt to deliver was signed, to the second.
    #[must_use]
    pub fn attempted_at(&self) -> Timestamp {
        self.event.attempted_at()
    }

    /// Returns when the event occurred, where the envelope says so.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.event.occurred_at()
    }

    /// Returns the data as the JSON text that was sent, `null` where there is none.
    #[must_use]
    pub fn raw_data(&self) -> &str {
        self.event.raw_data()
    }

    /// Reads the data as a type of the application's own, from the JSON that was sent: no field is lost.
    ///
    /// # Errors
    ///
    /// Returns where the data does not fit the type, and nothing that stands there.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.event.data_as()
    }

    /// Returns how often this message has been handled here, counted from 1, where deliveries are handled under a lease.
    ///
    /// Svix does not say how often it has sent one.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt
    }
}

/// Does not show the state.
impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("event", &self.event)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
