//! What the tests share.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Says something past the test harness, which shows the output of failed tests only.
pub fn say(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
