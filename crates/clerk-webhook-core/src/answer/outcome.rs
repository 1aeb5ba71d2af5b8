//! The table of outcomes. Names, statuses, headers and bodies are all derived from it.

use std::fmt;

use crate::sender::RETRY_DELAYS;

/// Whether an answer has the `Retry-After` header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// The header is never sent.
    Never,
    /// The header is sent if the handler or the store sets a delay.
    IfGiven,
    /// The header is always sent. The default value is this number of seconds.
    Always(u32),
}

/// The default `Retry-After`, in seconds: the longest delay that the sender accepts before its second
/// attempt.
const UNKNOWN_DELAY: u32 = 10;

const _: () = assert!(UNKNOWN_DELAY as u64 == 2 * RETRY_DELAYS[0].as_secs());

/// Generates the enum and its methods from rows of the form
/// `Variant = "word", status, verified event?, body, Retry-After, webhook-delivery;`.
macro_rules! outcomes {
    (@body $word:literal $status:literal outcome) => { concat!(r#"{"outcome":""#, $word, r#""}"#) };
    (@body $word:literal $status:literal problem($title:literal)) => {
        concat!(r#"{"title":""#, $title, r#"","status":"#, $status, "}")
    };
    (@media_type outcome) => { "application/json" };
    (@media_type problem($title:literal)) => { "application/problem+json" };
    (@is_event event) => { true };
    (@is_event refused) => { false };
    (@control -) => { None };
    (@control $control:literal) => { Some($control) };
    (@headers Never -) => { "" };
    (@headers IfGiven -) => { "`Retry-After` if a delay is given" };
    (@headers Always(UNKNOWN_DELAY) -) => { "`Retry-After`" };
    (@headers Never $control:literal) => { concat!("`webhook-delivery: ", $control, "`") };
    (
        $(
            $(#[doc = $doc:literal])+
            $variant:ident = $word:literal, $status:literal, $origin:ident,
                $body:ident $(($title:literal))?, $retry_after:ident $(($delay:ident))?, $control:tt;
        )+
    ) => {
        /// The outcome of a delivery.
        ///
        /// Answers, logs, metrics and tools use the same names. [`Answer`](crate::Answer) converts an outcome
        /// into an HTTP response:
        ///
        /// | outcome | status | headers |
        /// |---|---|---|
        $(
            #[doc = concat!(
                "| `", $word, "` | ", $status, " | ",
                outcomes!(@headers $retry_after $(($delay))? $control), " |"
            )]
        )+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Outcome {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Outcome {
            /// All outcomes.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// Returns the name of the outcome in `snake_case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }

            /// Returns whether the delivery was verified and its body is an event.
            #[must_use]
            pub const fn is_verified_event(self) -> bool {
                match self {
                    $( Self::$variant => outcomes!(@is_event $origin), )+
                }
            }

            pub(super) const fn status(self) -> u16 {
                match self {
                    $( Self::$variant => $status, )+
                }
            }

            pub(super) const fn body(self) -> &'static str {
                match self {
                    $( Self::$variant => outcomes!(@body $word $status $body $(($title))?), )+
                }
            }

            pub(super) const fn media_type(self) -> &'static str {
                match self {
                    $( Self::$variant => outcomes!(@media_type $body $(($title))?), )+
                }
            }

            pub(super) const fn retry_after(self) -> RetryAfter {
                match self {
                    $( Self::$variant => RetryAfter::$retry_after $(($delay))?, )+
                }
            }

            pub(super) const fn delivery_control(self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => outcomes!(@control $control), )+
                }
            }
        }
    };
}

outcomes! {
    /// A handler processed the event.
    Processed = "processed", 200, event, outcome, Never, -;
    /// The event was stored and will be processed later.
    Queued = "queued", 200, event, outcome, Never, -;
    /// No handler is registered for the event type.
    Ignored = "ignored", 200, event, outcome, Never, -;
    /// An earlier delivery of the message was processed.
    Duplicate = "duplicate", 200, event, outcome, Never, -;
    /// Another delivery of the message is being processed and may still fail.
    InProgress = "in_progress", 409, event, outcome, Always(UNKNOWN_DELAY), -;
    /// The handler failed, and a retry may succeed.
    Failed = "failed", 500, event, outcome, IfGiven, -;
    /// The handler did not finish in time.
    HandlerTimeout = "handler_timeout", 503, event, outcome, IfGiven, -;
    /// The handler rejected the message, and no retry can succeed.
    Rejected = "rejected", 422, event, outcome, Never, "abort-message";
    /// The handler asked the sender to disable the endpoint.
    Disabled = "disabled", 422, event, outcome, Never, "disable";
    /// The delivery store was unreachable before or after the handler ran.
    StoreUnavailable = "store_unavailable", 503, event, outcome, Always(UNKNOWN_DELAY), -;
    /// The lease expired before the completion was stored. Another delivery may have taken over the message.
    LeaseLost = "lease_lost", 409, event, outcome, Always(UNKNOWN_DELAY), -;
    /// A signature header is missing or empty.
    MissingHeader = "missing_header", 400, refused, problem("Bad Request"), Never, -;
    /// A signature header is repeated or malformed.
    Malformed = "malformed", 400, refused, problem("Bad Request"), Never, -;
    /// The timestamp is outside the tolerance.
    ExpiredTimestamp = "expired_timestamp", 400, refused, problem("Bad Request"), Never, -;
    /// No signature matches.
    InvalidSignature = "invalid_signature", 400, refused, problem("Bad Request"), Never, -;
    /// The delivery is authentic, but its body is not an event.
    NotAnEvent = "not_an_event", 400, refused, outcome, Never, -;
    /// The body exceeds the limit.
    BodyTooLarge = "body_too_large", 413, refused, problem("Content Too Large"), Never, -;
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout", 408, refused, problem("Request Timeout"), Never, -;
    /// The connection failed while the body was read, or the body contained too many empty frames.
    BodyFailed = "body_failed", 400, refused, problem("Bad Request"), Never, -;
    /// The application cannot receive deliveries because of its configuration.
    Misconfigured = "misconfigured", 500, refused, problem("Internal Server Error"), Never, -;
}

impl Outcome {
    /// Returns whether the answer acknowledges the delivery (2xx), so that the sender does not retry.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        self.status() / 100 == 2
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
