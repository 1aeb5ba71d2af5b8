//! What can become of a delivery.

use std::fmt;

/// What became of a delivery.
///
/// The words are the same everywhere: in answers, logs, metrics and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was handled.
    Processed,
    /// It is kept, to be handled later.
    Queued,
    /// It is authentic, and nobody wants events of its type.
    Ignored,
    /// It was handled before.
    Duplicate,
    /// Somebody else is handling it, and may still fail.
    InProgress,
    /// It could not be handled, and may be another time.
    Failed,
    /// The handler did not end in time.
    HandlerTimeout,
    /// It cannot be handled, now or later.
    Rejected,
    /// It cannot be handled, and nothing else shall be sent either.
    Disabled,
    /// What keeps duplicates or queued deliveries cannot be reached, before the delivery is handled or after it.
    StoreUnavailable,
    /// Somebody else has taken it over, or may have, before it could be written down that it was handled.
    LeaseLost,
    /// A signature header is absent or empty.
    MissingHeader,
    /// A signature header is repeated or malformed.
    Malformed,
    /// The timestamp lies outside the tolerance.
    ExpiredTimestamp,
    /// No signature matches.
    InvalidSignature,
    /// Authentic, but not an event.
    NotAnEvent,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body broke off, or went on without any data.
    BodyFailed,
    /// The application is set up so that it cannot receive.
    Misconfigured,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = &[
        Self::Processed,
        Self::Queued,
        Self::Ignored,
        Self::Duplicate,
        Self::InProgress,
        Self::Failed,
        Self::HandlerTimeout,
        Self::Rejected,
        Self::Disabled,
        Self::StoreUnavailable,
        Self::LeaseLost,
        Self::MissingHeader,
        Self::Malformed,
        Self::ExpiredTimestamp,
        Self::InvalidSignature,
        Self::NotAnEvent,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::BodyFailed,
        Self::Misconfigured,
    ];

    /// Returns the outcome in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Queued => "queued",
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::InProgress => "in_progress",
            Self::Failed => "failed",
            Self::HandlerTimeout => "handler_timeout",
            Self::Rejected => "rejected",
            Self::Disabled => "disabled",
            Self::StoreUnavailable => "store_unavailable",
            Self::LeaseLost => "lease_lost",
            Self::MissingHeader => "missing_header",
            Self::Malformed => "malformed",
            Self::ExpiredTimestamp => "expired_timestamp",
            Self::InvalidSignature => "invalid_signature",
            Self::NotAnEvent => "not_an_event",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyFailed => "body_failed",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// Returns whether the sender is told that the delivery has arrived, so that it does not come again.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Processed | Self::Queued | Self::Ignored | Self::Duplicate)
    }

    /// Returns whether it became of a delivery that is authentic and an event.
    #[must_use]
    pub const fn is_verified_event(self) -> bool {
        match self {
            Self::Processed
            | Self::Queued
            | Self::Ignored
            | Self::Duplicate
            | Self::InProgress
            | Self::Failed
            | Self::HandlerTimeout
            | Self::Rejected
            | Self::Disabled
            | Self::StoreUnavailable
            | Self::LeaseLost => true,
            Self::MissingHeader
            | Self::Malformed
            | Self::ExpiredTimestamp
            | Self::InvalidSignature
            | Self::NotAnEvent
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::BodyFailed
            | Self::Misconfigured => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
