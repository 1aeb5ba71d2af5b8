//! Deliveries, right ones and broken ones.

use bytes::Bytes;
use clerk_webhook_core::{HeaderFamily, MessageId, SigningSecret, Timestamp};
use serde_json::Value;

use crate::SECRET;
use crate::fixture::AnyFixture;
use crate::pointer::{self, PointerError};

/// A delivery of one event, signed as Svix signs it.
///
/// It has a new message id, the time at which it was made, and the signature of [`SECRET`], each unless it is told
/// otherwise. What breaks it ([`stale`](Self::stale), [`altered`](Self::altered) and so on) breaks that one thing and leaves
/// all else right.
#[derive(Clone, Debug)]
pub struct Delivery {
    id: MessageId,
    at: Timestamp,
    family: HeaderFamily,
    secrets: Vec<SigningSecret>,
    body: Body,
    altered: bool,
    missing: Vec<String>,
}

#[derive(Clone, Debug)]
enum Body {
    /// Sent as it is.
    Bytes(Bytes),
    /// Written as Clerk writes: compact, keys in alphabetical order.
    Json(Value),
}

impl Delivery {
    /// Makes a delivery of a fixture.
    #[must_use]
    pub fn of(fixture: impl Into<AnyFixture>) -> Self {
        Self::of_body(fixture.into().body())
    }

    /// Makes a delivery of any body, an event or not.
    #[must_use]
    pub fn of_body(body: impl Into<Bytes>) -> Self {
        Self::new(Body::Bytes(body.into()))
    }

    /// Makes a delivery of JSON, written as Clerk writes it: compact, with keys in alphabetical order.
    #[must_use]
    pub fn of_json(event: Value) -> Self {
        Self::new(Body::Json(event))
    }

    fn new(body: Body) -> Self {
        Self {
            id: crate::id::message(),
            at: Timestamp::now(),
            family: HeaderFamily::Svix,
            secrets: vec![secret(SECRET)],
            body,
            altered: false,
            missing: Vec::new(),
        }
    }

    /// Sets the message id.
    ///
    /// # Panics
    ///
    /// Panics where it is none: 1 to 256 visible ASCII characters without a dot. For an id that was read at run time there
    /// is [`message_id`](Self::message_id).
    #[must_use]
    #[track_caller]
    pub fn id(self, id: &str) -> Self {
        #[expect(clippy::expect_used, reason = "documented, and right in a test")]
        self.message_id(id.parse().expect("a message id"))
    }

    /// Sets the message id.
    #[must_use]
    pub fn message_id(self, id: MessageId) -> Self {
        Self { id, ..self }
    }

    /// Sets when it was signed; what counts is the second.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Sets the secret that signs it.
    ///
    /// # Panics
    ///
    /// Panics where it is none. For one that was read at run time there is [`secrets`](Self::secrets).
    #[must_use]
    #[track_caller]
    pub fn secret(self, text: &str) -> Self {
        self.secrets([secret(text)])
    }

    /// Sets the secrets that sign it, as during a rotation, each with a signature of its own.
    #[must_use]
    pub fn secrets(self, secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        Self { secrets: secrets.into_iter().collect(), ..self }
    }

    /// Chooses the names of the headers; the default is `svix-*`.
    #[must_use]
    pub fn header_family(self, family: HeaderFamily) -> Self {
        Self { family, ..self }
    }

    /// Sets a value in the event, by its JSON Pointer (RFC 6901): `/data/first_name`.
    ///
    /// An object gets a member that it has not, an array one more element at `-`.
    ///
    /// # Panics
    ///
    /// Panics where there is no such place, or the body is not JSON. For a pointer that was read at run time there is
    /// [`try_set`](Self::try_set).
    #[must_use]
    #[track_caller]
    pub fn set(self, pointer: &str, value: impl Into<Value>) -> Self {
        match self.try_set(pointer, value) {
            Ok(delivery) => delivery,
            #[expect(clippy::panic, reason = "documented, and right in a test")]
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets a value in the event as [`set`](Self::set) does.
    ///
    /// # Errors
    ///
    /// Says why there is no such place.
    pub fn try_set(mut self, pointer: &str, value: impl Into<Value>) -> Result<Self, PointerError> {
        let mut json = match self.body {
            Body::Json(json) => json,
            Body::Bytes(bytes) => serde_json::from_slice(&bytes).map_err(|_| PointerError::not_json())?,
        };
        pointer::set(&mut json, pointer, value.into())?;
        self.body = Body::Json(json);
        Ok(self)
    }

    /// Signs it so long ago that it is refused.
    #[must_use]
    pub fn stale(self) -> Self {
        let at = Timestamp::from_secs(self.at.as_secs() - 600);
        self.at(at)
    }

    /// Changes the body after it was signed.
    #[must_use]
    pub fn altered(self) -> Self {
        Self { altered: true, ..self }
    }

    /// Signs it with a secret that no receiver has.
    #[must_use]
    pub fn wrong_secret(self) -> Self {
        self.secret("whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC")
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, header: &str) -> Self {
        self.missing.push(header.to_ascii_lowercase());
        self
    }

    /// Returns the names and values of its headers: content type, id, timestamp, signature.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let signed = self.signed_body();
        let mut secrets = self.secrets.iter();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if let Some(first) = secrets.next() {
            let first = first.sign(&self.id, self.at, &signed).family(self.family);
            headers.extend(secrets.fold(first, |all, next| all.and_signed_with(next, &signed)).to_pairs());
        }
        headers.retain(|(name, _)| !self.missing.iter().any(|missing| missing == name));
        headers
    }

    /// Returns the bytes of its body.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let body = self.signed_body();
        if !self.altered {
            return body;
        }
        let mut body = body.to_vec();
        match body.last_mut() {
            Some(last) => *last ^= 1,
            None => body.push(b' '),
        }
        body.into()
    }

    fn signed_body(&self) -> Bytes {
        match &self.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Json(json) => json.to_string().into(),
        }
    }
}

#[track_caller]
fn secret(text: &str) -> SigningSecret {
    match SigningSecret::parse(text) {
        Ok(secret) => secret,
        #[expect(
            clippy::panic,
            reason = "documented where it can happen; the message does not show the text"
        )]
        Err(error) => panic!("{error}"),
    }
}
