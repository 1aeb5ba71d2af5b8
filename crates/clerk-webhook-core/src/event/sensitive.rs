//! Payload fields that must not appear in logs.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A value that `Debug` does not show, such as a one-time code, a message body or an invitation link.
///
/// It dereferences to the value, because a handler may have to send the message.
///
/// ```
/// use clerk_webhook_core::event::payload::Sensitive;
///
/// let message: Sensitive<String> = serde_json::from_str(r#""Your code is 424242""#)?;
/// assert!(message.ends_with("424242"));
/// assert_eq!(format!("{message:?}"), "[REDACTED]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Sensitive<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}
