//! Formats numbers and times, and reads event types.

use std::time::Duration;

use clerk_webhook_core::{EventType, Timestamp};

/// Returns the width of a column with event types.
pub(crate) fn type_width() -> usize {
    EventType::ALL.iter().map(|known| known.as_str().len()).max().unwrap_or(0)
}

/// Returns the event type in a body, which is not verified.
pub(crate) fn event_type(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        r#type: String,
    }
    serde_json::from_slice(body).ok().map(|envelope: Envelope| envelope.r#type)
}

/// Formats a number with its noun.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Formats a time in UTC, with a resolution of one second.
pub(crate) fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_secs())
        .map_or_else(|_| time.as_secs().to_string(), |time| time.to_string())
}

/// Formats a number of bytes with its unit.
pub(crate) fn size(bytes: usize) -> String {
    // Tenths of the unit, because the text has one digit after the decimal point.
    let tenths = |unit: usize| (bytes * 10 + unit / 2) / unit;
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..999_950 => format!("{}.{} kB", tenths(1000) / 10, tenths(1000) % 10),
        _ => format!("{}.{} MB", tenths(1_000_000) / 10, tenths(1_000_000) % 10),
    }
}

/// Formats a duration in its largest unit.
pub(crate) fn time(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        10..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

/// Formats a lag in its largest unit. A lag is negative if the time is in the future.
pub(crate) fn lag(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    format!("{sign}{}", time(Duration::from_millis(millis.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_sizes_and_lags_with_units() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1949, "1.9 kB"),
            (999_949, "999.9 kB"),
            (2_097_152, "2.1 MB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (86_400_000, "1 d"),
            (-1_500, "-1.5 s"),
        ] {
            assert_eq!(lag(millis), expected);
        }
        assert_eq!(lag(i64::MIN), "-106751991167 d");
    }
}
