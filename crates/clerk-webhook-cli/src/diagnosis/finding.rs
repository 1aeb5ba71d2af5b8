//! Findings of a diagnosis and their text.

use super::cause::Cause;

/// A problem of a delivery, stated as a fact without advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) cause: Cause,
    /// A clause without a capital letter or a final period. Contains nothing secret.
    pub(super) fact: String,
}

impl Finding {
    pub(super) fn new(cause: Cause, fact: impl Into<String>) -> Self {
        Self { cause, fact: fact.into() }
    }
}

/// Escapes an untrusted value for the terminal and truncates it to 48 bytes.
pub(super) fn shown(value: &[u8]) -> String {
    const LENGTH: usize = 48;
    let text = String::from_utf8_lossy(&value[..value.len().min(LENGTH)]);
    let escaped: String = text
        .chars()
        .map(|character| match character {
            ' '..='~' => character.to_string(),
            other => other.escape_unicode().to_string(),
        })
        .collect();
    if value.len() > LENGTH { format!("{escaped}…") } else { escaped }
}

/// Formats a number of seconds with at most two units.
pub(crate) fn duration(seconds: u64) -> String {
    const UNITS: [(u64, &str, &str); 4] =
        [(86_400, " day", " days"), (3600, " h", " h"), (60, " min", " min"), (1, " s", " s")];
    let Some(first) = UNITS.iter().position(|(length, ..)| seconds >= *length) else {
        return "0 s".to_owned();
    };
    let part = |(length, one, several): (u64, &str, &str), of: u64| {
        let count = of / length;
        format!("{count}{}", if count == 1 { one } else { several })
    };
    let whole = part(UNITS[first], seconds);
    let rest = seconds % UNITS[first].0;
    match UNITS.get(first + 1) {
        // From five minutes on, the seconds are omitted, because they do not matter.
        Some(unit) if rest >= unit.0 && !(first == 2 && seconds >= 300) => {
            format!("{whole} {}", part(*unit, rest))
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_durations_with_at_most_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (301, "5 min"),
            (1020, "17 min"),
            (3600, "1 h"),
            (3725, "1 h 2 min"),
            (86_400, "1 day"),
            (200_000, "2 days 7 h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn escapes_control_characters_and_truncates_long_values() {
        assert_eq!(shown(b"msg_1"), "msg_1");
        assert_eq!(shown(b"a\x1b[2J\n"), "a\\u{1b}[2J\\u{a}");
        assert_eq!(shown(b"\xff").chars().filter(|character| character.is_control()).count(), 0);
        assert!(shown(&[b'x'; 400]).len() < 60);
    }
}
