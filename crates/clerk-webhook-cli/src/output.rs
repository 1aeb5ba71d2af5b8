//! Output of the commands: text, or JSON with `--json`.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Writes results to standard output, with colors only on a terminal.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether the command ends when the reader of its output closes the pipe.
    ends_with_reader: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, ends_with_reader: true }
    }

    /// Returns an `Output` that ignores a closed pipe.
    ///
    /// For commands whose exit code is their result: the exit code must also be correct in `… | grep -q` and
    /// `… | head`.
    pub(crate) fn up_to_the_result(&self) -> Self {
        Self { ends_with_reader: false, ..*self }
    }

    /// Returns whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line of text, unless `--json` is given.
    pub(crate) fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        if !self.json {
            self.written(writeln!(anstream::stdout().lock(), "{line}"))?;
        }
        Ok(())
    }

    /// Writes an object as a line of JSON, if `--json` is given.
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

    /// Prints why a command failed, and returns its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        let told = match failure {
            Failure::Usage(message) => Some(("usage", message)),
            Failure::Network(message) => Some(("network", message)),
            #[cfg(feature = "sync")]
            Failure::Schema(message) => Some(("schema", message)),
            #[cfg(feature = "sync")]
            Failure::Refused(message) => Some(("refused", message)),
            Failure::Negative | Failure::OutputClosed => None,
        };
        if let Some((kind, message)) = told {
            let message = &printable_lines(message);
            // If the message cannot be printed, the exit code still reports the failure.
            let _ = self.object(&json!({ "error": { "kind": kind, "message": message } }));
            let _ = writeln!(anstream::stderr().lock(), "{}error:{:#} {message}", style::ERROR, style::ERROR);
        }
        ExitCode::from(failure.exit_code())
    }
}

/// Writes a note to standard error, so that standard output contains only results.
pub(crate) fn note(text: impl fmt::Display) {
    // A note that cannot be printed does not fail the command.
    let _ = writeln!(anstream::stderr().lock(), "{}note:{:#} {text}", style::ODD, style::ODD);
}

/// Tells the user that the command waits for input, if standard input is a terminal.
pub(crate) fn note_terminal_input() {
    if io::stdin().is_terminal() {
        note("reading standard input; Ctrl-D ends it");
    }
}

/// Escapes text from the network for a terminal, and cuts it after `limit` characters.
pub(crate) fn printable(text: impl AsRef<[u8]>, limit: usize) -> String {
    let bytes = text.as_ref();
    let mut shown = String::new();
    // A character has at most four bytes, so later bytes cannot be shown.
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

/// Escapes text like [`printable`], but keeps all its lines.
fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| printable(line, usize::MAX)).collect();
    lines.join("\n")
}

/// Returns whether a character controls the terminal, changes the direction of text, or is invisible.
///
/// These are the control characters, the line and paragraph separators, the annotation characters, and the
/// characters that Unicode calls `Default_Ignorable_Code_Point`, except for the variation selectors of emoji.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Escapes control characters in JSON with `\u`. These characters can occur only inside strings.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    if !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if steers(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Colors by meaning, used as `{GOOD}text{GOOD:#}`.
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
    fn escapes_control_characters_in_text_from_the_network() {
        for (bytes, expected) in [
            ("plain, é".as_bytes(), "plain, é"),
            (b"\x1b[2J\r\n\x00\x7f".as_slice(), "\\u{1b}[2J\\r\\n\\u{0}\\u{7f}"),
            ("\u{9b}31m \u{202e}".as_bytes(), "\\u{9b}31m \\u{202e}"),
            (b"\xff", "\u{fffd}"),
            (b"12345678901", "1234567890…"),
            ("éééééééééé".as_bytes(), "éééééééééé"),
            ("\u{ad}\u{61c}\u{180e}".as_bytes(), "\\u{ad}\\u{61c}\\u{180e}"),
            ("\u{2029}\u{fffb}\u{e0041}".as_bytes(), "\\u{2029}\\u{fffb}\\u{e0041}"),
            ("\u{3164}\u{2764}\u{fe0f}".as_bytes(), "\\u{3164}\u{2764}\u{fe0f}"),
        ] {
            assert_eq!(printable(bytes, 10), expected);
        }
    }

    #[test]
    fn keeps_the_lines_of_a_message() {
        assert_eq!(printable_lines("a\x1b[2J\nb\u{202e}"), "a\\u{1b}[2J\nb\\u{202e}");
    }

    #[test]
    fn escapes_control_characters_in_json() {
        let value = json!("a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{e0041}é→");
        let line = value.to_string();
        let shown = escaped(&line);
        assert_eq!(shown, r#""a\u001b[2J\u009b31m\u007f\u202e\udb40\udc41é→""#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(escaped("{}"), Cow::Borrowed(_)));
    }
}
