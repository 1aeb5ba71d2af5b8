//! The verifier and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::error::{VerifyError, VerifyErrorKind};
use super::headers::{HeaderFields, SignatureHeaders};
use super::secret::{HmacSha256, SigningSecret};
use super::secret_error::{SecretError, SecretErrorKind};
use super::signature_header::HeaderFamily;
use super::verification::{Verification, Verified, verify_whole};
use crate::clock;
use crate::event::{DecodeHints, Event};
use crate::receive::{PendingDelivery, ReceiveError};
use crate::sender::RESPONSE_TIMEOUT;
use crate::timestamp::Timestamp;

/// Verifies deliveries with one or several signing secrets.
///
/// A verifier has at least one secret. Cloning is cheap, and all clones share the secrets.
///
/// | method | if the body | returns |
/// |---|---|---|
/// | [`receive`](Self::receive) | is in memory | an [`Event`] |
/// | [`begin_receive`](Self::begin_receive) | arrives in frames | an [`Event`] |
/// | [`verify`](Self::verify) | is in memory | the message id and the signing time |
/// | [`begin_verify`](Self::begin_verify) | arrives in frames | the message id and the signing time |
///
/// ```
/// use clerk_webhook_core::{MessageId, SigningSecret, Timestamp, Verifier, VerifyErrorKind};
///
/// let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let id: MessageId = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse()?;
/// let body = br#"{"data":{"deleted":true,"id":"user_1","object":"user"},"type":"user.deleted"}"#;
/// let headers = secret.sign(&id, Timestamp::now(), body).to_pairs();
///
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// assert_eq!(verifier.verify(&headers, body)?.message_id(), &id);
/// assert_eq!(
///     verifier.verify(&headers, b"forged").unwrap_err().kind(),
///     VerifyErrorKind::NoMatchingSignature,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    secrets: ArcSwap<Secrets>,
    tolerance: Option<Tolerance>,
    families: &'static [HeaderFamily],
    clock: Option<Clock>,
    body_limit: usize,
    read_timeout: Duration,
    hints: Arc<DecodeHints>,
}

/// One keyed MAC per secret, in the order of the secrets.
struct Secrets(Vec<HmacSha256>);

#[derive(Clone, Copy)]
struct Tolerance {
    past: u64,
    future: u64,
}

impl Tolerance {
    fn seconds(tolerance: Duration) -> u64 {
        tolerance.min(Verifier::MAX_TOLERANCE).as_secs()
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        let seconds = Self::seconds(Verifier::DEFAULT_TOLERANCE);
        Self { past: seconds, future: seconds }
    }
}

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Verifier {
    /// The default tolerance: 300 s, the same as in every Svix library.
    pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

    /// The maximum tolerance: one day. A larger value is clamped to one day.
    ///
    /// Use [`dangerous_accept_any_age`](VerifierBuilder::dangerous_accept_any_age) to accept deliveries of
    /// any age.
    pub const MAX_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

    /// The default maximum size of a body: 2 MiB, which is the maximum that Svix accepts for a message.
    pub const DEFAULT_BODY_LIMIT: usize = 2 * 1024 * 1024;

    /// The default maximum time for reading a body: 15 s.
    ///
    /// After this time, the sender closes the connection; see
    /// [`RESPONSE_TIMEOUT`](crate::sender::RESPONSE_TIMEOUT).
    pub const DEFAULT_READ_TIMEOUT: Duration = RESPONSE_TIMEOUT;

    /// Creates a verifier with one secret and the default settings.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a signing secret; see [`SigningSecret::parse`]. On
    /// `wasm32-unknown-unknown`, it always returns an error; see [`VerifierBuilder::clock`].
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        Self::builder().secret(SigningSecret::parse(secret)?).build()
    }

    /// Creates a verifier with the secrets from the environment and the default settings.
    ///
    /// Reads `CLERK_WEBHOOK_SIGNING_SECRET`, or `CLERK_WEBHOOK_SECRET` if the first variable is not set.
    /// Separate several secrets with white space or commas. During a rotation, list the new secret first.
    ///
    /// # Errors
    ///
    /// Returns an error if no variable is set, or if a secret is invalid. In both cases, the error names the
    /// variable. On `wasm32-unknown-unknown`, it always returns an error; see [`VerifierBuilder::clock`].
    pub fn from_env() -> Result<Self, SecretError> {
        Self::builder().secrets(SigningSecret::list_from_env()?).build()
    }

    /// Returns a builder for a verifier with several secrets or other settings.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Checks the headers of a delivery and begins its verification.
    ///
    /// # Errors
    ///
    /// Returns an error if a signature header is missing, repeated or malformed, if the timestamp is outside
    /// the tolerance, or if no signature has a supported format.
    pub fn begin_verify<H: HeaderFields + ?Sized>(&self, headers: &H) -> Result<Verification, VerifyError> {
        Verification::begin(&self.accept(headers)?, &self.inner.secrets.load().0)
    }

    /// Verifies a delivery whose complete body is in memory.
    ///
    /// Pass the body exactly as received: the signature covers its bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the headers are invalid, if the timestamp is outside the tolerance, or if no
    /// signature matches the body.
    pub fn verify<H: HeaderFields + ?Sized>(
        &self,
        headers: &H,
        body: &[u8],
    ) -> Result<Verified, VerifyError> {
        verify_whole(&self.accept(headers)?, &self.inner.secrets.load().0, body)
    }

    /// Verifies a delivery whose complete body is in memory, and returns its event.
    ///
    /// # Errors
    ///
    /// Returns an error if [`verify`](Self::verify) fails, if the body is larger than the limit, or if the
    /// body is not an event.
    pub fn receive<H: HeaderFields + ?Sized>(&self, headers: &H, body: Bytes) -> Result<Event, ReceiveError> {
        let headers = self.accept(headers)?;
        if body.len() > self.inner.body_limit {
            return Err(ReceiveError::body_too_large(self.inner.body_limit));
        }
        let verified = verify_whole(&headers, &self.inner.secrets.load().0, &body)?;
        Ok(Event::from_verified(verified, body, Arc::clone(&self.inner.hints))?)
    }

    /// Checks the headers of a delivery and begins to receive its body.
    ///
    /// # Errors
    ///
    /// Returns an error if [`begin_verify`](Self::begin_verify) fails.
    pub fn begin_receive<H: HeaderFields + ?Sized>(
        &self,
        headers: &H,
    ) -> Result<PendingDelivery, ReceiveError> {
        let verification = self.begin_verify(headers)?;
        Ok(PendingDelivery::new(verification, self.inner.body_limit, Arc::clone(&self.inner.hints)))
    }

    /// Replaces the secrets in this verifier and all its clones.
    ///
    /// You can call it while deliveries are arriving. The next delivery is verified with the new secrets.
    /// During a rotation, list the new secret first; see [`Verified::secret_index`].
    ///
    /// # Errors
    ///
    /// Returns an error if the list is empty. The verifier then continues to use its current secrets.
    pub fn replace_secrets(
        &self,
        secrets: impl IntoIterator<Item = SigningSecret>,
    ) -> Result<(), SecretError> {
        self.inner.secrets.store(Arc::new(Secrets::new(secrets)?));
        Ok(())
    }

    /// Returns the maximum size of a body in bytes.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.inner.body_limit
    }

    /// Returns the maximum time for reading a body.
    ///
    /// The adapter enforces it, because this crate performs no I/O. See [`VerifierBuilder::read_timeout`].
    #[must_use]
    pub fn read_timeout(&self) -> Duration {
        self.inner.read_timeout
    }

    /// Reads the headers and checks the timestamp.
    fn accept<'h, H: HeaderFields + ?Sized>(
        &self,
        headers: &'h H,
    ) -> Result<SignatureHeaders<'h>, VerifyError> {
        let headers = SignatureHeaders::read(headers, self.inner.families)?;
        self.check_age(&headers)?;
        Ok(headers)
    }

    /// Compares whole seconds, and accepts a difference that equals the tolerance, as Svix's libraries do.
    fn check_age(&self, headers: &SignatureHeaders<'_>) -> Result<(), VerifyError> {
        let Some(tolerance) = self.inner.tolerance else { return Ok(()) };
        let now = self.inner.clock.as_ref().map_or_else(Timestamp::now_in_secs, |clock| clock().as_secs());
        let skew = headers.seconds.saturating_sub(now);
        let kind = if skew > 0 && skew.unsigned_abs() > tolerance.future {
            VerifyErrorKind::TimestampTooNew
        } else if skew < 0 && skew.unsigned_abs() > tolerance.past {
            VerifyErrorKind::TimestampTooOld
        } else {
            return Ok(());
        };
        let [_, timestamp_header, _] = headers.family.headers();
        Err(VerifyError::of_skew(kind, timestamp_header, skew))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("secrets", &self.inner.secrets.load().0.len())
            .finish_non_exhaustive()
    }
}

impl Secrets {
    fn new(secrets: impl IntoIterator<Item = SigningSecret>) -> Result<Self, SecretError> {
        let macs: Vec<_> = secrets.into_iter().map(|secret| secret.keyed_mac()).collect();
        if macs.is_empty() {
            return Err(SecretErrorKind::NoSecrets.into());
        }
        Ok(Self(macs))
    }
}

/// Settings for a [`Verifier`].
///
/// ```
/// use std::time::Duration;
///
/// use clerk_webhook_core::{SigningSecret, Verifier};
///
/// let verifier = Verifier::builder()
///     .secret(SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?)
///     .secret(SigningSecret::parse("whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC")?)
///     .tolerance(Duration::from_secs(120))
///     .body_limit(256 * 1024)
///     .build()?;
/// assert_eq!(verifier.body_limit(), 262_144);
/// # Ok::<(), clerk_webhook_core::SecretError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct VerifierBuilder {
    secrets: Vec<SigningSecret>,
    tolerance: Option<Tolerance>,
    families: &'static [HeaderFamily],
    clock: Option<Clock>,
    body_limit: usize,
    read_timeout: Duration,
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            tolerance: Some(Tolerance::default()),
            families: AcceptedHeaders::default().in_order(),
            clock: None,
            body_limit: Verifier::DEFAULT_BODY_LIMIT,
            read_timeout: Verifier::DEFAULT_READ_TIMEOUT,
        }
    }
}

impl VerifierBuilder {
    /// Adds a secret to the end of the list. [`Verified::secret_index`] refers to the positions in this list.
    ///
    /// During a rotation, add the new secret first.
    pub fn secret(mut self, secret: SigningSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Adds several secrets. During a rotation, list the new secret first.
    pub fn secrets(mut self, secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// Sets the maximum difference between a delivery's timestamp and the clock, in both directions.
    ///
    /// The default is [`Verifier::DEFAULT_TOLERANCE`] (300 s), and the maximum is [`Verifier::MAX_TOLERANCE`]
    /// (one day). Fractions of a second are ignored. The sender signs each attempt with a new timestamp, so
    /// retries do not need a longer tolerance.
    pub fn tolerance(self, tolerance: Duration) -> Self {
        self.tolerance_past(tolerance).tolerance_future(tolerance)
    }

    /// Sets the tolerance for timestamps in the past; see [`tolerance`](Self::tolerance).
    pub fn tolerance_past(mut self, tolerance: Duration) -> Self {
        let past = Tolerance::seconds(tolerance);
        self.tolerance = Some(Tolerance { past, ..self.tolerance.unwrap_or_default() });
        self
    }

    /// Sets the tolerance for timestamps in the future; see [`tolerance`](Self::tolerance).
    pub fn tolerance_future(mut self, tolerance: Duration) -> Self {
        let future = Tolerance::seconds(tolerance);
        self.tolerance = Some(Tolerance { future, ..self.tolerance.unwrap_or_default() });
        self
    }

    /// Accepts deliveries of any age, which lets an attacker replay a recorded delivery at any time.
    ///
    /// Use it only to read recorded deliveries, never for an endpoint that others can reach.
    pub fn dangerous_accept_any_age(mut self) -> Self {
        self.tolerance = None;
        self
    }

    /// Sets the accepted names of the signature headers; [`AcceptedHeaders::Any`] by default.
    pub fn accepted_headers(mut self, families: AcceptedHeaders) -> Self {
        self.families = families.in_order();
        self
    }

    /// Sets the clock; the system clock by default.
    ///
    /// `wasm32-unknown-unknown` has no system clock. Pass one from the host there, such as JavaScript's
    /// `Date.now()`, which returns the argument of [`Timestamp::from_millis`]:
    ///
    /// ```
    /// use clerk_webhook_core::{SigningSecret, Timestamp, Verifier};
    ///
    /// # mod js { pub fn date_now() -> i64 { 1_716_883_200_000 } }
    /// let verifier = Verifier::builder()
    ///     .secret(SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?)
    ///     .clock(|| Timestamp::from_millis(js::date_now()))
    ///     .build()?;
    /// # Ok::<(), clerk_webhook_core::SecretError>(())
    /// ```
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the maximum size of a body in bytes; [`Verifier::DEFAULT_BODY_LIMIT`] (2 MiB) by default.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets the maximum time for reading a body; [`Verifier::DEFAULT_READ_TIMEOUT`] (15 s) by default.
    ///
    /// An adapter that has a timer stops reading after this time and responds with status 408. The other
    /// adapters document how to enforce the limit.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Builds the verifier.
    ///
    /// # Errors
    ///
    /// Returns an error if no secret was added, or on `wasm32-unknown-unknown` if no clock was passed.
    pub fn build(self) -> Result<Verifier, SecretError> {
        let Self { secrets, tolerance, families, clock, body_limit, read_timeout } = self;
        if tolerance.is_some() && clock.is_none() && !clock::EXISTS {
            return Err(SecretErrorKind::NoClock.into());
        }
        let secrets = ArcSwap::from_pointee(Secrets::new(secrets)?);
        let hints = Arc::default();
        let inner = Inner { secrets, tolerance, families, clock, body_limit, read_timeout, hints };
        Ok(Verifier { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

/// The accepted names of the signature headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcceptedHeaders {
    /// `svix-*` if the request has at least one of these headers, otherwise `webhook-*`.
    #[default]
    Any,
    /// Only `svix-*`.
    Svix,
    /// Only `webhook-*`.
    Webhook,
}

impl AcceptedHeaders {
    fn in_order(self) -> &'static [HeaderFamily] {
        match self {
            Self::Any => &[HeaderFamily::Svix, HeaderFamily::Webhook],
            Self::Svix => &[HeaderFamily::Svix],
            Self::Webhook => &[HeaderFamily::Webhook],
        }
    }
}
