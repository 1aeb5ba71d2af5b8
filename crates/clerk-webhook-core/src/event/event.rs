//! A verified event.

use std::fmt;
use std::str;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::data::{EventData, EventMarker};
use super::decode::{Content, DecodeHints};
use super::decode_error::{self, DecodeError};
use super::envelope::HttpRequest;
use super::error::{EventError, EventErrorKind};
use super::event_type::EventType;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;
use crate::verify::Verified;

/// A verified event.
///
/// Cloning is cheap: it increments a reference count. The data is decoded once for all clones.
#[derive(Clone)]
pub struct Event(Arc<Inner>);

struct Inner {
    id: MessageId,
    attempted_at: Timestamp,
    secret_index: Option<usize>,
    body: Bytes,
    content: Content,
    instance_id: OnceLock<Option<Box<str>>>,
    http_request: OnceLock<Option<HttpRequest>>,
}

impl Event {
    pub(crate) fn from_verified(
        verified: Verified,
        body: Bytes,
        hints: Arc<DecodeHints>,
    ) -> Result<Self, EventError> {
        let (id, attempted_at, secret_index) = verified.into_parts();
        Self::new(id, attempted_at, Some(secret_index), body, hints)
    }

    /// Reads an event from a trusted body, such as a verified body that the application stored.
    ///
    /// This function does not verify anything. Use a [`Verifier`](crate::Verifier) for data from the network.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is not an event.
    pub fn from_trusted(id: MessageId, attempted_at: Timestamp, body: Bytes) -> Result<Self, EventError> {
        Self::new(id, attempted_at, None, body, Arc::default())
    }

    fn new(
        id: MessageId,
        attempted_at: Timestamp,
        secret_index: Option<usize>,
        body: Bytes,
        hints: Arc<DecodeHints>,
    ) -> Result<Self, EventError> {
        // Checking UTF-8 once is faster than letting serde_json check every string.
        let text = str::from_utf8(&body).map_err(|_| EventError::new(EventErrorKind::InvalidJson))?;
        let content = Content::read(text, hints)?;
        let (instance_id, http_request) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { id, attempted_at, secret_index, body, content, instance_id, http_request })))
    }

    /// Returns the message id, which identifies duplicates.
    ///
    /// Do not use the id in the data for this purpose: all events about one object have the same id in their
    /// data.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.0.id
    }

    /// Returns the time at which the sender signed this delivery, in whole seconds.
    #[must_use]
    pub fn attempted_at(&self) -> Timestamp {
        self.0.attempted_at
    }

    /// Returns the time at which the event occurred, or `None` if the body does not contain it.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.0.content.occurred_at
    }

    /// Returns the index of the first matching secret in the verifier's list, counted from 0.
    ///
    /// It is `None` for an event from [`from_trusted`](Self::from_trusted). During a rotation, list the new
    /// secret first; see [`Verified::secret_index`](crate::Verified::secret_index).
    #[must_use]
    pub fn secret_index(&self) -> Option<usize> {
        self.0.secret_index
    }

    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.0.content.event_type
    }

    /// Returns the id (`ins_…`) of the Clerk instance in which the event occurred.
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        self.0.instance_id.get_or_init(|| self.0.content.instance_id(self.text())).as_deref()
    }

    /// Returns the request to Clerk that caused the event, or `None` if the body does not describe it.
    #[must_use]
    pub fn http_request(&self) -> Option<&HttpRequest> {
        self.0.http_request.get_or_init(|| self.0.content.http_request(self.text())).as_ref()
    }

    /// Returns the data. It is decoded once for all clones.
    #[must_use]
    pub fn data(&self) -> &EventData {
        self.0.content.data(self.text())
    }

    /// Converts the event into its data. Clones the data if other clones of the event exist.
    #[must_use]
    pub fn into_data(self) -> EventData {
        match Arc::try_unwrap(self.0) {
            Ok(mut inner) => inner.content.take_data(str::from_utf8(&inner.body).unwrap_or_default()),
            Err(shared) => Self(shared).data().clone(),
        }
    }

    /// Takes the data out of the event, or clones it if other clones of the event exist.
    ///
    /// A later call to `data` decodes the data again.
    pub(crate) fn take_data(&mut self) -> EventData {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => inner.content.take_data(str::from_utf8(&inner.body).unwrap_or_default()),
            None => self.data().clone(),
        }
    }

    /// Returns the payload, or `None` if the event does not have the marker's event type.
    ///
    /// ```
    /// # use clerk_webhook_core::{Event, Timestamp};
    /// # let body = r#"{"data":{"id":"user_1","first_name":"Ada"},"type":"user.created"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// use clerk_webhook_core::event::marker::UserCreated;
    ///
    /// if let Some(user) = event.payload(UserCreated) {
    ///     assert_eq!(user.first_name.as_deref(), Some("Ada"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn payload<M: EventMarker>(&self, _marker: M) -> Option<&M::Payload> {
        (*self.event_type() == M::EVENT_TYPE).then(|| M::payload(self.data())).flatten()
    }

    /// Decodes the data into your own type.
    ///
    /// The type can have fields that the payload types of this crate lack.
    ///
    /// # Errors
    ///
    /// Returns an error if the data does not match the type. The error contains the path of the mismatch,
    /// never the value. In the path, `*` replaces map keys.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode_error::read(self.raw_data())
    }

    /// Returns the JSON text of the data exactly as received, or `null` if the body has no data.
    #[must_use]
    pub fn raw_data(&self) -> &str {
        self.0.content.raw_data(self.text())
    }

    /// Returns the signed bytes of the body.
    #[must_use]
    pub fn raw_body(&self) -> &Bytes {
        &self.0.body
    }

    fn text(&self) -> &str {
        // The constructor checked that the body is UTF-8.
        str::from_utf8(&self.0.body).unwrap_or_default()
    }
}

/// Omits the data, because it is personal.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", self.message_id())
            .field("event_type", self.event_type())
            .field("attempted_at", &self.attempted_at())
            .field("occurred_at", &self.occurred_at())
            .finish_non_exhaustive()
    }
}
