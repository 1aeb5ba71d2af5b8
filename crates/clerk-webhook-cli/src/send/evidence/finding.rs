//! A finding about a response.

use std::borrow::Cow;

use clerk_webhook_core::Outcome;

/// What a response shows, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) kind: Kind,
    /// The stable name of the finding.
    pub(crate) finding: &'static str,
    pub(crate) says: Cow<'static, str>,
    pub(crate) advice: Option<Cow<'static, str>>,
}

/// The kinds of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This project sent the response, which names the outcome.
    Outcome(Outcome),
    /// The status is 2xx, so Svix counts the event as delivered, but something else shows a failure.
    FalseSuccess,
    /// The response does not come from the handler: for example, from a tunnel, a firewall, or the router.
    Front,
    /// A rate limit sent the response.
    RateLimit,
    /// The endpoint, or something in front of it, rejects the request.
    Refusal,
    /// The endpoint failed.
    Failure,
}

impl Evidence {
    pub(super) fn new(
        kind: Kind,
        finding: &'static str,
        says: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, finding, says: says.into(), advice: Some(advice.into()) }
    }
}
