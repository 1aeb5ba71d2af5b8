//! Decides which captured requests are sent, and with which signatures.
//!
//! Only this module of `replay` signs.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use clerk_webhook_core::{
    Answer as OwnAnswer, ReceiveError, SecretError, SigningSecret, Timestamp, Verified, Verifier,
};
use clerk_webhook_test::Delivery;
use http::HeaderValue;
use serde::Serialize;

use crate::capture::{Capture, Unreadable};
use crate::output::{printable, style};
use crate::text::{counted, event_type, type_width};

/// The signature headers of both families, `svix-*` and `webhook-*`.
const SIGNATURE_HEADERS: [&str; 6] =
    ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-timestamp", "webhook-signature"];

/// The cause of a request that is skipped because HTTP cannot carry its headers.
pub(super) const NOT_SENDABLE: &str = "not_sendable";

/// The signatures with which the requests are sent.
#[derive(Debug)]
pub(super) enum Signatures {
    /// New signatures, for requests that verify.
    New {
        secrets: Vec<SigningSecret>,
        /// Whether signed requests get new message ids.
        new_ids: bool,
        /// Whether requests that do not verify are sent with their captured signatures.
        include_refused: bool,
    },
    /// The captured signatures. Nothing is verified.
    Captured,
}

/// The requests to send, the requests that are skipped, and the files that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<PlannedRequest>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// A capture that is not sent.
#[derive(Debug, Serialize)]
pub(super) struct Skipped {
    pub(super) place: String,
    #[serde(rename = "type")]
    pub(super) event_type: Option<String>,
    pub(super) id: Option<String>,
    #[serde(flatten)]
    pub(super) why: SkipReason,
    /// The verdict in the recording, which is not trusted.
    pub(super) recorded_verdict: Option<String>,
}

/// Why a capture is not sent.
#[derive(Debug, Serialize)]
pub(super) struct SkipReason {
    /// The outcome of the verification by the core, or [`NOT_SENDABLE`].
    #[serde(rename = "skipped")]
    pub(super) cause: &'static str,
    pub(super) reason: String,
}

/// A capture that is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PlannedRequest {
    pub(super) place: String,
    #[serde(rename = "type")]
    pub(super) event_type: Option<String>,
    pub(super) id: Option<String>,
    /// Whether the request was verified and has a new signature.
    pub(super) signed_anew: bool,
    /// The time in the request's timestamp header.
    #[serde(skip)]
    pub(super) signed_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) headers: Vec<(String, Vec<u8>)>,
    #[serde(skip)]
    pub(super) body: Bytes,
}

pub(super) fn listed(counts: &BTreeMap<impl fmt::Display, usize>) -> String {
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

impl Plan {
    pub(super) fn new(requests: &[Capture], unreadable: Vec<Unreadable>, signatures: &Signatures) -> Self {
        let mut plan = Self { unreadable, ..Self::default() };
        for capture in requests {
            match PlannedRequest::new(capture, signatures) {
                Ok(item) => plan.items.push(item),
                Err(why) => plan.skipped.push(Skipped {
                    place: capture.place.clone(),
                    event_type: event_type(&capture.body),
                    id: id(capture),
                    why,
                    recorded_verdict: capture.recorded.verdict.clone(),
                }),
            }
        }
        plan
    }

    /// Returns whether all captured requests are sent.
    pub(super) fn is_complete(&self) -> bool {
        self.skipped.is_empty() && self.unreadable.is_empty()
    }

    /// Counts the skipped requests by their cause.
    pub(super) fn causes(&self) -> BTreeMap<&'static str, usize> {
        let mut causes = BTreeMap::new();
        for skipped in &self.skipped {
            *causes.entry(skipped.why.cause).or_default() += 1;
        }
        causes
    }

    /// Formats the numbers of skipped requests and unreadable files, as the end of a summary.
    pub(super) fn unsent(&self) -> String {
        let skipped = match self.skipped.len() {
            0 => String::new(),
            some => format!("; {some} skipped: {}", listed(&self.causes())),
        };
        match self.unreadable.len() {
            0 => skipped,
            some => format!("{skipped}; {} unreadable", counted(some as u64, "file", "files")),
        }
    }
}

impl PlannedRequest {
    fn new(capture: &Capture, signatures: &Signatures) -> Result<Self, SkipReason> {
        let Signatures::New { secrets, new_ids, include_refused } = signatures else {
            return Self::as_captured(capture);
        };
        match verify(capture, secrets) {
            Ok(verified) => Ok(Self::signed(capture, &verified, secrets, *new_ids)),
            Err(_) if *include_refused => Self::as_captured(capture),
            Err(why) => Err(why),
        }
    }

    /// Signs a request with the secret that verified it. `Verified` proves that it was verified.
    fn signed(capture: &Capture, verified: &Verified, secrets: &[SigningSecret], new_id: bool) -> Self {
        let mut delivery =
            Delivery::of_body(capture.body.clone()).secrets(secrets.get(verified.secret_index()).cloned());
        if !new_id {
            delivery = delivery.message_id(verified.message_id().clone());
        }
        let mut headers = content_type(capture);
        let mut id = None;
        for (name, value) in delivery.headers() {
            if name == "svix-id" {
                id = Some(value.clone());
            }
            if headers.is_empty() || name != "content-type" {
                headers.push((name.to_owned(), value.into_bytes()));
            }
        }
        Self { signed_anew: true, ..Self::with(capture, id, headers) }
    }

    fn as_captured(capture: &Capture) -> Result<Self, SkipReason> {
        let mut headers = content_type(capture);
        let of_signature =
            |name: &str| SIGNATURE_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        headers.extend(capture.headers.iter().filter(|(name, _)| of_signature(name)).cloned());
        if headers.iter().any(|(_, value)| !is_sendable(value)) {
            let reason = "a signature header contains characters that cannot be sent".to_owned();
            return Err(SkipReason { cause: NOT_SENDABLE, reason });
        }
        Ok(Self::with(capture, id(capture), headers))
    }

    fn with(capture: &Capture, id: Option<String>, headers: Vec<(String, Vec<u8>)>) -> Self {
        Self {
            place: capture.place.clone(),
            event_type: event_type(&capture.body),
            id,
            signed_anew: false,
            signed_at: signed_at(capture),
            headers,
            body: capture.body.clone(),
        }
    }

    pub(super) fn label(&self) -> String {
        label(self.event_type.as_deref(), self.id.as_deref())
    }
}

/// Verifies a request, and checks its age at the time of receipt.
///
/// If the time of receipt is unknown, it checks only the signature.
fn verify(capture: &Capture, secrets: &[SigningSecret]) -> Result<Verified, SkipReason> {
    let builder = Verifier::builder().secrets(secrets.iter().cloned());
    let builder = match capture.recorded.received_at {
        Some(received_at) => builder.clock(move || received_at),
        None => builder.dangerous_accept_any_age(),
    };
    let misconfigured = |error: SecretError| SkipReason { cause: "misconfigured", reason: error.to_string() };
    builder.build().map_err(misconfigured)?.verify(&capture.headers, &capture.body).map_err(|error| {
        let when = if error.skew_seconds().is_some() { "at the time of receipt, " } else { "" };
        let reason = format!("{when}{error}");
        SkipReason { cause: OwnAnswer::from(&ReceiveError::from(error)).outcome().as_str(), reason }
    })
}

/// Formats a request's event type and id for a line.
pub(super) fn label(event_type: Option<&str>, id: Option<&str>) -> String {
    let event_type = printable(event_type.unwrap_or("(no type)").as_bytes(), 60);
    let id = printable(id.unwrap_or("(no id)").as_bytes(), 60);
    let width = type_width();
    format!("{event_type:<width$}  {}{id}{:#}", style::QUIET, style::QUIET)
}

/// Returns the captured content type. It is the only header that is sent besides the signature headers.
fn content_type(capture: &Capture) -> Vec<(String, Vec<u8>)> {
    let value = capture.header("content-type").next().filter(|value| is_sendable(value));
    value.map(|value| ("content-type".to_owned(), value.to_vec())).into_iter().collect()
}

fn is_sendable(value: &[u8]) -> bool {
    HeaderValue::from_bytes(value).is_ok()
}

/// Returns the message id in the headers, which is not verified.
fn id(capture: &Capture) -> Option<String> {
    capture.text("svix-id").or_else(|| capture.text("webhook-id")).map(str::to_owned)
}

pub(super) fn signed_at(capture: &Capture) -> Option<Timestamp> {
    let seconds = capture.text("svix-timestamp").or_else(|| capture.text("webhook-timestamp"))?;
    seconds.parse().ok().map(Timestamp::from_secs)
}
