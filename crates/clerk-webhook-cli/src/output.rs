//! What is printed: for people, or with `--json` for programs.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Where results go; colours only where a terminal shows them.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether a command ends where nobody reads what it prints.
    ends_with_reader: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, ends_with_reader: true }
    }

    /// Returns one that drops what nobody reads any more, for a command whose exit code tells the result: that of
    /// `… | grep -q` and `… | head` has to be right as well.
    pub(crate) fn up_to_the_result(&self) -> Self {
        Self { ends_with_reader: false, ..*self }
    }

    /// Returns whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line for people; nothing with `--json`.
    pub(crate) fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        if !self.json {
            self.written(writeln!(anstream::stdout().lock(), "{line}"))?;
        }
        Ok(())
    }

    /// Writes a line for programs; nothing without `--json`.
    pub(crate) fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(value).map_err(io::Error::other)?;
            self.written(writeln!(io::stdout().lock(), "{}", escaped(&line)))?;
        }
        Ok(())
    }

    fn written(&self, result: io::Result<()>) -> Result<(), Failure> {
        match result.map_err(Failure::from) {
            Err(Failure::OutputClosed) if !self.ends_with_reader => Ok(()),
            result => result,
        }
    }

    /// Writes a remark for people to standard error, where it disturbs no program.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        // A remark that nobody reads is no reason to stop.
        let _ = writeln!(anstream::stderr().lock(), "{}note:{:#} {text}", style::ODD, style::ODD);
    }

    /// Says why a command failed, and returns its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        let told = match failure {
            Failure::Usage(message) => Some(("usage", message)),
            Failure::Network(message) => Some(("network", message)),
            Failure::Negative | Failure::OutputClosed => None,
        };
        if let Some((kind, message)) = told {
            // Where nobody reads it, the exit code still says it.
            let _ = self.object(&json!({ "error": { "kind": kind, "message": message } }));
            let _ = writeln!(anstream::stderr().lock(), "{}error:{:#} {message}", style::ERROR, style::ERROR);
        }
        ExitCode::from(failure.exit_code())
    }
}

/// Makes text of the network fit for a terminal: at most so many characters, none of which steers.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let mut shown = String::new();
    // No character has more than four bytes, so what follows is not looked at.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit.saturating_mul(4).saturating_add(4))]);
    for (index, character) in text.chars().enumerate() {
        if index == limit {
            shown.push('…');
            break;
        }
        if steers(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns whether a character moves the cursor, or turns or hides text.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Writes the characters that a terminal obeys as JSON can write them too; they are in strings and nowhere else.
fn escaped(json: &str) -> Cow<'_, str> {
    if !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if steers(character) {
            // All of them have four digits.
            let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Colours by meaning; written as `{GOOD}text{GOOD:#}`.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    pub(crate) const BAD: Style = AnsiColor::Red.on_default();
    pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
    pub(crate) const QUIET: Style = Style::new().dimmed();
    pub(crate) const STRONG: Style = Style::new().bold();
    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_network_does_not_steer_a_terminal() {
        for (bytes, expected) in [
            ("plain, é".as_bytes(), "plain, é"),
            (b"\x1b[2J\r\n\x00\x7f".as_slice(), "\\u{1b}[2J\\r\\n\\u{0}\\u{7f}"),
            ("\u{9b}31m \u{202e}".as_bytes(), "\\u{9b}31m \\u{202e}"),
            (b"\xff", "\u{fffd}"),
            (b"12345678901", "1234567890…"),
            ("éééééééééé".as_bytes(), "éééééééééé"),
        ] {
            assert_eq!(printable(bytes, 10), expected);
        }
    }

    #[test]
    fn a_terminal_obeys_nothing_in_json() {
        let value = json!("a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}é→");
        let line = value.to_string();
        let shown = escaped(&line);
        assert_eq!(shown, r#""a\u001b[2J\u009b31m\u007f\u202eé→""#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(escaped("{}"), Cow::Borrowed(_)));
    }
}
