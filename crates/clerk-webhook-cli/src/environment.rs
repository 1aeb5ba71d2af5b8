//! Environment variables, and the `.env` file in the current folder.

use std::env::{self, VarError};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::sync::OnceLock;

use crate::failure::Failure;
use crate::output::note;

/// The name of the file.
const FILE: &str = ".env";

/// The variables of the file that the command uses.
static FROM_FILE: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();

/// A variable, with its name and its source as `Display`.
pub(crate) struct Variable {
    name: &'static str,
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

/// Returns a variable. A variable of the process takes precedence over the file.
pub(crate) fn var(name: &'static str) -> Result<Option<Variable>, Failure> {
    let found = match env::var(name) {
        Ok(value) => Some((value, false)),
        Err(VarError::NotPresent) => {
            let from_file = FROM_FILE.get().into_iter().flatten().find(|(other, _)| *other == name);
            from_file.map(|(_, value)| (value.clone(), true))
        }
        Err(VarError::NotUnicode(_)) => {
            return Err(Failure::usage(format_args!("{name} is not valid UTF-8")));
        }
    };
    Ok(found.map(|(value, is_from_file)| Variable { name, value, is_from_file }))
}

/// Reads the file.
///
/// A group contains variables that replace each other. If the process has one of them, the file's are not used.
pub(crate) fn read_file(groups: &[&[&'static str]]) -> Result<(), Failure> {
    let wanted = groups.iter().filter(|group| group.iter().all(|name| env::var_os(name).is_none()));
    let wanted: Vec<_> = wanted.flat_map(|group| group.iter().copied()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let bytes = match fs::read(FILE) {
        Ok(bytes) => bytes,
        // A folder can have this name too.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            return Ok(());
        }
        Err(error) => {
            return Err(Failure::usage(format_args!(
                "cannot read {FILE}: {error}; --no-env-file ignores the file"
            )));
        }
    };
    // The process reads the file once.
    let _ = FROM_FILE.set(parse(&bytes, &wanted)?);
    Ok(())
}

/// Returns the first value of each wanted variable. Other lines may be malformed.
fn parse(bytes: &[u8], wanted: &[&'static str]) -> Result<Vec<(&'static str, String)>, Failure> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut found = Vec::new();
    // Errors are skipped, and not shown, because they contain lines of the file.
    for (name, value) in dotenvy::from_read_iter(bytes).flatten() {
        let Some(name) = wanted.iter().copied().find(|wanted| *wanted == name) else { continue };
        if !found.iter().any(|(other, _)| *other == name) {
            found.push((name, value));
        }
    }
    let assigned = |name: &str| {
        String::from_utf8_lossy(bytes).lines().any(|line| {
            let line = line.trim_start().trim_start_matches("export ").trim_start();
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        })
    };
    let lost = wanted.iter().find(|name| !found.iter().any(|(other, _)| other == *name) && assigned(name));
    match lost {
        Some(name) => Err(Failure::usage(format_args!(
            "{FILE} has a malformed value of {name}: put the value in single quotes, or ignore the file with --no-env-file"
        ))),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_wanted_variables_in_a_file() {
        for (file, expected) in [
            ("A=1\nB=2\n", &[("A", "1")][..]),
            ("\u{feff}A=1\r\n", &[("A", "1")]),
            ("export A='1 # 2' # comment\n", &[("A", "1 # 2")]),
            ("A=1\nA=2\nC=3", &[("A", "1"), ("C", "3")]),
            ("A=\n", &[("A", "")]),
            ("malformed line\nA=1\n", &[("A", "1")]),
            ("# A=1\n", &[]),
            ("", &[]),
        ] {
            let found = parse(file.as_bytes(), &["A", "C"]).unwrap();
            let found: Vec<_> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(found, expected, "{file:?}");
        }
    }

    #[test]
    fn rejects_malformed_values_without_showing_them() {
        for file in
            [&b"A=hidden hidden\n"[..], b" export A = 'hidden\n", b"B='open\nA=hidden\n", b"A=hidden\xff\n"]
        {
            let Err(Failure::Usage(message)) = parse(file, &["A"]) else { panic!("{file:?}") };
            assert!(!message.contains("hidden") && message.contains("--no-env-file"), "{message}");
        }
    }
}
