//! Why the origin of a delivery could not be verified.

use std::error::Error;
use std::fmt;

use super::signature_header::SignatureHeader;
use crate::error_text::debug_is_display;

/// The error of a delivery whose origin could not be verified.
///
/// Its text is for the receiver's own log: it names a header, never a value, a secret or an expected
/// signature.
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

    /// Returns what was wrong.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Returns the header that was wrong.
    #[must_use]
    pub fn header(&self) -> Option<SignatureHeader> {
        self.header
    }

    /// Returns how many seconds the delivery's timestamp lies ahead of the receiver's clock (negative:
    /// behind it), where that was the reason.
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
                "{header} is {} s in the past: synchronize the clock of this machine, unless somebody sent a recorded \
                 request again",
                self.skew.unwrap_or_default().unsigned_abs()
            ),
            VerifyErrorKind::TimestampTooNew => write!(
                f,
                "{header} is {} s in the future: synchronize the clock of this machine",
                self.skew.unwrap_or_default()
            ),
            VerifyErrorKind::NoMatchingSignature => write!(
                f,
                "no signature in {header} matches: check that the secret is that of this endpoint and that the body \
                 reaches the verifier unchanged"
            ),
        }
    }
}

impl Error for VerifyError {}

debug_is_display!(VerifyError);

/// What was wrong with a delivery whose origin could not be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// A header of the set is absent or empty.
    MissingHeader,
    /// A header of the set is there more than once; Svix never repeats one.
    DuplicateHeader,
    /// The id or the list of signatures has characters or a length that it cannot have.
    InvalidHeader,
    /// The timestamp is not a canonical whole number of seconds.
    InvalidTimestamp,
    /// The timestamp lies further in the past than the tolerance.
    TimestampTooOld,
    /// The timestamp lies further in the future than the tolerance.
    TimestampTooNew,
    /// No signature was made with one of the secrets over these bytes.
    NoMatchingSignature,
}
