//! Finds the text of a setting, and its origin: flag, variable, configuration file, in this order.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::file::ConfigFile;
use super::names::{Kind, Name};
use crate::environment;

/// The maximum size of a file with one value, in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// Where a value comes from, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag(&'static str),
    Other(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "--{key}"),
            Self::Other(place) => f.write_str(place),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A text that was found.
pub(super) struct Found {
    pub(super) text: Zeroizing<String>,
    pub(super) origin: Origin,
    /// The file that contains the text, which can change.
    pub(super) file: Option<PathBuf>,
}

/// The sources of all settings.
pub(super) struct Sources {
    /// The keys of the flags that were given, with their values.
    pub(super) flags: Vec<(&'static str, String)>,
    pub(super) file: Option<ConfigFile>,
}

impl Sources {
    /// Finds a setting. The error is a complete message.
    pub(super) fn find(&self, name: Name) -> Result<Option<Found>, String> {
        if let Some((key, text)) = self.flags.iter().find(|(key, _)| *key == name.key) {
            let text = Zeroizing::new(text.clone());
            return Ok(Some(Found { text, origin: Origin::Flag(key), file: None }));
        }
        if let Some(found) = in_environment(name)? {
            return Ok(Some(found));
        }
        self.in_file(name)
    }

    fn in_file(&self, name: Name) -> Result<Option<Found>, String> {
        let Some(file) = &self.file else { return Ok(None) };
        let own = (name.kind != Kind::Secret).then(|| file.get(name.key)).flatten();
        let other = name.file_key().and_then(|key| Some((file.get(&key)?, key)));
        match (own, other) {
            (Some((_, place)), Some((_, key))) => {
                Err(format!("{place}: \"{}\" and \"{key}\" are both set. Remove one.", name.key))
            }
            (Some((text, place)), None) => {
                let text = Zeroizing::new(text.to_owned());
                Ok(Some(Found { text, origin: Origin::Other(place), file: None }))
            }
            (None, Some(((path, place), _))) => from_file(Path::new(path), place).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn in_environment(name: Name) -> Result<Option<Found>, String> {
    let names: Vec<&'static str> = [name.variable].into_iter().chain(name.file_variable()).collect();
    let found = environment::only(&names).map_err(|failure| failure.message().to_owned())?;
    let Some(variable) = found else { return Ok(None) };
    let place = variable.to_string();
    if variable.name != name.variable {
        return from_file(Path::new(&variable.value), place).map(Some);
    }
    let text = Zeroizing::new(variable.value);
    Ok(Some(Found { text, origin: Origin::Other(place), file: None }))
}

/// Reads a value from a file, which can change.
pub(super) fn from_file(path: &Path, place: String) -> Result<Found, String> {
    let text =
        read(path).map_err(|error| format!("{place}: cannot read the file {}: {error}.", path.display()))?;
    if text.is_empty() {
        return Err(format!("{place} names an empty file."));
    }
    Ok(Found { text, origin: Origin::Other(place), file: Some(path.to_owned()) })
}

/// Returns the content of a file without its last line breaks.
fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let length = File::open(path)?.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_SIZE {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok(text)
}
