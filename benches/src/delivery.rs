//! Signed deliveries as Clerk sends them.

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp, Verifier, VerifierBuilder};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The size of a typical body, in bytes.
pub const TYPICAL: usize = 2048;

/// A signing secret that is used only in benchmarks.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The message id of every delivery that does not set another one.
pub const ID: &str = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa";

/// A well-formed signature that does not match, so that a verifier has to hash the body.
pub const FOREIGN: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The body of a real `user.created`, 1.9 KB.
const USER_CREATED: &[u8] =
    include_bytes!("../../crates/clerk-webhook-test/fixtures/events/user.created.json");

/// The headers and the body of a signed request.
#[derive(Clone)]
pub struct SignedDelivery {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl SignedDelivery {
    /// Signs a body at the current time.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self::signed_ago(body, 0)
    }

    /// Signs a `user.created` at the current time.
    #[must_use]
    pub fn user_created() -> Self {
        // A copy on the heap with a reference count, like a server's buffers.
        Self::new(Bytes::copy_from_slice(USER_CREATED))
    }

    /// Returns a `user.created` with the signature [`FOREIGN`].
    #[must_use]
    pub fn forged() -> Self {
        let mut delivery = Self::user_created();
        delivery.set_signature(FOREIGN.to_owned());
        delivery
    }

    /// Signs a body with a timestamp that is `seconds` old.
    #[must_use]
    pub fn signed_ago(body: Bytes, seconds: i64) -> Self {
        let id = ID.parse().unwrap();
        let signed_at = Timestamp::from_secs(Timestamp::now().as_secs() - seconds);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("api.example.com"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(USER_AGENT, HeaderValue::from_static("Svix-Webhooks/1.84.0 (sender-9YMgn)"));
        headers.extend(HeaderMap::from(&secret().sign(&id, signed_at, &body)));
        Self { headers, body }
    }

    /// Returns the delivery with the header names of the Standard Webhooks specification.
    #[must_use]
    pub fn with_standard_names(&self) -> Self {
        let renamed = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().replace("svix-", "webhook-").parse().unwrap(), value.clone())
        };
        Self { headers: self.headers.iter().map(renamed).collect(), body: self.body.clone() }
    }

    /// Returns the delivery with `count` copies of `token` before the matching signature.
    #[must_use]
    pub fn with_signatures_before(&self, token: &str, count: usize) -> Self {
        let mut delivery = self.clone();
        let good = self.headers.get("svix-signature").unwrap().to_str().unwrap();
        delivery.set_signature(token.repeat(count) + good);
        delivery
    }

    /// Replaces the list of signatures.
    pub fn set_signature(&mut self, text: String) {
        self.headers.insert("svix-signature", text.try_into().unwrap());
    }
}

/// Returns a body of `size` bytes that resembles JSON. No contestant parses it.
#[must_use]
pub fn body_of(size: usize) -> Bytes {
    USER_CREATED.iter().copied().cycle().take(size).collect()
}

/// Parses [`SECRET`].
#[must_use]
pub fn secret() -> SigningSecret {
    SigningSecret::parse(SECRET).unwrap()
}

/// Returns a verifier of this project with default settings.
#[must_use]
pub fn verifier() -> Verifier {
    builder().secret(secret()).build().unwrap()
}

/// Returns a builder for a verifier of this project, without a secret.
pub fn builder() -> VerifierBuilder {
    Verifier::builder()
}

/// Returns the svix crate's verifier.
#[must_use]
pub fn svix() -> svix::webhooks::Webhook {
    svix::webhooks::Webhook::new(SECRET).unwrap()
}
