//! What a delivery is recognised by.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use clerk_webhook_core::{Event, MessageId};

/// The endpoint that a delivery came to, so that two endpoints can share a store.
///
/// Clerk sends an event to all endpoints under one message id. Without a scope of its own, what one endpoint has
/// handled would be a duplicate for the other. It consists of 1 to 64 ASCII letters, digits, `_`, `-`, `.` and `/`.
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
    /// The greatest number of characters of a scope.
    pub const MAX_LENGTH: usize = 64;

    /// Creates a scope from a constant or a string.
    ///
    /// # Errors
    ///
    /// Refuses a text of other characters, and one that is empty or too long.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidScope> {
        let text = text.into();
        // Neither a colon, which separates the parts of a key in Redis, nor a brace, which Redis Cluster looks for.
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

/// The error of a text that is not a scope.
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

/// What a delivery is recognised by: the endpoint, and the identity of the message.
///
/// Never an id inside the data: that is the same for every later change of the same object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    scope: Scope,
    message_id: MessageId,
}

impl DeliveryKey {
    /// Creates the key of a message at an endpoint.
    #[must_use]
    pub fn new(scope: Scope, message_id: MessageId) -> Self {
        Self { scope, message_id }
    }

    /// Creates the key of an event at an endpoint.
    #[must_use]
    pub fn of(event: &Event, scope: Scope) -> Self {
        Self::new(scope, event.message_id().clone())
    }

    /// Returns the endpoint.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the identity of the message.
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
    fn a_scope_is_short_and_has_no_colon() {
        for valid in ["a", "sync", "eu-1/mail_2.v3", &"x".repeat(64)] {
            assert_eq!(Scope::new(valid.to_owned()).unwrap().to_string(), valid);
        }
        for invalid in ["", " ", "a b", "a:b", "{a}", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(Scope::new(invalid.to_owned()), Err(InvalidScope), "{invalid:?}");
        }
    }
}
