//! Event types as arguments, and patterns such as `user.*`.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::Error;
use clap::{Arg, Command};
use clerk_webhook_test::fixture::AnyFixture;

/// A pattern of event types, in which `*` matches any characters.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Returns the pattern as the user wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern contains a `*`.
    pub(crate) fn is_open(&self) -> bool {
        self.0.contains('*')
    }

    /// Returns whether the pattern matches an event type.
    pub(crate) fn matches(&self, event_type: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = event_type.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            // The first occurrence of the part suffices, because a `*` follows the part in the pattern.
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Accepts any text. The event names are only for shell completion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventNames;

impl TypedValueParser for EventNames {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(AnyFixture::all().map(|fixture| PossibleValue::new(fixture.name()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters() {
        for (pattern, event_type, expected) in [
            ("user.created", "user.created", true),
            ("user.created", "user.created2", false),
            ("user.*", "user.created", true),
            ("user.*", "users.created", false),
            ("*.created", "user.created", true),
            ("*.created", "user.created.x", false),
            ("*", "", true),
            ("", "", true),
            ("", "user.created", false),
            ("organization*.d*d", "organizationDomain.deleted", true),
            ("*a*a*", "banana", true),
            ("a*a", "a", false),
            ("**", "anything", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(event_type), expected, "{pattern} {event_type}");
        }
    }
}
