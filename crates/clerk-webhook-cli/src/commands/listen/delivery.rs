//! A delivery with its verdict and its response, for the history and the output.

use std::path::PathBuf;

use clerk_webhook_core::{Event, EventData, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::change::Changes;
use super::verdict::{DeliveryVerdict, Origin};
use crate::capture::Capture;
use crate::diagnosis::Diagnosis;
use crate::output::printable;
use crate::redact::redact;
use crate::send::client::{Answer, SendError};
use crate::send::evidence;

/// The maximum length of a type, an id, or a path, in characters.
const MAX_NAME: usize = 120;

/// A received delivery. Its JSON is the output of `--json`, without the payload.
#[derive(Debug, Serialize)]
pub(super) struct ReceivedDelivery {
    /// The number of the delivery, counted from 1.
    pub(super) number: u64,
    /// The time of arrival, in milliseconds since 1970.
    pub(super) received_at: Timestamp,
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) event_type: Option<String>,
    /// The message id.
    pub(super) id: Option<String>,
    pub(super) origin: Origin,
    pub(super) outcome: &'static str,
    /// The diagnosis, if verification failed.
    pub(super) cause: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) advice: Option<String>,
    /// The status of the response, or `None` for `--respond timeout`.
    pub(super) status: Option<u16>,
    /// The time from the event to the delivery's arrival.
    pub(super) lag_ms: Option<i64>,
    /// The time from the signature to the delivery's arrival.
    pub(super) age_ms: Option<i64>,
    pub(super) bytes: usize,
    /// The position of the first matching secret, counted from 1.
    pub(super) secret: Option<usize>,
    /// The number of deliveries of this message so far, including this one.
    pub(super) seen: u64,
    pub(super) object: Option<Object>,
    /// Why the event's data is unrecognized, if it is.
    pub(super) unrecognized: Option<String>,
    /// How much older this version of the object is than the newest version that arrived earlier, if it is
    /// older.
    pub(super) overtaken_by_ms: Option<i64>,
    /// Whether a deletion of the object arrived earlier.
    pub(super) after_deletion: bool,
    /// The number of the delivery that contained the object's previous version.
    pub(super) previous: Option<u64>,
    pub(super) changes: Changes,
    pub(super) forwarded: Option<Forwarded>,
    pub(super) recorded: Option<PathBuf>,
    pub(super) record_error: Option<String>,
    #[serde(skip)]
    pub(super) capture: Capture,
}

/// The object that an event describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) id: String,
    /// The time of the object's last change in milliseconds since 1970, if the event contains it.
    pub(super) version: Option<i64>,
    pub(super) deleted: bool,
}

/// The result of forwarding a delivery.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Forwarded {
    pub(super) status: Option<u16>,
    pub(super) elapsed_ms: Option<u64>,
    pub(super) error: Option<String>,
    /// What the endpoint's response shows, if the endpoint's decision differs from the listener's.
    pub(super) remark: Option<String>,
}

impl ReceivedDelivery {
    /// Describes a single delivery. The history adds its number and its relation to other deliveries.
    pub(super) fn new(capture: Capture, received_at: Timestamp, verdict: DeliveryVerdict) -> Self {
        let event = verdict.event.as_ref();
        let claimed = || claimed_type(&capture);
        let id = ["svix-id", "webhook-id"].iter().find_map(|name| capture.text(name));
        let since = |moment: Timestamp| received_at.as_millis().saturating_sub(moment.as_millis());
        let attempted_at = ["svix-timestamp", "webhook-timestamp"].iter().find_map(|name| capture.text(name));
        let attempted_at = attempted_at.and_then(|text| text.parse().ok()).map(Timestamp::from_secs);
        Self {
            number: 0,
            received_at,
            path: printable(
                capture.target.as_deref().unwrap_or("/").split('?').next().unwrap_or("/"),
                MAX_NAME,
            ),
            event_type: event
                .map(|event| event.event_type().as_str().to_owned())
                .or_else(claimed)
                .map(|event_type| printable(&event_type, MAX_NAME)),
            id: id.map(|id| printable(id, MAX_NAME)),
            origin: verdict.origin,
            outcome: verdict.outcome,
            status: None,
            lag_ms: event.and_then(Event::occurred_at).map(since),
            age_ms: attempted_at.map(since),
            bytes: capture.body.len(),
            secret: event.and_then(Event::secret_index).map(|index| index + 1),
            seen: 1,
            object: event.and_then(Object::of),
            unrecognized: event.and_then(unrecognized),
            overtaken_by_ms: None,
            after_deletion: false,
            previous: None,
            changes: Changes::default(),
            forwarded: None,
            recorded: None,
            record_error: None,
            cause: None,
            reason: verdict.reason,
            advice: verdict.advice,
            capture,
        }
    }

    /// Adds the diagnosis of a failed verification.
    pub(super) fn explain(&mut self, diagnosis: Diagnosis) {
        self.cause = Some(diagnosis.cause.code());
        self.reason = Some(diagnosis.detail);
        self.advice = Some(diagnosis.advice);
    }

    /// Returns the body as JSON, or `None` if it is not JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.capture.body).ok()
    }

    /// Returns the redacted body, or `None` if it is not JSON.
    pub(super) fn payload(&self) -> Option<Value> {
        self.json().as_ref().map(redact)
    }

    /// Returns the approximate size of the delivery in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        const FIXED: usize = 2048;
        let headers = self.capture.headers.iter().map(|(name, value)| name.len() + value.len());
        FIXED + self.capture.body.len() + headers.sum::<usize>() + self.changes.weight()
    }
}

/// Returns the event type in a body that is not verified.
fn claimed_type(capture: &Capture) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Claim {
        r#type: String,
    }
    serde_json::from_slice(&capture.body).ok().map(|claim: Claim| claim.r#type)
}

fn unrecognized(event: &Event) -> Option<String> {
    match event.data() {
        EventData::Unrecognized(data) => Some(printable(data.reason().to_string(), 300)),
        _ => None,
    }
}

impl Object {
    fn of(event: &Event) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Data {
            id: String,
            updated_at: Option<Timestamp>,
            #[serde(default)]
            deleted: bool,
        }
        let data: Data = serde_json::from_str(event.raw_data()).ok()?;
        let (kind, _) = event.event_type().as_str().split_once('.')?;
        let version = data.updated_at.or_else(|| event.occurred_at());
        Some(Self {
            kind: printable(kind, MAX_NAME),
            id: printable(&data.id, MAX_NAME),
            version: version.map(Timestamp::as_millis),
            deleted: data.deleted,
        })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.kind, &self.id) == (&other.kind, &other.id)
    }
}

impl Forwarded {
    /// The result if the listener ends before the response arrives.
    pub(super) fn unanswered() -> Self {
        let error = "clerk-webhook listen ended before the response arrived".to_owned();
        Self { error: Some(error), ..Self::default() }
    }

    /// Describes the endpoint's response, or the error.
    pub(super) fn of(result: &Result<Answer, SendError>, origin: Origin) -> Self {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return Self { error: Some(error.to_string()), ..Self::default() },
        };
        let remark = match (origin, evidence::read(answer)) {
            (Origin::Refused, None) => {
                Some("the endpoint accepted a delivery that is not authentic".to_owned())
            }
            (Origin::Refused, Some(evidence)) if answer.status.is_success() => {
                evidence.advice.map(|advice| format!("{}; {advice}", evidence.says))
            }
            (Origin::Refused, _) | (_, None) => None,
            // Outcomes without advice are acknowledged.
            (_, Some(evidence)) => evidence.advice.map(|advice| format!("{}; {advice}", evidence.says)),
        };
        let elapsed_ms = u64::try_from(answer.elapsed.as_millis()).ok();
        Self { status: Some(answer.status.as_u16()), elapsed_ms, error: None, remark }
    }
}
