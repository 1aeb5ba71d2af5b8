//! Reads the timestamp, including values that are not a number of seconds.

use super::cause::{Cause, Finding};
use crate::output::printable;

/// The maximum number of values that are checked for one header.
pub(super) const MAX_VALUES: usize = 4;

/// Timestamps from this number on are not in seconds: they would be in the year 5138 or later.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Smaller numbers in a malformed value are not times of deliveries: they would be before 2001.
const SECONDS_FROM: i64 = 1_000_000_000;

/// One interpretation of a timestamp.
pub(super) struct Reading {
    /// The text that may have been signed.
    pub(super) text: Vec<u8>,
    pub(super) seconds: Option<i64>,
    /// The flaw of the header value.
    pub(super) flaw: Option<Finding>,
}

/// Returns the interpretations of a value. In the first one, the unchanged value was signed.
pub(super) fn read(header: &str, value: &[u8]) -> Vec<Reading> {
    let text = String::from_utf8_lossy(value);
    let number = |text: &str| text.parse::<i64>().ok();
    let canonical = number(&text).filter(|number| *number >= 0 && number.to_string() == text);
    let (cause, what, numbers) = if let Some(mut seconds) = canonical {
        if seconds < MILLISECONDS_FROM {
            return vec![Reading { text: value.to_vec(), seconds: canonical, flaw: None }];
        }
        while seconds >= MILLISECONDS_FROM {
            seconds /= 1000;
        }
        (Cause::TimestampInMilliseconds, "is not in seconds, but in a smaller unit", vec![seconds])
    } else if let Some(millis) = date(&text) {
        let numbers = vec![millis.div_euclid(1000), millis];
        (Cause::TimestampAsDate, "is a date instead of a number of seconds", numbers)
    } else if let Some(seconds) = text.split_once('.').and_then(|(whole, fraction)| {
        let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
        number(whole).filter(|seconds| is_fraction && *seconds >= SECONDS_FROM)
    }) {
        (Cause::TimestampWithFraction, "has a fraction", vec![seconds, seconds.saturating_add(1)])
    } else if let Some(numbers) =
        text.split(',').take(MAX_VALUES).map(|part| number(part.trim())).collect::<Option<Vec<_>>>()
        && numbers.len() > 1
    {
        (Cause::JoinedHeader, "contains several values joined with a comma", numbers)
    } else {
        let digits: String = text.chars().filter(char::is_ascii_digit).take(18).collect();
        (Cause::MalformedTimestamp, "is not a whole number of seconds", Vec::from_iter(number(&digits)))
    };
    let is_time = |seconds: &i64| (SECONDS_FROM..MILLISECONDS_FROM).contains(seconds);
    let seconds = numbers.first().copied().filter(is_time);
    let flaw = Some(Finding::new(cause, format!("{header} {what}: {}", printable(value, 48))));
    let texts = numbers.iter().map(|number| number.to_string().into_bytes());
    let texts = std::iter::once(value.to_vec()).chain(texts.filter(|text| text != value));
    texts.map(|text| Reading { text, seconds, flaw: flaw.clone() }).collect()
}

/// Parses an RFC 3339 or HTTP date, and returns milliseconds since 1970.
fn date(text: &str) -> Option<i64> {
    let moment = text.parse::<jiff::Timestamp>();
    let moment = moment.or_else(|_| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text));
    Some(moment.ok()?.as_millisecond())
}
