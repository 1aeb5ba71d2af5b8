//! Warnings about an authentic delivery: problems that do not affect verification.

use clerk_webhook_core::event::UnrecognizedReason;
use clerk_webhook_core::{Event, EventData, Verifier};

use crate::capture::Capture;
use crate::diagnosis::{Authentic, TOLERANCE};
use crate::text;

const BODY_LIMIT: usize = Verifier::DEFAULT_BODY_LIMIT;

/// Returns the event in the body, if it is one, and the warnings.
pub(super) fn of(
    capture: &Capture,
    authentic: &Authentic,
    is_age_checked: bool,
) -> (Option<Event>, Vec<String>) {
    let Authentic { message_id, attempted_at, age_seconds, .. } = authentic;
    let mut warnings = Vec::new();
    let event = Event::from_trusted(message_id.clone(), *attempted_at, capture.body.clone());
    match &event {
        Err(error) => warnings.push(format!("{error}: a receiver responds with 400")),
        Ok(event) => {
            if let EventData::Unrecognized(data) = event.data() {
                warnings.push(match data.reason() {
                    UnrecognizedReason::UnknownType => data.reason().to_string(),
                    reason => format!("the data could not be decoded: {reason}"),
                });
            }
        }
    }
    let age = std::time::Duration::from_secs(age_seconds.unsigned_abs());
    if !is_age_checked && age > TOLERANCE {
        let when = if *age_seconds < 0 { "in the future" } else { "in the past" };
        let (age, allowed) = (text::time(age), text::time(TOLERANCE));
        warnings.push(format!(
            "the age was not checked: signed {age} {when}, but a receiver allows only {allowed}"
        ));
    }
    let length = capture.body.len();
    if length > BODY_LIMIT {
        warnings.push(format!(
            "the body has {length} bytes, but a receiver accepts at most {BODY_LIMIT} by default"
        ));
    }
    let mut lists = ["svix-signature", "webhook-signature"].into_iter().flat_map(|name| capture.header(name));
    if lists.any(|list| list.windows(4).any(|text| text == b"v1a,")) {
        warnings.push("v1a signatures (Ed25519) were ignored".to_owned());
    }
    let exists = |prefix: &str| {
        ["id", "timestamp", "signature"]
            .iter()
            .any(|part| capture.header(&format!("{prefix}-{part}")).next().is_some())
    };
    if exists("svix") && exists("webhook") {
        warnings.push("webhook-* headers were ignored because svix-* headers exist".to_owned());
    }
    (event.ok(), warnings)
}
