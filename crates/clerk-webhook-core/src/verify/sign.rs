//! Signs deliveries for tests and tools that act as the sender.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use super::secret::SigningSecret;
use super::signature_header::HeaderFamily;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

impl SigningSecret {
    /// Signs a delivery in the same way as Svix. Fractions of a second in `timestamp` are ignored.
    ///
    /// ```
    /// use clerk_webhook_core::{HeaderFamily, MessageId, SigningSecret, Timestamp};
    ///
    /// let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
    /// let id: MessageId = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse()?;
    /// let headers = secret.sign(&id, Timestamp::from_secs(1_716_883_200), b"{}");
    /// assert_eq!(headers.to_pairs()[1], ("svix-timestamp", "1716883200".to_owned()));
    /// assert_eq!(headers.family(HeaderFamily::Webhook).to_pairs()[0].0, "webhook-id");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sign(&self, id: &MessageId, timestamp: Timestamp, body: &[u8]) -> SignedHeaders {
        SignedHeaders {
            family: HeaderFamily::Svix,
            id: id.clone(),
            timestamp,
            signatures: self.signature(id, timestamp, body),
        }
    }

    fn signature(&self, id: &MessageId, timestamp: Timestamp, body: &[u8]) -> String {
        let mut mac = self.keyed_mac();
        mac.update(format!("{id}.{}.", timestamp.as_secs()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The signature headers of a signed delivery.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    family: HeaderFamily,
    id: MessageId,
    timestamp: Timestamp,
    signatures: String,
}

impl SignedHeaders {
    /// Sets the family of header names; `svix-*` by default.
    #[must_use]
    pub fn family(self, family: HeaderFamily) -> Self {
        Self { family, ..self }
    }

    /// Adds a signature of the same body with an additional secret, as Svix does during a rotation.
    #[must_use]
    pub fn and_signed_with(mut self, secret: &SigningSecret, body: &[u8]) -> Self {
        self.signatures.push(' ');
        self.signatures.push_str(&secret.signature(&self.id, self.timestamp, body));
        self
    }

    /// Returns the names and values of the headers in the order id, timestamp, signature.
    #[must_use]
    pub fn to_pairs(&self) -> [(&'static str, String); 3] {
        let [id, timestamp, signature] = self.family.headers();
        [
            (id.as_str(), self.id.to_string()),
            (timestamp.as_str(), self.timestamp.as_secs().to_string()),
            (signature.as_str(), self.signatures.clone()),
        ]
    }
}

#[cfg(feature = "http")]
impl From<&SignedHeaders> for http::HeaderMap {
    fn from(signed: &SignedHeaders) -> Self {
        // Ids, numbers and base64 are always valid header values, so nothing is filtered out.
        let fields = signed.to_pairs().into_iter().filter_map(|(name, value)| {
            Some((http::HeaderName::from_static(name), http::HeaderValue::try_from(value).ok()?))
        });
        fields.collect()
    }
}

/// Omits the signatures, because anyone who has them can replay a recorded body.
impl fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHeaders")
            .field("family", &self.family)
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}
