//! A delivery whose body arrives in frames.

use std::fmt;
use std::sync::Arc;

use bytes::Buf;

use super::body::Body;
use super::error::ReceiveError;
use crate::event::{DecodeHints, Event};
use crate::verify::Verification;

/// The most frames without data: no server passes on any, and a body that has nothing else would never end.
const MAX_EMPTY_FRAMES: u32 = 1024;

/// A delivery whose headers were accepted and whose body is still arriving.
///
/// It hashes and collects the body in one go, so that every adapter treats frames and limits alike: a body of
/// one frame is never copied, and a larger one is held once.
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
#[must_use = "a delivery is received by `finish`"]
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

    /// Sets the most bytes that the body may have, instead of the verifier's limit.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Looks at the length that the sender claims, before anything is read.
    ///
    /// The claim is compared with the limit and not used for anything else.
    ///
    /// # Errors
    ///
    /// Refuses a body that is going to be larger than the limit.
    pub fn expect_length(&self, bytes: u64) -> Result<(), ReceiveError> {
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.limit => Ok(()),
            _ => Err(ReceiveError::body_too_large(self.limit)),
        }
    }

    /// Looks at the `Content-Length` of a request, see [`expect_length`](Self::expect_length).
    ///
    /// # Errors
    ///
    /// Refuses a body that is going to be larger than the limit.
    #[cfg(feature = "http")]
    pub fn expect_content_length(&self, headers: &http::HeaderMap) -> Result<(), ReceiveError> {
        let header = headers.get(http::header::CONTENT_LENGTH);
        let claimed = header.and_then(|value| value.to_str().ok()?.parse().ok());
        self.expect_length(claimed.unwrap_or_default())
    }

    /// Takes the next frame of the body.
    ///
    /// # Errors
    ///
    /// Refuses the frame with which the body becomes larger than the limit, and a body that goes on and on
    /// without any data.
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

    /// Ends the body, decides about its origin, and reads the event.
    ///
    /// # Errors
    ///
    /// Refuses a body that was not signed like this, and one that is authentic but not an event.
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
