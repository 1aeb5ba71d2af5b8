//! Reads the timestamp, including values that are not a number of seconds.

use super::cause::Cause;
use super::finding::shown;

/// Timestamps from this number on are not in seconds: they would be in the year 5138 or later.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// One interpretation of a timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The text that may have been signed.
    pub(super) text: Vec<u8>,
    pub(super) seconds: Option<i64>,
    /// The flaw of the header value.
    pub(super) flaw: Option<Cause>,
    /// The header value.
    value: Vec<u8>,
}

/// Returns the interpretations of a value. In the first one, the unchanged value was signed.
pub(super) fn read(value: &[u8]) -> Vec<Reading> {
    let text = String::from_utf8_lossy(value).into_owned();
    let reading = |text: String, seconds: Option<i64>, flaw: Option<Cause>| Reading {
        text: text.into_bytes(),
        seconds,
        flaw,
        value: value.to_vec(),
    };
    let as_written_and = |seconds: Option<i64>, others: Vec<String>, flaw: Cause| {
        let mut readings =
            vec![Reading { text: value.to_vec(), ..reading(String::new(), seconds, Some(flaw)) }];
        for other in others {
            if other.as_bytes() != value {
                readings.push(reading(other, seconds, Some(flaw)));
            }
        }
        readings
    };

    let canonical = text.parse::<i64>().ok().filter(|number| number.to_string() == text && *number >= 0);
    match canonical {
        Some(number) if number < MILLISECONDS_FROM => return vec![reading(text, Some(number), None)],
        Some(number) => {
            let mut seconds = number;
            while seconds >= MILLISECONDS_FROM {
                seconds /= 1000;
            }
            let others = vec![seconds.to_string()];
            return as_written_and(Some(seconds), others, Cause::TimestampInMilliseconds);
        }
        None => {}
    }
    if let Some(millis) = date(&text) {
        let seconds = millis.div_euclid(1000);
        let others = vec![seconds.to_string(), millis.to_string()];
        return as_written_and(Some(seconds), others, Cause::TimestampAsDate);
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.len() > 1 && parts.iter().all(|part| part.parse::<i64>().is_ok()) {
        let mut readings: Vec<Reading> = Vec::new();
        for part in parts.into_iter().take(4) {
            let part = reading(part.to_owned(), part.parse().ok(), Some(Cause::JoinedHeader));
            if !readings.contains(&part) {
                readings.push(part);
            }
        }
        return readings;
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && let Ok(seconds) = whole.parse::<i64>()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        let others =
            vec![seconds.to_string(), (seconds.saturating_add(1)).to_string(), text.replace('.', "")];
        return as_written_and(Some(seconds), others, Cause::TimestampWithFraction);
    }
    let number: String = text.chars().filter(|character| character.is_ascii_digit()).take(18).collect();
    let number = number.parse::<i64>().ok();
    let seconds = number.filter(|number| *number < MILLISECONDS_FROM);
    let others = number.map(|number| number.to_string()).into_iter().collect();
    as_written_and(seconds, others, Cause::MalformedTimestamp)
}

/// Describes a flaw of a timestamp header.
pub(super) fn fact(flaw: Cause, header: &str, reading: Option<&Reading>) -> String {
    let value = reading.map(|reading| shown(&reading.value)).unwrap_or_default();
    match flaw {
        Cause::TimestampInMilliseconds => format!("{header} is in milliseconds instead of seconds: {value}"),
        Cause::TimestampAsDate => format!("{header} is a date instead of a number of seconds: {value}"),
        Cause::TimestampWithFraction => format!("{header} has a fraction: {value}"),
        Cause::JoinedHeader => format!("{header} contains several values joined with a comma: {value}"),
        _ => format!("{header} is not a whole number of seconds: {value}"),
    }
}

/// Parses an RFC 3339 or HTTP date, and returns milliseconds since 1970.
fn date(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(moment.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_supported_notation() {
        for (value, seconds, flaw) in [
            ("1716883200", Some(1_716_883_200), None),
            ("0", Some(0), None),
            ("1716883200123", Some(1_716_883_200), Some(Cause::TimestampInMilliseconds)),
            ("1716883200123456", Some(1_716_883_200), Some(Cause::TimestampInMilliseconds)),
            ("1716883200.5", Some(1_716_883_200), Some(Cause::TimestampWithFraction)),
            ("2024-05-28T08:00:00Z", Some(1_716_883_200), Some(Cause::TimestampAsDate)),
            ("Tue, 28 May 2024 08:00:00 GMT", Some(1_716_883_200), Some(Cause::TimestampAsDate)),
            ("1716883200, 1716883200", Some(1_716_883_200), Some(Cause::JoinedHeader)),
            ("+1716883200", Some(1_716_883_200), Some(Cause::MalformedTimestamp)),
            ("01716883200", Some(1_716_883_200), Some(Cause::MalformedTimestamp)),
            ("-1", Some(1), Some(Cause::MalformedTimestamp)),
            ("now", None, Some(Cause::MalformedTimestamp)),
            ("99999999999999999999999", None, Some(Cause::MalformedTimestamp)),
        ] {
            let reading = read(value.as_bytes()).remove(0);
            assert_eq!((reading.seconds, reading.flaw), (seconds, flaw), "{value}");
        }
    }

    #[test]
    fn readings_include_every_text_that_a_sender_may_have_signed() {
        let texts = |value: &str| {
            let text = |reading: Reading| String::from_utf8(reading.text).unwrap();
            read(value.as_bytes()).into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(texts("1716883200"), ["1716883200"]);
        assert_eq!(texts("1716883200123"), ["1716883200123", "1716883200"]);
        assert_eq!(texts("2024-05-28T08:00:00Z"), ["2024-05-28T08:00:00Z", "1716883200", "1716883200000"]);
        assert_eq!(texts("1716883200.5")[..2], ["1716883200.5", "1716883200"]);
        assert_eq!(texts("1, 2"), ["1", "2"]);
    }
}
