//! Signed deliveries.

use std::fmt;
use std::slice;

use bytes::Bytes;
use clerk_webhook_core::{Event, HeaderFamily, MessageId, SigningSecret, Timestamp};
use serde_json::Value;

use crate::SECRET;
use crate::fixture::AnyFixture;
use crate::grammar::{is_field_value, is_path, is_token};
use crate::pointer::{self, PointerError};
use crate::tampering::Tampering;

/// The path at which this project's examples receive webhooks.
const PATH: &str = "/webhooks/clerk";

/// A delivery of one event, signed like a delivery by Svix.
///
/// By default, it has a new message id, it is signed at the time of its creation, and it is signed with
/// [`SECRET`]. A clone is the same message again, as in a retry; with [`at`](Self::at), the clone is a later
/// attempt.
///
/// # Broken deliveries
///
/// Methods such as [`stale`](Self::stale) and [`altered`](Self::altered) break one thing and leave the rest
/// valid. The order of calls does not matter: `.stale().at(time)` is the same as `.at(time).stale()`. If
/// several methods change the body, it is first [`reserialized`](Self::reserialized), then
/// [`cut_short`](Self::cut_short), then [`altered`](Self::altered). A header that is omitted is neither
/// [`replaced`](Self::replaced) nor [`repeated`](Self::repeated).
///
/// # Times
///
/// The times inside a fixture are in October 2025. They do not affect verification, which only checks the
/// time of signing. [`occurred_at`](Self::occurred_at) sets the time of the envelope.
///
/// ```
/// use clerk_webhook_core::{Timestamp, Verifier};
/// use clerk_webhook_test::{Delivery, SECRET, fixture};
///
/// let verifier = Verifier::new(SECRET)?;
/// let delivery = Delivery::of(fixture::user_updated())
///     .id("msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa")
///     .occurred_at(Timestamp::now())
///     .set("/data/first_name", "Ada")
///     .remove("/data/last_name");
///
/// let event = verifier.receive(&delivery.headers(), delivery.body())?;
/// assert_eq!(event.message_id().as_str(), "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa");
///
/// let stale = delivery.clone().stale();
/// assert!(verifier.receive(&stale.headers(), stale.body()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Delivery {
    id: MessageId,
    at: Timestamp,
    family: HeaderFamily,
    secrets: Vec<SigningSecret>,
    path: String,
    body: Body,
    /// Additional headers, which Svix does not send.
    more_headers: Vec<(&'static str, String)>,
    pub(crate) tampering: Tampering,
}

#[derive(Clone)]
enum Body {
    /// A body that is sent unchanged.
    Bytes(Bytes),
    /// A body that is serialized like Clerk's bodies: compact, with keys in alphabetical order.
    Json(Value),
}

impl Delivery {
    /// Creates a delivery of a fixture.
    #[must_use]
    pub fn of(fixture: impl Into<AnyFixture>) -> Self {
        Self::of_body(fixture.into().body())
    }

    /// Creates a delivery with any body, which need not be an event.
    #[must_use]
    pub fn of_body(body: impl Into<Bytes>) -> Self {
        Self::new(Body::Bytes(body.into()))
    }

    /// Creates a delivery with a JSON body, serialized like Clerk's bodies: compact, with keys in
    /// alphabetical order.
    ///
    /// ```
    /// use clerk_webhook_test::Delivery;
    /// use serde_json::json;
    ///
    /// let delivery = Delivery::of_json(json!({ "type": "user.created", "data": { "id": "user_1" } }));
    /// assert_eq!(delivery.body(), r#"{"data":{"id":"user_1"},"type":"user.created"}"#);
    /// ```
    #[must_use]
    pub fn of_json(event: Value) -> Self {
        Self::new(Body::json(event))
    }

    fn new(body: Body) -> Self {
        Self {
            id: crate::id::message(),
            at: Timestamp::now(),
            family: HeaderFamily::Svix,
            secrets: vec![secret(SECRET)],
            path: PATH.to_owned(),
            body,
            more_headers: Vec::new(),
            tampering: Tampering::default(),
        }
    }

    /// Sets the message id.
    ///
    /// # Panics
    ///
    /// Panics if the id is invalid. A message id consists of 1 to 256 visible ASCII characters and contains
    /// no dot. For an id that is read at run time, use [`message_id`](Self::message_id).
    #[must_use]
    #[track_caller]
    pub fn id(self, id: &str) -> Self {
        match id.parse() {
            Ok(id) => self.message_id(id),
            #[expect(clippy::panic, reason = "documented; a test should fail")]
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets the message id.
    #[must_use]
    pub fn message_id(self, id: MessageId) -> Self {
        Self { id, ..self }
    }

    /// Sets the time of signing, which is truncated to seconds. The default is the time of creation.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Sets the signing secret. The default is [`SECRET`].
    ///
    /// # Panics
    ///
    /// Panics if the secret is invalid. The message does not contain the secret. For a secret that is read at
    /// run time, use [`secrets`](Self::secrets).
    #[must_use]
    #[track_caller]
    pub fn secret(self, text: &str) -> Self {
        self.secrets([secret(text)])
    }

    /// Sets several signing secrets. The delivery has one signature for each of them, as during a secret
    /// rotation.
    ///
    /// Without a secret, the delivery has no signature.
    ///
    /// ```
    /// use clerk_webhook_core::{SigningSecret, Verifier};
    /// use clerk_webhook_test::{Delivery, SECRET, fixture};
    ///
    /// let new = SigningSecret::parse("whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC")?;
    /// let delivery = Delivery::of(fixture::user_created()).secrets([new, SigningSecret::parse(SECRET)?]);
    ///
    /// let not_yet_rotated = Verifier::new(SECRET)?;
    /// assert!(not_yet_rotated.verify(&delivery.headers(), &delivery.body()).is_ok());
    /// # Ok::<(), clerk_webhook_core::SecretError>(())
    /// ```
    #[must_use]
    pub fn secrets(self, secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        Self { secrets: secrets.into_iter().collect(), ..self }
    }

    /// Sets the names of the signature headers. The default is `svix-*`.
    #[must_use]
    pub fn header_family(self, family: HeaderFamily) -> Self {
        Self { family, ..self }
    }

    /// Adds a header after the headers that Svix sends.
    ///
    /// # Panics
    ///
    /// Panics if the name or the value contains characters that are not allowed.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        assert!(is_token(name), "{name:?} is not a valid header name");
        assert!(
            is_field_value(value),
            "the value of {name} contains a character that is not allowed in header values"
        );
        self.more_headers.push((name, value.to_owned()));
        self
    }

    /// Sets the path, which may include a query. The default is `/webhooks/clerk`.
    ///
    /// # Panics
    ///
    /// Panics if the path does not begin with a slash, contains characters that must be percent-encoded, or
    /// is longer than 8000 bytes.
    #[must_use]
    #[track_caller]
    pub fn path(self, path: &str) -> Self {
        assert!(is_path(path), "{path:?} is not a path, such as /webhooks/clerk");
        Self { path: path.to_owned(), ..self }
    }

    /// Sets the time at which the event occurred, the `timestamp` of the envelope.
    ///
    /// # Panics
    ///
    /// Panics if the body is not a JSON object.
    #[must_use]
    #[track_caller]
    pub fn occurred_at(self, at: Timestamp) -> Self {
        self.set("/timestamp", at.as_millis())
    }

    /// Sets a value in the body by its JSON Pointer (RFC 6901), such as `/data/first_name`.
    ///
    /// A missing member is added to its object. The index `-` appends an element to an array.
    ///
    /// # Panics
    ///
    /// Panics if the pointer is invalid, if its parent does not exist, or if the body is not JSON. For a
    /// pointer that is read at run time, use [`try_set`](Self::try_set).
    #[must_use]
    #[track_caller]
    pub fn set(self, pointer: &str, value: impl Into<Value>) -> Self {
        or_panic(self.try_set(pointer, value))
    }

    /// Sets a value in the body like [`set`](Self::set), without panicking.
    ///
    /// # Errors
    ///
    /// Returns an error if the pointer is invalid, if its parent does not exist, or if the body is not JSON.
    pub fn try_set(self, pointer: &str, value: impl Into<Value>) -> Result<Self, PointerError> {
        self.edit(|json| pointer::set(json, pointer, value.into()))
    }

    /// Removes a member of an object or an element of an array, by its JSON Pointer.
    ///
    /// # Panics
    ///
    /// Panics if the pointer is invalid, if the value does not exist, or if the body is not JSON. For a
    /// pointer that is read at run time, use [`try_remove`](Self::try_remove).
    #[must_use]
    #[track_caller]
    pub fn remove(self, pointer: &str) -> Self {
        or_panic(self.try_remove(pointer))
    }

    /// Removes a value from the body like [`remove`](Self::remove), without panicking.
    ///
    /// # Errors
    ///
    /// Returns an error if the pointer is invalid, if the value does not exist, or if the body is not JSON.
    pub fn try_remove(self, pointer: &str) -> Result<Self, PointerError> {
        self.edit(|json| pointer::remove(json, pointer))
    }

    fn edit(
        mut self,
        change: impl FnOnce(&mut Value) -> Result<(), PointerError>,
    ) -> Result<Self, PointerError> {
        let mut json = match self.body {
            Body::Json(json) => json,
            Body::Bytes(bytes) => serde_json::from_slice(&bytes).map_err(|_| PointerError::not_json())?,
        };
        change(&mut json)?;
        self.body = Body::json(json);
        Ok(self)
    }

    /// Returns the names and values of the headers: content type, id, timestamp, signature, and added
    /// headers.
    ///
    /// The list implements [`HeaderFields`](clerk_webhook_core::HeaderFields), so a verifier accepts it
    /// directly.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let body = self.signed_body();
        let at = self.tampering.time(self.at);
        let replaced = self.tampering.secret();
        let secrets = replaced.as_ref().map_or(self.secrets.as_slice(), slice::from_ref);
        let unsigned = secret(SECRET);
        let (first, others) = secrets.split_first().unwrap_or((&unsigned, &[]));
        let signed = first.sign(&self.id, at, &body).family(self.family);
        let signed = others.iter().fold(signed, |signed, next| signed.and_signed_with(next, &body));
        headers.extend(signed.to_pairs());
        if secrets.is_empty() && !self.tampering.has_signature() {
            headers.pop();
        }
        let mut headers = self.tampering.headers(headers);
        headers.extend(self.more_headers.iter().cloned());
        headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.tampering.body(self.signed_body())
    }

    /// Returns the verified event, to test a handler without HTTP.
    ///
    /// Methods that break the delivery do not affect the event.
    ///
    /// ```
    /// use clerk_webhook_core::event::marker::UserCreated;
    /// use clerk_webhook_core::event::payload::User;
    /// use clerk_webhook_core::{Context, Failure, Handlers, Outcome};
    /// use clerk_webhook_test::{Delivery, fixture};
    ///
    /// async fn welcome(user: User, _: Context<()>) -> Result<(), Failure> {
    ///     user.primary_email_address().ok_or("the user has no email address")?;
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let handlers = Handlers::builder().on(UserCreated, welcome).build()?;
    ///
    /// let with_address = Delivery::of(fixture::user_created());
    /// assert_eq!(handlers.answer(with_address.event(), ()).await.outcome(), Outcome::Processed);
    /// let without = Delivery::of(fixture::user_created_phone_only());
    /// assert_eq!(handlers.answer(without.event(), ()).await.outcome(), Outcome::Failed);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the body is not an event.
    #[must_use]
    #[track_caller]
    pub fn event(&self) -> Event {
        let attempted_at = Timestamp::from_secs(self.at.as_secs());
        match Event::from_trusted(self.id.clone(), attempted_at, self.signed_body()) {
            Ok(event) => event,
            #[expect(clippy::panic, reason = "documented; a test should fail")]
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn signed_body(&self) -> Bytes {
        match &self.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Json(json) => json.to_string().into(),
        }
    }

    #[cfg(any(feature = "http", feature = "actix", feature = "warp"))]
    pub(crate) fn target(&self) -> &str {
        &self.path
    }
}

/// Omits the body and the secrets.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("at", &self.at)
            .field("family", &self.family)
            .field("path", &self.path)
            .field("tampering", &self.tampering)
            .finish_non_exhaustive()
    }
}

impl Body {
    fn json(mut json: Value) -> Self {
        // Objects are unsorted if serde_json's `preserve_order` feature is enabled.
        json.sort_all_objects();
        Self::Json(json)
    }
}

#[track_caller]
fn or_panic(result: Result<Delivery, PointerError>) -> Delivery {
    match result {
        Ok(delivery) => delivery,
        #[expect(clippy::panic, reason = "documented by the callers; a test should fail")]
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn secret(text: &str) -> SigningSecret {
    match SigningSecret::parse(text) {
        Ok(secret) => secret,
        #[expect(
            clippy::panic,
            reason = "documented by the callers; the message does not contain the secret"
        )]
        Err(error) => panic!("{error}"),
    }
}
