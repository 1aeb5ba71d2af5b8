//! The metadata of a recording, in comments before the request.
//!
//! Readers of `.http` files, including older versions of this command, skip comments. A sender cannot inject
//! a comment, because everything it sends is written after the method. Anyone who can write the file can add
//! one, so the metadata is not trusted.

use clerk_webhook_core::Timestamp;

const RECEIVED_AT: &str = "received-at";
const VERDICT: &str = "verdict";

/// The time of receipt and the listener's verdict, if the recording contains them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) received_at: Option<Timestamp>,
    pub(crate) verdict: Option<String>,
}

impl Recorded {
    /// Returns the metadata as comment lines.
    pub(crate) fn to_comments(&self) -> String {
        let line = |name: &str, value: String| format!("# {name}: {value}\r\n");
        let received_at = self.received_at.map(|moment| line(RECEIVED_AT, text(moment)));
        let verdict = self.verdict.clone().map(|verdict| line(VERDICT, verdict));
        [received_at, verdict].into_iter().flatten().collect()
    }

    /// Reads a comment line. If a name occurs more than once, the first line applies.
    pub(super) fn read(&mut self, line: &str) -> Result<(), String> {
        let Some((name, value)) = line.trim_start_matches('#').split_once(':') else { return Ok(()) };
        match name.trim() {
            RECEIVED_AT if self.received_at.is_none() => {
                let moment = value.trim().parse::<jiff::Timestamp>();
                let moment = moment.map_err(|_| {
                    format!(
                        "{RECEIVED_AT} is not a time such as 2026-01-31T12:00:00.000Z. Correct or remove this line"
                    )
                })?;
                self.received_at = Some(Timestamp::from_millis(moment.as_millisecond()));
            }
            VERDICT if self.verdict.is_none() => self.verdict = Some(value.trim().to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// Returns the time at the beginning of a recording's file name:
/// `20261121T215126.123Z-user.created-msg_….http`.
pub(super) fn time_in_name(name: &str) -> Option<Timestamp> {
    let (moment, _) = name.split_once('-')?;
    let moment: jiff::Timestamp = moment.parse().ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

fn text(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Recorded, String> {
        let mut recorded = Recorded::default();
        lines.iter().try_for_each(|line| recorded.read(line))?;
        Ok(recorded)
    }

    #[test]
    fn reads_written_metadata() {
        let recorded = Recorded {
            received_at: Some(Timestamp::from_millis(1_760_000_000_250)),
            verdict: Some("refused, invalid_signature".to_owned()),
        };
        let comments = recorded.to_comments();
        assert_eq!(
            comments,
            "# received-at: 2025-10-09T08:53:20.250Z\r\n# verdict: refused, invalid_signature\r\n"
        );
        assert_eq!(read(&comments.lines().collect::<Vec<_>>()), Ok(recorded));
        assert_eq!(Recorded::default().to_comments(), "");
    }

    #[test]
    fn ignores_other_comments_and_rejects_an_invalid_time() {
        assert_eq!(
            read(&["### from the log", "# @name hook", "#verdict", "# a: b"]),
            Ok(Recorded::default())
        );
        let first = read(&["# verdict: authentic", "# verdict: refused"]).unwrap();
        assert_eq!(first.verdict.as_deref(), Some("authentic"));
        assert!(read(&["# received-at: yesterday"]).unwrap_err().contains("received-at"));
    }

    #[test]
    fn reads_the_time_from_a_file_name() {
        let time = |name: &str| time_in_name(name).map(Timestamp::as_millis);
        assert_eq!(time("20251009T085320.250Z-user.created-msg_1.http"), Some(1_760_000_000_250));
        for name in ["one.http", "2025-10-09T08:53:20Z.http", "20251009-a.http", "msg-1.http"] {
            assert_eq!(time(name), None, "{name}");
        }
    }
}
