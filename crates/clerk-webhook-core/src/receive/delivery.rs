//! A delivery whose body arrives in frames.

use std::fmt;
use std::sync::Arc;

use bytes::Buf;

use super::body::Body;
use super::error::ReceiveError;
use crate::event::{DecodeHints, Event};
use crate::verify::Verification;

/// The maximum number of empty frames. Without a limit, a client could keep a request open with empty frames.
/// Servers normally drop empty frames.
const MAX_EMPTY_FRAMES: u32 = 1024;

/// A delivery whose headers have been accepted and whose body arrives in frames.
///
/// [`Verifier::begin_receive`](crate::Verifier::begin_receive) creates it. A pending delivery hashes and
/// collects each frame as it arrives, and enforces the limits, so that all adapters behave in the same way. A
/// body that arrives in one frame is never copied.
///
/// ```
/// # use bytes::Bytes;
/// # use clerk_webhook_core::{MessageId, SigningSecret, Timestamp, Verifier};
/// # let secret = SigningSecret::from_bytes(&[7; 24])?;
/// # let id: MessageId = "msg_1".parse()?;
/// # let verifier = Verifier::builder().secret(secret.clone()).build()?;
/// let frames = [Bytes::from(r#"{"data":{},"#), Bytes::from(r#""type":"test"}"#)];
/// # let headers = secret.sign(&id, Timestamp::now(), &frames.concat()).to_pairs();
/// let mut delivery = verifier.begin_receive(&headers)?;
/// for frame in frames {
///     delivery.push(frame)?;
/// }
/// assert_eq!(delivery.finish()?.event_type(), "test");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "call `finish` to receive the event"]
pub struct PendingDelivery {
    verification: Verification,
    body: Body,
    empty_frames: u32,
    limit: usize,
    hints: Arc<DecodeHints>,
}

impl PendingDelivery {
    pub(crate) fn new(verification: Verification, limit: usize, hints: Arc<DecodeHints>) -> Self {
        Self { verification, body: Body::default(), empty_frames: 0, limit, hints }
    }

    /// Sets the maximum size of the body in bytes. It replaces the verifier's limit.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Checks the body's announced length before the body is read.
    ///
    /// It only compares the length with the limit, and does not allocate memory for the body.
    ///
    /// # Errors
    ///
    /// Returns an error if the announced length exceeds the limit.
    pub fn expect_length(&self, bytes: u64) -> Result<(), ReceiveError> {
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.limit => Ok(()),
            _ => Err(ReceiveError::body_too_large(self.limit)),
        }
    }

    /// Checks the `Content-Length` of a request; see [`expect_length`](Self::expect_length).
    ///
    /// # Errors
    ///
    /// Returns an error if the announced length exceeds the limit.
    #[cfg(feature = "http")]
    pub fn expect_content_length(&self, headers: &http::HeaderMap) -> Result<(), ReceiveError> {
        let header = headers.get(http::header::CONTENT_LENGTH);
        let claimed = header.and_then(|value| value.to_str().ok()?.parse().ok());
        self.expect_length(claimed.unwrap_or_default())
    }

    /// Adds the next frame of the body.
    ///
    /// # Errors
    ///
    /// Returns an error if the body exceeds the limit, or if it contains more than 1024 empty frames.
    pub fn push(&mut self, frame: impl Buf) -> Result<(), ReceiveError> {
        if !frame.has_remaining() {
            self.empty_frames += 1;
            return if self.empty_frames > MAX_EMPTY_FRAMES {
                Err(ReceiveError::body_endless())
            } else {
                Ok(())
            };
        }
        if frame.remaining() > self.limit - self.body.len().min(self.limit) {
            return Err(ReceiveError::body_too_large(self.limit));
        }
        self.body.push(frame, |chunk| self.verification.update(chunk));
        Ok(())
    }

    /// Completes the body, verifies it, and returns its event.
    ///
    /// # Errors
    ///
    /// Returns an error if no signature matches the body, or if the verified body is not an event.
    pub fn finish(self) -> Result<Event, ReceiveError> {
        let verified = self.verification.finish()?;
        Ok(Event::from_verified(verified, self.body.into_bytes(), self.hints)?)
    }
}

impl fmt::Debug for PendingDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingDelivery")
            .field("verification", &self.verification)
            .field("received", &self.body.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
