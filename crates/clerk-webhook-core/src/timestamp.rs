//! Points in time in Clerk's format.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::error_text::debug_is_display;

/// Envelope timestamps below this number are in seconds. In milliseconds, they would be before March 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// A point in time, in milliseconds since the Unix epoch.
///
/// Every `*_at` field in a payload is a `Timestamp`. The `svix-timestamp` header contains seconds, which the
/// verifier converts into a `Timestamp`.
///
/// ```
/// use clerk_webhook_core::Timestamp;
///
/// let created_at = Timestamp::from_secs(1_716_883_200);
/// assert_eq!(created_at.as_millis(), 1_716_883_200_000);
/// assert_eq!(created_at, serde_json::from_str("1716883200000")?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the current time of the system clock.
    ///
    /// # Panics
    ///
    /// Panics on `wasm32-unknown-unknown`, which has no clock. This crate does not call the function there.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Returns the current time of the system clock in seconds, without computing milliseconds.
    pub(crate) fn now_in_secs() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    /// Creates a timestamp from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Creates a timestamp from seconds since the Unix epoch, saturating at the limits of `i64`.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Creates a timestamp from a number whose unit is unknown: seconds if the number is below 10^11,
    /// otherwise milliseconds.
    ///
    /// Only for the other crates in this workspace.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_secs_or_millis(number: i64) -> Self {
        if number < SECONDS_BELOW { Self::from_secs(number) } else { Self(number) }
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the time between `earlier` and `self`, or `None` if `earlier` is after `self`.
    #[must_use]
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        let millis = self.0.checked_sub(earlier.0)?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// Returns the timestamp as a [`SystemTime`], or `None` if the platform cannot represent it.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // 64-bit arithmetic is faster than the 128-bit arithmetic of `as_millis`.
        let saturated = |duration: Duration| {
            let millis = i64::try_from(duration.as_secs()).ok()?.checked_mul(1000);
            millis?.checked_add(i64::from(duration.subsec_millis()))
        };
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(saturated(since).unwrap_or(i64::MAX)),
            Err(before) => Self(-saturated(before.duration()).unwrap_or(i64::MAX)),
        }
    }
}

/// Writes the milliseconds since the Unix epoch.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Millis;

        impl Visitor<'_> for Millis {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds since the Unix epoch")
            }

            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Timestamp, E> {
                Ok(Timestamp(millis))
            }

            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Timestamp, E> {
                i64::try_from(millis)
                    .map(Timestamp)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(millis), &self))
            }

            // The sender's JSON library treats `1e12` and `1.0` as integers, so they are accepted here too.
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
            fn visit_f64<E: de::Error>(self, millis: f64) -> Result<Timestamp, E> {
                if millis.fract() == 0.0 && millis.abs() < 9e15 {
                    return Ok(Timestamp(millis as i64));
                }
                Err(E::invalid_value(de::Unexpected::Float(millis), &self))
            }
        }

        deserializer.deserialize_i64(Millis)
    }
}

#[cfg(feature = "jiff")]
impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = TimestampOutOfRange;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        Self::from_millisecond(timestamp.0).map_err(|_| TimestampOutOfRange)
    }
}

#[cfg(feature = "chrono")]
impl TryFrom<Timestamp> for chrono::DateTime<chrono::Utc> {
    type Error = TimestampOutOfRange;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        Self::from_timestamp_millis(timestamp.0).ok_or(TimestampOutOfRange)
    }
}

#[cfg(feature = "time")]
impl TryFrom<Timestamp> for time::OffsetDateTime {
    type Error = TimestampOutOfRange;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        Self::from_unix_timestamp_nanos(i128::from(timestamp.0) * 1_000_000).map_err(|_| TimestampOutOfRange)
    }
}

/// The error for a [`Timestamp`] that the target type of a conversion cannot represent.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimestampOutOfRange;

impl fmt::Display for TimestampOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timestamp is outside the range of the target type")
    }
}

impl std::error::Error for TimestampOutOfRange {}

debug_is_display!(TimestampOutOfRange);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_below_ten_to_the_eleventh_as_seconds() {
        assert_eq!(Timestamp::from_secs_or_millis(1_716_883_200).as_millis(), 1_716_883_200_000);
        assert_eq!(Timestamp::from_secs_or_millis(1_716_883_200_123).as_millis(), 1_716_883_200_123);
        assert_eq!(Timestamp::from_secs_or_millis(99_999_999_999).as_secs(), 99_999_999_999);
        assert_eq!(Timestamp::from_secs_or_millis(100_000_000_000).as_secs(), 100_000_000);
    }

    #[test]
    fn rounds_seconds_down_before_and_after_the_epoch() {
        assert_eq!(Timestamp::from_millis(1999).as_secs(), 1);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
    }

    #[test]
    fn saturates_at_the_limits_of_i64() {
        assert_eq!(Timestamp::from_secs(i64::MAX).as_millis(), i64::MAX);
        assert_eq!(Timestamp::from_secs(i64::MIN).as_millis(), i64::MIN);
        assert_eq!(Timestamp::from_millis(i64::MAX).checked_duration_since(Timestamp::from_millis(-1)), None);
    }

    #[test]
    fn decodes_only_integers() {
        for (json, millis) in
            [("1.0", 1), ("-1", -1), ("1716883200123", 1_716_883_200_123), ("1e12", 1_000_000_000_000)]
        {
            assert_eq!(serde_json::from_str::<Timestamp>(json).unwrap().as_millis(), millis, "{json}");
        }
        for invalid in ["1.5", "\"1\"", "null", "9e15", "1e300", "18446744073709551615"] {
            assert!(serde_json::from_str::<Timestamp>(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn converts_to_system_time_and_back() {
        let now = Timestamp::now();
        assert_eq!(now.to_system_time().map(Timestamp::from), Some(now));
        let before = UNIX_EPOCH - Duration::from_millis(5);
        assert_eq!(Timestamp::from(before).as_millis(), -5);
        assert_eq!(Timestamp::from_millis(-5).to_system_time(), Some(before));
    }

    #[test]
    fn returns_a_duration_only_if_the_argument_is_earlier() {
        let (earlier, later) = (Timestamp::from_millis(-500), Timestamp::from_secs(1));
        assert_eq!(later.checked_duration_since(earlier), Some(Duration::from_millis(1500)));
        assert_eq!(earlier.checked_duration_since(later), None);
    }

    #[test]
    fn formats_and_serializes_as_milliseconds() {
        assert_eq!(format!("{:>5}", Timestamp::from_secs(1)), " 1000");
        assert_eq!(serde_json::to_string(&Timestamp::from_secs(-1)).unwrap(), "-1000");
    }

    #[cfg(feature = "jiff")]
    #[test]
    fn converts_to_jiff() {
        let converted = jiff::Timestamp::try_from(Timestamp::from_millis(1_716_883_200_123)).unwrap();
        assert_eq!(converted.as_millisecond(), 1_716_883_200_123);
        let error = jiff::Timestamp::try_from(Timestamp::from_millis(i64::MAX)).unwrap_err();
        assert_eq!(error.to_string(), "the timestamp is outside the range of the target type");
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn converts_to_chrono() {
        let converted = chrono::DateTime::try_from(Timestamp::from_millis(1_716_883_200_123)).unwrap();
        assert_eq!(converted.timestamp_millis(), 1_716_883_200_123);
        assert!(chrono::DateTime::try_from(Timestamp::from_millis(i64::MAX)).is_err());
    }

    #[cfg(feature = "time")]
    #[test]
    fn converts_to_time() {
        let converted = time::OffsetDateTime::try_from(Timestamp::from_millis(1_716_883_200_123)).unwrap();
        assert_eq!(converted.unix_timestamp(), 1_716_883_200);
        assert!(time::OffsetDateTime::try_from(Timestamp::from_millis(i64::MAX)).is_err());
    }

    #[test]
    fn debug_of_the_error_is_its_message() {
        assert_eq!(format!("{TimestampOutOfRange:?}"), TimestampOutOfRange.to_string());
    }
}
