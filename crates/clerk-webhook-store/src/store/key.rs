//! A delivery's key: the endpoint and the message id.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use clerk_webhook_core::{Event, MessageId};

/// The name of an endpoint, so that several endpoints can share a store.
///
/// Clerk sends a message to all endpoints with the same message id. If two endpoints had the same scope, the
/// second one would treat the message as a duplicate. A scope consists of 1 to 64 ASCII letters, digits, `_`,
/// `-`, `.` and `/`. The default is `clerk`.
///
/// ```
/// use clerk_webhook_store::Scope;
///
/// assert_eq!(Scope::default().as_str(), "clerk");
/// assert_eq!("mail".parse::<Scope>()?.as_str(), "mail");
/// assert!("two words".parse::<Scope>().is_err());
/// # Ok::<(), clerk_webhook_store::InvalidScope>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Cow<'static, str>);

impl Scope {
    /// The maximum number of characters in a scope.
    pub const MAX_LENGTH: usize = 64;

    /// Creates a scope from a constant or a string.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is empty or too long, or contains any other character.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidScope> {
        let text = text.into();
        // In Redis, a colon separates the parts of a key, and Redis Cluster gives braces a meaning.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        let valid = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed);
        if valid { Ok(Self(text)) } else { Err(InvalidScope) }
    }

    /// Returns the scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The scope of an application that has one endpoint.
impl Default for Scope {
    fn default() -> Self {
        Self(Cow::Borrowed("clerk"))
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::new(text.to_owned())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The error for a text that is not a valid scope.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidScope;

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope consists of 1 to 64 ASCII letters, digits, `_`, `-`, `.` and `/`")
    }
}

debug_is_display!(InvalidScope);

impl Error for InvalidScope {}

/// A delivery's key: the endpoint's scope and the message id.
///
/// Do not use an id from an event's data instead: later events about the same object have the same id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    scope: Scope,
    message_id: MessageId,
}

impl DeliveryKey {
    /// Creates the key for a message at an endpoint.
    #[must_use]
    pub fn new(scope: Scope, message_id: MessageId) -> Self {
        Self { scope, message_id }
    }

    /// Creates the key for an event at an endpoint.
    #[must_use]
    pub fn of(event: &Event, scope: Scope) -> Self {
        Self::new(scope, event.message_id().clone())
    }

    /// Returns the endpoint's scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the message id.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope, self.message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_valid_scopes() {
        for valid in ["a", "sync", "eu-1/mail_2.v3", &"x".repeat(64)] {
            assert_eq!(Scope::new(valid.to_owned()).unwrap().to_string(), valid);
        }
        for invalid in ["", " ", "a b", "a:b", "{a}", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(Scope::new(invalid.to_owned()), Err(InvalidScope), "{invalid:?}");
            assert!(InvalidScope.to_string().contains("1 to 64 ASCII letters"));
        }
    }
}
