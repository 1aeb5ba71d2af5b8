//! The text of errors and their sources.

use std::error::Error;
use std::fmt;

/// The text of an error and all its sources, separated by colons and without repetitions.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            let of_cause = cause.to_string();
            // Many errors, such as the errors of sqlx, end with the text of their source.
            if !text.ends_with(&of_cause) {
                text = text + ": " + &of_cause;
            }
            source = cause.source();
        }
        f.write_str(&text)
    }
}

/// Implements `Debug` as the text of an error and its sources, because an error that `main` returns is
/// printed with `Debug`.
macro_rules! debug_is_display {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::error_text::Chain(self), f)
            }
        }
    };
}

pub(crate) use debug_is_display;
