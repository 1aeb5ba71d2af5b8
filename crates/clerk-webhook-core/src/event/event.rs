//! An event, as the application sees it.

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
/// A clone is one reference count, and the data is decoded once for all clones.
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

    /// Reads an event from a body that was verified before, such as one that a receiver has stored.
    ///
    /// Nothing is verified here: what comes from the network goes through a
    /// [`Verifier`](crate::Verifier).
    ///
    /// # Errors
    ///
    /// Refuses a body that is not an event.
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
        // Looking at the encoding once lets serde_json skip it for every string.
        let text = str::from_utf8(&body).map_err(|_| EventError::new(EventErrorKind::InvalidJson))?;
        let content = Content::read(text, hints)?;
        let (instance_id, http_request) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { id, attempted_at, secret_index, body, content, instance_id, http_request })))
    }

    /// Returns the identity of the message, the key to recognise duplicates by.
    ///
    /// It is never the id inside the data: that is the same for every later change of the same object.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.0.id
    }

    /// Returns when this attempt to deliver was signed, to the second.
    #[must_use]
    pub fn attempted_at(&self) -> Timestamp {
        self.0.attempted_at
    }

    /// Returns when the event occurred, where the envelope says so.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.0.content.occurred_at
    }

    /// Returns the index of the first of the verifier's secrets that matches, counted from 0; `None` for a trusted body.
    ///
    /// During a rotation list the new secret first, see [`Verified::secret_index`](crate::Verified::secret_index).
    #[must_use]
    pub fn secret_index(&self) -> Option<usize> {
        self.0.secret_index
    }

    /// Returns the type of the event; an envelope without one has the type `""`.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.0.content.event_type
    }

    /// Returns the id of the Clerk instance that the event comes from (`ins_…`).
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        self.0.instance_id.get_or_init(|| self.0.content.instance_id(self.text())).as_deref()
    }

    /// Returns the request that caused the event, where the envelope describes one.
    #[must_use]
    pub fn http_request(&self) -> Option<&HttpRequest> {
        self.0.http_request.get_or_init(|| self.0.content.http_request(self.text())).as_ref()
    }

    /// Returns the data, decoded by the first one who asks.
    #[must_use]
    pub fn data(&self) -> &EventData {
        self.0.content.data(self.text())
    }

    /// Returns the data as a value, without a copy where this is the only clone of the event.
    #[must_use]
    pub fn into_data(self) -> EventData {
        match Arc::try_unwrap(self.0) {
            Ok(mut inner) => inner.content.take_data(str::from_utf8(&inner.body).unwrap_or_default()),
            Err(shared) => Self(shared).data().clone(),
        }
    }

    /// Takes the data out where this is the only clone of the event, and copies it otherwise. Whoever asks for it after
    /// that causes it to be decoded once more.
    pub(crate) fn take_data(&mut self) -> EventData {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => inner.content.take_data(str::from_utf8(&inner.body).unwrap_or_default()),
            None => self.data().clone(),
        }
    }

    /// Returns the payload where the event is of the type that the marker stands for.
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

    /// Reads the data as a type of the application's own, from the JSON that was sent: no field is lost.
    ///
    /// # Errors
    ///
    /// Returns the path at which the data does not fit the type, never the value. `*` replaces the key of a map.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode_error::read(self.raw_data())
    }

    /// Returns the data as the JSON text that was sent, `null` where there is none.
    #[must_use]
    pub fn raw_data(&self) -> &str {
        self.0.content.raw_data(self.text())
    }

    /// Returns the very bytes that were signed.
    #[must_use]
    pub fn raw_body(&self) -> &Bytes {
        &self.0.body
    }

    fn text(&self) -> &str {
        // Looked at when the event was made.
        str::from_utf8(&self.0.body).unwrap_or_default()
    }
}

/// Does not show the data, which is personal.
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
