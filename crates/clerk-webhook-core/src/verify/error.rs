//! Errors that occur during verification.

use std::error::Error;
use std::fmt;

use super::signature_header::SignatureHeader;
use crate::error_text::debug_is_display;

/// The error for a delivery that fails verification.
///
/// Its text is for the receiver's log. It names the header, and never shows a header value, a secret or an
/// expected signature.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    header: Option<SignatureHeader>,
    skew: Option<i64>,
}

impl VerifyError {
    pub(crate) fn of_header(kind: VerifyErrorKind, header: SignatureHeader) -> Self {
        Self { kind, header: Some(header), skew: None }
    }

    pub(crate) fn of_skew(kind: VerifyErrorKind, header: SignatureHeader, skew: i64) -> Self {
        Self { kind, header: Some(header), skew: Some(skew) }
    }

    /// Returns the reason for the failure.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Returns the header that caused the failure.
    #[must_use]
    pub fn header(&self) -> Option<SignatureHeader> {
        self.header
    }

    /// Returns the difference between the delivery's timestamp and the receiver's clock in seconds.
    ///
    /// The value is positive if the timestamp is in the future. It is `None` unless the timestamp is outside
    /// the tolerance.
    #[must_use]
    pub fn skew_seconds(&self) -> Option<i64> {
        self.skew
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header.map_or("the signature headers", SignatureHeader::as_str);
        match self.kind {
            VerifyErrorKind::MissingHeader => write!(
                f,
                "{header} is missing or empty: check that the request comes from Clerk and that no proxy removes headers"
            ),
            VerifyErrorKind::DuplicateHeader => {
                write!(f, "{header} occurs more than once: check that no proxy adds a second one")
            }
            VerifyErrorKind::InvalidHeader => write!(
                f,
                "{header} contains invalid characters or is too long: check that no proxy changes headers"
            ),
            VerifyErrorKind::InvalidTimestamp => {
                write!(f, "{header} is not a whole number of seconds: check that no proxy changes headers")
            }
            VerifyErrorKind::TimestampTooOld => write!(
                f,
                "{header} is {} s in the past: synchronize this machine's clock; if the clock is correct, \
                 the request is a replay",
                self.skew.unwrap_or_default().unsigned_abs()
            ),
            VerifyErrorKind::TimestampTooNew => write!(
                f,
                "{header} is {} s in the future: synchronize this machine's clock",
                self.skew.unwrap_or_default()
            ),
            VerifyErrorKind::NoMatchingSignature => write!(
                f,
                "no signature in {header} matches: check that the signing secret belongs to this endpoint and that the \
                 body reaches the verifier unchanged"
            ),
        }
    }
}

impl Error for VerifyError {}

debug_is_display!(VerifyError);

/// The reason why a delivery fails verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// A signature header is missing or empty.
    MissingHeader,
    /// A signature header occurs more than once. Svix never repeats a header.
    DuplicateHeader,
    /// The id or the list of signatures contains invalid characters or is too long.
    InvalidHeader,
    /// The timestamp is not a whole number of seconds in canonical form: digits without a sign or leading
    /// zeros.
    InvalidTimestamp,
    /// The timestamp is further in the past than the tolerance allows.
    TimestampTooOld,
    /// The timestamp is further in the future than the tolerance allows.
    TimestampTooNew,
    /// No signature matches the content with any of the secrets.
    NoMatchingSignature,
}
