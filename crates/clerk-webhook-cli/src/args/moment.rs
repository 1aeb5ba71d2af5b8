//! Points in time as arguments.

use std::str::FromStr;

use clerk_webhook_core::Timestamp;
use jiff::{Span, SpanRelativeTo};

/// A point in time: `now`, `-2d`, `-10m` or `+30s` from now, seconds since 1970, or an RFC 3339 date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let now = Timestamp::now();
        if text == "now" {
            return Ok(Self(now));
        }
        if let Ok(seconds) = text.parse::<i64>()
            && !text.starts_with(['-', '+'])
        {
            return Ok(Self(Timestamp::from_secs(seconds)));
        }
        if let Some(offset) = text.strip_prefix(['-', '+'])
            && let Ok(offset) = offset.parse::<Span>()
            && let Ok(offset) = offset.to_duration(SpanRelativeTo::days_are_24_hours())
        {
            let millis = i64::try_from(offset.as_millis()).unwrap_or(i64::MAX);
            let moment = if text.starts_with('-') {
                now.as_millis().saturating_sub(millis)
            } else {
                now.as_millis().saturating_add(millis)
            };
            return Ok(Self(Timestamp::from_millis(moment)));
        }
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(Timestamp::from_millis(moment.as_millisecond())));
        }
        Err("expected -2d, -10m or +30s (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_all_formats() {
        let moment = |text: &str| text.parse::<Moment>().unwrap().0;
        assert_eq!(moment("1716883200").as_secs(), 1_716_883_200);
        assert_eq!(moment("2024-05-28T08:00:00Z").as_secs(), 1_716_883_200);
        assert_eq!(moment("2024-05-28T10:00:00+02:00").as_secs(), 1_716_883_200);
        let now = Timestamp::now().as_secs();
        for (text, offset) in
            [("-10m", -600), ("+30s", 30), ("-1h 30m", -5400), ("-2d", -172_800), ("now", 0)]
        {
            assert!((now + offset..=now + offset + 1).contains(&moment(text).as_secs()), "{text}");
        }
        for text in ["", "soon", "10m", "-", "-2months", "2024-05-28"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
