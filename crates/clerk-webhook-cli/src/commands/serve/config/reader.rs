//! Reads the settings one by one, and collects their problems and their texts.

use super::names::{Kind, Name};
use super::print::Shown;
use super::sources::{Found, Origin, Sources};
use crate::send::endpoint::Endpoint;

pub(super) struct Reader {
    pub(super) sources: Sources,
    /// Complete messages.
    pub(super) problems: Vec<String>,
    pub(super) shown: Vec<Shown>,
}

impl Reader {
    /// Returns a value, or the default if the setting is missing or has a problem.
    pub(super) fn value<T>(
        &mut self,
        name: Name,
        (default, default_text): (T, &str),
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        match self.find(name) {
            Some(found) => {
                self.show(name, &found.text, &found.origin);
                match parse(found.text.trim()) {
                    Ok(value) => return value,
                    Err(problem) => self.problems.push(format!("{}: {problem}", found.origin)),
                }
            }
            None => self.show(name, default_text, &Origin::Default),
        }
        default
    }

    /// Returns a value, or `None` if the setting is missing or has a problem.
    pub(super) fn optional<T>(
        &mut self,
        name: Name,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.value(name, (None, ""), |text| parse(text).map(Some))
    }

    /// Returns an endpoint, or `None` if it is missing or has a problem. Its query, which can contain a token, is not
    /// shown.
    pub(super) fn endpoint(
        &mut self,
        name: Name,
        parse: impl FnOnce(&str) -> Result<Endpoint, String>,
    ) -> Option<Endpoint> {
        let Some(found) = self.find(name) else {
            self.show(name, "", &Origin::Default);
            return None;
        };
        match parse(found.text.trim()) {
            Ok(endpoint) => {
                self.show(name, &endpoint.redacted(), &found.origin);
                Some(endpoint)
            }
            Err(problem) => {
                self.shown.push(Shown::redacted(name.key, &found.origin));
                self.problems.push(format!("{}: {problem}", found.origin));
                None
            }
        }
    }

    /// Returns a secret, or `None` if it is missing or has a problem. The value is not shown.
    pub(super) fn secret<T>(
        &mut self,
        name: Name,
        parse: impl FnOnce(Found) -> Result<T, String>,
    ) -> Option<T> {
        let Some(found) = self.find(name) else {
            self.show(name, "", &Origin::Default);
            return None;
        };
        self.shown.push(Shown::redacted(name.key, &found.origin));
        match parse(found) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Finds a setting whose text is not shown as it is.
    pub(super) fn find(&mut self, name: Name) -> Option<Found> {
        match self.sources.find(name) {
            Ok(found) => found,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn show(&mut self, name: Name, text: &str, origin: &Origin) {
        debug_assert!(name.kind != Kind::Secret || text.is_empty());
        self.shown.push(Shown::new(name.key, text, origin));
    }
}
