//! Environment variables, and the `.env` file in the current folder.

use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::sync::OnceLock;

use crate::failure::Failure;
use crate::output::note;

/// The name of the file.
const FILE: &str = ".env";

/// The maximum size of the file, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The text of the file. The command reads the file when it looks for the first variable that the process lacks.
static TEXT: OnceLock<Result<String, String>> = OnceLock::new();

/// A variable, with its name and its source as `Display`.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    is_from_file: bool,
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if self.is_from_file { write!(f, " from {FILE}") } else { Ok(()) }
    }
}

impl Variable {
    /// Returns the value, and prints the name if the variable comes from the file. Prints one line in a run.
    pub(crate) fn announced(self) -> String {
        static IS_ANNOUNCED: OnceLock<()> = OnceLock::new();
        if self.is_from_file && IS_ANNOUNCED.set(()).is_ok() {
            note(&self);
        }
        self.value
    }
}

/// Makes [`vars`] ignore the file.
pub(crate) fn ignore_file() {
    // Nothing has read the file yet.
    let _ = TEXT.set(Ok(String::new()));
}

/// Returns a variable, or else the content of the file that a second variable names, without its last line
/// breaks. An empty value counts as missing.
#[cfg(feature = "sync")]
pub(crate) fn var_or_file(name: &'static str, file: &'static str) -> Result<Option<Variable>, Failure> {
    let Some(mut found) = only(&[name, file])? else { return Ok(None) };
    if found.name == file {
        let content = std::fs::read_to_string(&found.value)
            .map_err(|error| Failure::usage(format_args!("cannot read the file of {file}: {error}")))?;
        found.value = content.trim_end_matches(['\r', '\n']).to_owned();
    }
    Ok(Some(found).filter(|variable| !variable.value.is_empty()))
}

/// Returns the one variable of several that is set. An empty value counts as missing.
#[cfg(any(feature = "queue", feature = "sync"))]
pub(crate) fn only(names: &[&'static str]) -> Result<Option<Variable>, Failure> {
    let mut variables = vars(names)?;
    variables.retain(|variable| !variable.value.is_empty());
    if let [one, other, ..] = variables.as_slice() {
        return Err(Failure::usage(format_args!("{} and {} are both set. Unset one.", one.name, other.name)));
    }
    Ok(variables.pop())
}

/// Returns the variables that are set, of several variables that replace each other.
///
/// Reads the file only if the process has none of them.
pub(crate) fn vars(names: &[&'static str]) -> Result<Vec<Variable>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match env::var(name) {
            Ok(value) => found.push(Variable { name, value, is_from_file: false }),
            Err(VarError::NotPresent) => {}
            Err(VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format_args!("{name} is not valid UTF-8")));
            }
        }
    }
    if found.is_empty() {
        let text = TEXT.get_or_init(|| read().map_err(|error| error.to_string()));
        let text = text.as_ref().map_err(|error| {
            Failure::usage(format_args!("cannot read {FILE}: {error}. --no-env-file ignores the file"))
        })?;
        for name in names {
            let value = value(text, name)?;
            found.extend(value.map(|value| Variable { name, value, is_from_file: true }));
        }
    }
    Ok(found)
}

/// Reads the file. Returns an empty text if the file does not exist.
fn read() -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(FILE).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes)) {
        Ok(length) if length as u64 > MAX_SIZE => Err(io::Error::other("the file is larger than 1 MiB")),
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        // A folder can have this name too.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            Ok(String::new())
        }
        Err(error) => Err(error),
    }
}

/// Returns the first value of a variable. Other lines may be malformed.
fn value(text: &str, name: &str) -> Result<Option<String>, Failure> {
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((_, value)) = line.split_once('=').filter(|(before, _)| before.trim() == name) else {
            continue;
        };
        return match unquoted(value.trim()) {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(Failure::usage(format_args!(
                "cannot read {name} in line {number} of {FILE}: write the value on one line in UTF-8, without quotes or \
                 completely in quotes. --no-env-file ignores the file"
            ))),
        };
    }
    Ok(None)
}

/// Returns a value without its quotes and without the comment after it, or `None` if it is malformed.
fn unquoted(value: &str) -> Option<&str> {
    let value = match value.split_at_checked(1) {
        Some((quote @ ("'" | "\""), rest)) => {
            let (value, rest) = rest.split_once(quote)?;
            let is_comment = rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
            (rest.is_empty() || is_comment).then_some(value)?
        }
        _ => {
            let mut marks = value.match_indices('#').filter_map(|(at, _)| value.get(..at));
            let before = marks.find(|before| before.is_empty() || before.ends_with(char::is_whitespace));
            before.unwrap_or(value).trim_end()
        }
    };
    (!value.contains(char::REPLACEMENT_CHARACTER)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_value_of_a_variable() {
        for (text, expected) in [
            ("A=1\nB=2\n", Some("1")),
            ("\u{feff}A=1\r\nB=2\r\n", Some("1")),
            ("A=1\nA=2\n", Some("1")),
            ("  export A = 1  ", Some("1")),
            ("A=pa$word${B}`x`\\n", Some("pa$word${B}`x`\\n")),
            ("A=\"pa$word\\n\"", Some("pa$word\\n")),
            ("A='1 # 2' # comment", Some("1 # 2")),
            ("A=a#b # comment", Some("a#b")),
            ("A=a b\t# comment", Some("a b")),
            ("A=it's", Some("it's")),
            ("A='say \"hi\"'", Some("say \"hi\"")),
            ("A=b=c==", Some("b=c==")),
            ("A=", Some("")),
            ("A= # comment", Some("")),
            ("A=''", Some("")),
            // Malformed lines of other variables, and text without a variable.
            ("B=it's open\nC='open\nD=\"\u{fffd}\n=\nA=1\n", Some("1")),
            ("# A=1\nAA=1\nB=A=1\nA\n", None),
            ("", None),
        ] {
            assert_eq!(value(text, "A").unwrap().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn rejects_malformed_values_without_showing_them() {
        for malformed in ["'hidden", "\"hidden'", "'hid'den", "'hidden'#x", "'hidden' x", "hidden\u{fffd}"] {
            let Err(Failure::Usage(message)) = value(&format!("B=1\nA={malformed}\n"), "A") else {
                panic!("{malformed}")
            };
            assert!(message.contains("A in line 2 of .env") && !message.contains("hid"), "{message}");
        }
    }
}
