//! Reading the timestamp, also where it is not a number of seconds.

use super::cause::Cause;
use super::finding::shown;

/// From this number on it does not count seconds: they would lie after the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// One way in which a timestamp can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The text that could have been signed.
    pub(super) text: Vec<u8>,
    pub(super) seconds: Option<i64>,
    /// What is wrong with the value of the header.
    pub(super) flaw: Option<Cause>,
    /// The value of the header.
    value: Vec<u8>,
}

/// Returns the ways in which a value can be meant, that which was written first.
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

/// Says what a flaw is.
pub(super) fn fact(flaw: Cause, header: &str, reading: Option<&Reading>) -> String {
    let value = reading.map(|reading| shown(&reading.value)).unwrap_or_default();
    match flaw {
        Cause::TimestampInMilliseconds => format!("{header} counts milliseconds and not seconds: {value}"),
        Cause::TimestampAsDate => format!("{header} is a date and not a number of seconds: {value}"),
        Cause::TimestampWithFraction => format!("{header} has a fraction: {value}"),
        Cause::JoinedHeader => format!("{header} has several values joined with a comma: {value}"),
        _ => format!("{header} is not a whole number of seconds: {value}"),
    }
}

/// Reads a date as RFC 3339 or as HTTP writes it, in milliseconds.
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
    fn each_way_of_writing_a_moment_is_understood() {
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
    fn what_a_sender_may_have_signed_is_among_the_readings() {
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
