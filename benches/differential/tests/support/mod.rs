//! Shared by the tests.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes to standard error directly. The test harness would show only the output of failed tests.
pub fn say(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
