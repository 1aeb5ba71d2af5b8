//! When and how the data of an event is decoded.

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

/// Which event types somebody has asked the data of.
///
/// Reading an envelope and then its data costs two passes over the body, and reading both at once costs one,
/// but it is lost where nobody asks. So the first event of a type takes two passes, and from then on one.
/// What anybody sees is the same.
#[derive(Debug, Default)]
pub(crate) struct DecodeHints(AtomicU64);

const _: () = assert!(EventType::ALL.len() <= 64, "one bit for each known type");

impl DecodeHints {
    fn is_wanted(&self, event_type: &EventType) -> bool {
        self.0.load(Ordering::Relaxed) & Self::bit(event_type) != 0
    }

    fn want(&self, event_type: &EventType) {
        // A store would take the cache line from the other processors each time.
        if !self.is_wanted(event_type) {
            self.0.fetch_or(Self::bit(event_type), Ordering::Relaxed);
        }
    }

    /// Returns the bit of a known type, and none for an unknown one.
    fn bit(event_type: &EventType) -> u64 {
        event_type.index().map_or(0, |index| 1 << index)
    }
}

/// What a body says, with places in it instead of copies of it.
pub(super) struct Content {
    pub(super) event_type: EventType,
    pub(super) occurred_at: Option<Timestamp>,
    instance_id: Option<Range<usize>>,
    attributes: Option<Range<usize>>,
    data: OnceLock<Box<EventData>>,
    /// Known from the start, unless the data was decoded in the first pass; `None` where there is no data.
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

    /// Reads the id of the instance; anything but a string is taken for absent.
    pub(super) fn instance_id(&self, body: &str) -> Option<Box<str>> {
        serde_json::from_str(body.get(self.instance_id.clone()?)?).ok()
    }

    pub(super) fn http_request(&self, body: &str) -> Option<HttpRequest> {
        HttpRequest::from_attributes(body.get(self.attributes.clone()?)?)
    }

    /// Returns the text of the data, `null` where there is none.
    pub(super) fn raw_data<'a>(&self, body: &'a str) -> &'a str {
        // The body was read before, so it can be read again.
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
    // Data that cannot be read as its type is read once more as raw JSON; the usual case pays one pass.
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

/// Returns the place of a part in the text that it was read from.
fn range_of(part: &RawValue, whole: &str) -> Range<usize> {
    let part = part.get();
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_was_asked_for_once_is_decoded_in_the_first_pass_from_then_on() {
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

        // A layout that gives the type away too late takes two passes, and so does an unknown type.
        assert!(!is_decoded(r#"{"type":"user.created","data":{"id":"user_1"}}"#));
        assert_eq!([r#"{"data":{},"type":"x"}"#; 2].map(is_decoded), [false, false]);
    }
}
