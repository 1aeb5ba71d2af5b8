//! Decodes the envelope and the data of an event.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::data::{EventData, TypedData};
use super::decode_error::DecodeError;
use super::envelope::{Envelope, HttpRequest};
use super::error::EventError;
use super::event_type::EventType;
use super::unrecognized::{Unrecognized, UnrecognizedReason};
use crate::timestamp::Timestamp;

/// The event types whose data the application reads.
///
/// Decoding the envelope first and the data later takes two passes over the body. Decoding both together
/// takes one pass, but wastes work if the application ignores the data. Therefore the first event of a type
/// is decoded in two passes. If the application reads its data, later events of this type are decoded in one
/// pass. Both ways return the same results.
#[derive(Debug, Default)]
pub(crate) struct DecodeHints(AtomicU64);

const _: () = assert!(EventType::ALL.len() <= 64, "each known type needs a bit");

impl DecodeHints {
    fn is_wanted(&self, event_type: &EventType) -> bool {
        self.0.load(Ordering::Relaxed) & Self::bit(event_type) != 0
    }

    fn want(&self, event_type: &EventType) {
        // Check first, because an unconditional write would invalidate the cache line on other processors for
        // every event.
        if !self.is_wanted(event_type) {
            self.0.fetch_or(Self::bit(event_type), Ordering::Relaxed);
        }
    }

    /// Returns the bit of a known type, or 0 for an unknown type.
    fn bit(event_type: &EventType) -> u64 {
        event_type.index().map_or(0, |index| 1 << index)
    }
}

/// A body's content. It stores ranges of the body instead of copies.
pub(super) struct Content {
    pub(super) event_type: EventType,
    pub(super) occurred_at: Option<Timestamp>,
    instance_id: Option<Range<usize>>,
    attributes: Option<Range<usize>>,
    data: OnceLock<Box<EventData>>,
    /// The range of the data in the body, or `None` if the body has no data. `read` sets it unless it decodes
    /// the data in the first pass.
    raw_data: OnceLock<Option<Range<usize>>>,
    hints: Arc<DecodeHints>,
}

impl Content {
    pub(super) fn read(body: &str, hints: Arc<DecodeHints>) -> Result<Self, EventError> {
        let (mut data, mut raw_data) = (OnceLock::new(), OnceLock::new());
        let envelope = match Envelope::read_typed(body, |event_type| hints.is_wanted(event_type)) {
            Some(mut envelope) => {
                data = envelope.data.take().map_or_else(OnceLock::new, OnceLock::from);
                envelope.without_data()
            }
            None => {
                let envelope = Envelope::read(body)?;
                raw_data = OnceLock::from(envelope.data.map(|raw| range_of(raw, body)));
                envelope.without_data()
            }
        };
        let Envelope { event_type, occurred_at, instance_id, attributes, .. } = envelope;
        let [instance_id, attributes] = [instance_id, attributes].map(|raw| Some(range_of(raw?, body)));
        Ok(Self { event_type, occurred_at, instance_id, attributes, data, raw_data, hints })
    }

    /// Returns the instance id, or `None` if it is missing or not a string.
    pub(super) fn instance_id(&self, body: &str) -> Option<Box<str>> {
        serde_json::from_str(body.get(self.instance_id.clone()?)?).ok()
    }

    pub(super) fn http_request(&self, body: &str) -> Option<HttpRequest> {
        HttpRequest::from_attributes(body.get(self.attributes.clone()?)?)
    }

    /// Returns the JSON text of the data, or `null` if the body has no data.
    pub(super) fn raw_data<'a>(&self, body: &'a str) -> &'a str {
        // `read` accepted this body, so reading it again succeeds.
        let find = || Envelope::read(body).ok()?.data.map(|raw| range_of(raw, body));
        self.raw_data.get_or_init(find).clone().and_then(|range| body.get(range)).unwrap_or("null")
    }

    pub(super) fn data(&self, body: &str) -> &EventData {
        self.data.get_or_init(|| {
            self.hints.want(&self.event_type);
            decode(&self.event_type, self.raw_data(body))
        })
    }

    pub(super) fn take_data(&mut self, body: &str) -> EventData {
        self.data(body);
        *self.data.take().unwrap_or_else(|| decode(&self.event_type, self.raw_data(body)))
    }
}

fn decode(event_type: &EventType, json: &str) -> Box<EventData> {
    // The raw JSON is needed only if the data cannot be decoded.
    let unrecognized = |error: Option<serde_json::Error>| {
        let raw = serde_json::from_str(json).unwrap_or(RawValue::NULL);
        let reason = error.map_or(UnrecognizedReason::UnknownType, |error| {
            UnrecognizedReason::Undecodable(DecodeError::track(TypedData(event_type), raw.get(), &error))
        });
        Box::new(EventData::Unrecognized(Unrecognized::new(event_type, reason, raw)))
    };
    if !event_type.is_known() {
        return unrecognized(None);
    }
    let decoded = TypedData(event_type).deserialize(&mut serde_json::Deserializer::from_str(json));
    decoded.unwrap_or_else(|error| unrecognized(Some(error)))
}

/// Returns the range of a part in the text that contains it.
fn range_of(part: &RawValue, whole: &str) -> Range<usize> {
    let part = part.get();
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_in_one_pass_after_the_data_of_the_type_was_read() {
        let hints = Arc::<DecodeHints>::default();
        let is_decoded = |body| {
            let content = Content::read(body, Arc::clone(&hints)).unwrap();
            let decoded = content.data.get().is_some();
            content.data(body);
            decoded
        };
        let created = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
        let deleted = r#"{"data":{"deleted":true,"object":"user"},"type":"user.deleted"}"#;
        assert_eq!([created, created, deleted, deleted].map(is_decoded), [false, true, false, true]);

        // A body needs two passes if its type is unknown or does not come last.
        assert!(!is_decoded(r#"{"type":"user.created","data":{"id":"user_1"}}"#));
        assert_eq!([r#"{"data":{},"type":"x"}"#; 2].map(is_decoded), [false, false]);
    }
}
