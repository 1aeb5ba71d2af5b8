//! Who may deliver, and how that is decided.

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
use crate::event::{DecodeHints, Event};
use crate::receive::{PendingDelivery, ReceiveError};
use crate::sender::RESPONSE_TIMEOUT;
use crate::timestamp::Timestamp;

/// Verifies deliveries with one or several signing secrets.
///
/// Cloning is cheap, and all clones share their secrets. There is no verifier without a secret.
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

/// The keyed MACs, in the order in which the secrets were given.
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
    /// The default tolerance, 300 s: that of every Svix library.
    pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

    /// The maximum tolerance: one day. A larger value counts as one day. Use
    /// [`dangerous_accept_any_age`](VerifierBuilder::dangerous_accept_any_age) to accept deliveries of any age.
    pub const MAX_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

    /// The default limit of a body, 2 MiB: what Svix accepts from a sender.
    pub const DEFAULT_BODY_LIMIT: usize = 2 * 1024 * 1024;

    /// The default time that a body may take to arrive, 15 s: the sender gives up after
    /// [`RESPONSE_TIMEOUT`](crate::sender::RESPONSE_TIMEOUT).
    pub const DEFAULT_READ_TIMEOUT: Duration = RESPONSE_TIMEOUT;

    /// Creates a verifier for one secret with the default settings.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the secret, see [`SigningSecret::parse`].
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        Self::builder().secret(SigningSecret::parse(secret)?).build()
    }

    /// Creates a verifier for the secrets in the environment, with the default settings.
    ///
    /// Reads `CLERK_WEBHOOK_SIGNING_SECRET`, or `CLERK_WEBHOOK_SECRET` where that is not set. Several secrets
    /// are separated by white space or commas; during a rotation the new one comes first.
    ///
    /// # Errors
    ///
    /// Names the variable and what is wrong with it.
    pub fn from_env() -> Result<Self, SecretError> {
        Self::builder().secrets(SigningSecret::list_from_env()?).build()
    }

    /// Returns a builder, to set more than one secret or other limits.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Begins the verification of a delivery with everything that needs no body.
    ///
    /// # Errors
    ///
    /// Refuses a delivery whose headers are incomplete, repeated, malformed or out of date, or which carries
    /// no signature that could match, whatever its body may be.
    pub fn begin_verify<H: HeaderFields + ?Sized>(&self, headers: &H) -> Result<Verification, VerifyError> {
        Verification::begin(&self.accept(headers)?, &self.inner.secrets.load().0)
    }

    /// Verifies a delivery whose body is there as a whole.
    ///
    /// # Errors
    ///
    /// Refuses a delivery that was not signed with one of the secrets in these very bytes, or not lately.
    pub fn verify<H: HeaderFields + ?Sized>(
        &self,
        headers: &H,
        body: &[u8],
    ) -> Result<Verified, VerifyError> {
        verify_whole(&self.accept(headers)?, &self.inner.secrets.load().0, body)
    }

    /// Verifies a delivery whose body is there as a whole and reads its event.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), and when the body is larger than the limit or is not an event.
    pub fn receive<H: HeaderFields + ?Sized>(&self, headers: &H, body: Bytes) -> Result<Event, ReceiveError> {
        let headers = self.accept(headers)?;
        if body.len() > self.inner.body_limit {
            return Err(ReceiveError::body_too_large(self.inner.body_limit));
        }
        let verified = verify_whole(&headers, &self.inner.secrets.load().0, &body)?;
        Ok(Event::from_verified(verified, body, Arc::clone(&self.inner.hints))?)
    }

    /// Begins to receive a delivery whose body arrives in frames.
    ///
    /// # Errors
    ///
    /// As [`begin_verify`](Self::begin_verify).
    pub fn begin_receive<H: HeaderFields + ?Sized>(
        &self,
        headers: &H,
    ) -> Result<PendingDelivery, ReceiveError> {
        let verification = self.begin_verify(headers)?;
        Ok(PendingDelivery::new(verification, self.inner.body_limit, Arc::clone(&self.inner.hints)))
    }

    /// Replaces the secrets while deliveries arrive; every clone sees them from the next delivery on.
    ///
    /// During a rotation list the new secret first, see [`Verified::secret_index`].
    ///
    /// # Errors
    ///
    /// Refuses an empty list and keeps the secrets that it has.
    pub fn replace_secrets(
        &self,
        secrets: impl IntoIterator<Item = SigningSecret>,
    ) -> Result<(), SecretError> {
        self.inner.secrets.store(Arc::new(Secrets::new(secrets)?));
        Ok(())
    }

    /// Returns the most bytes that a body may have.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.inner.body_limit
    }

    /// Returns how long a body may take to arrive.
    ///
    /// The core reads nothing itself, so it is up to the adapter to stop reading then, see
    /// [`VerifierBuilder::read_timeout`].
    #[must_use]
    pub fn read_timeout(&self) -> Duration {
        self.inner.read_timeout
    }

    /// Reads the headers and looks at the time.
    fn accept<'h, H: HeaderFields + ?Sized>(
        &self,
        headers: &'h H,
    ) -> Result<SignatureHeaders<'h>, VerifyError> {
        let headers = SignatureHeaders::read(headers, self.inner.families)?;
        self.check_age(&headers)?;
        Ok(headers)
    }

    /// Compares whole seconds and includes both ends, as the sender's own libraries do.
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

/// Settings of a [`Verifier`].
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
    /// Adds a secret; its place in the order is the index that [`Verified::secret_index`] returns.
    ///
    /// During a rotation add the new secret first.
    pub fn secret(mut self, secret: SigningSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Adds several secrets, during a rotation the new one first.
    pub fn secrets(mut self, secrets: impl IntoIterator<Item = SigningSecret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// Sets how old and how far in the future the timestamp of a delivery may be, in whole seconds.
    ///
    /// The default is [`Verifier::DEFAULT_TOLERANCE`] in both directions, and the maximum is [`Verifier::MAX_TOLERANCE`]. The
    /// sender signs each attempt with a new timestamp, so retries do not need a longer tolerance.
    pub fn tolerance(self, tolerance: Duration) -> Self {
        self.tolerance_past(tolerance).tolerance_future(tolerance)
    }

    /// Sets how old the timestamp of a delivery may be, in whole seconds, at most [`Verifier::MAX_TOLERANCE`].
    pub fn tolerance_past(mut self, tolerance: Duration) -> Self {
        let past = Tolerance::seconds(tolerance);
        self.tolerance = Some(Tolerance { past, ..self.tolerance.unwrap_or_default() });
        self
    }

    /// Sets how far in the future the timestamp of a delivery may be, in whole seconds, at most [`Verifier::MAX_TOLERANCE`].
    pub fn tolerance_future(mut self, tolerance: Duration) -> Self {
        let future = Tolerance::seconds(tolerance);
        self.tolerance = Some(Tolerance { future, ..self.tolerance.unwrap_or_default() });
        self
    }

    /// Accepts deliveries of any age, so that whoever recorded one can send it again for ever.
    ///
    /// This is for reading recorded deliveries, never for an endpoint that is reachable by others.
    pub fn dangerous_accept_any_age(mut self) -> Self {
        self.tolerance = None;
        self
    }

    /// Sets which names the headers may have.
    pub fn accepted_headers(mut self, families: AcceptedHeaders) -> Self {
        self.families = families.in_order();
        self
    }

    /// Sets the clock; the default is that of the system.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the most bytes that a body may have; the default is [`Verifier::DEFAULT_BODY_LIMIT`].
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a body may take to arrive; the default is [`Verifier::DEFAULT_READ_TIMEOUT`].
    ///
    /// Adapters whose framework has a timer stop reading then and answer 408. The others say in their documentation
    /// how they are given one.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Builds the verifier.
    ///
    /// # Errors
    ///
    /// Refuses to build one without a secret.
    pub fn build(self) -> Result<Verifier, SecretError> {
        let Self { secrets, tolerance, families, clock, body_limit, read_timeout } = self;
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

/// Which names the headers of a delivery may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcceptedHeaders {
    /// `svix-*` where any of them is there, else `webhook-*`.
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
