//! The configuration file, in TOML.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::names;
use crate::args::suggest;

/// The maximum size of the file, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The values of a file, as texts.
pub(super) struct ConfigFile {
    name: String,
    values: BTreeMap<String, Value>,
}

struct Value {
    text: String,
    line: usize,
}

impl ConfigFile {
    /// Reads a file. Returns also the problems of single keys.
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<String>), String> {
        let name = path.display().to_string();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text));
        match read {
            Err(error) => {
                Err(format!("--config: cannot read {name}: {error}. Check the path and its permissions."))
            }
            Ok(length) if length as u64 > MAX_SIZE => Err(format!("{name} is larger than 1 MiB.")),
            Ok(_) => Self::parse(name, &text),
        }
    }

    fn parse(name: String, text: &str) -> Result<(Self, Vec<String>), String> {
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let line = line_of(error.span().map_or(0, |span| span.start));
            format!("{name}, line {line}: {}.", error.message())
        })?;
        let keys: Vec<String> = names::ALL.into_iter().flat_map(names::Name::keys).collect();
        let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
        for (key, value) in table.get_ref() {
            let (line, key) = (line_of(key.span().start), key.get_ref().as_ref());
            if !keys.iter().any(|known| known == key) {
                problems.push((line, format!("unknown key \"{key}\".{}", suggestion(key, &keys))));
                continue;
            }
            match text_of(value.get_ref()) {
                Some(text) => drop(values.insert(key.to_owned(), Value { text, line })),
                None => {
                    let problem =
                        format!("\"{key}\" has no simple value. Use a string, a number or a boolean.");
                    problems.push((line, problem));
                }
            }
        }
        problems.sort();
        let told = problems.into_iter().map(|(line, problem)| format!("{name}, line {line}: {problem}"));
        let told = told.collect();
        Ok((Self { name, values }, told))
    }

    /// Returns a value, and its place for messages.
    pub(super) fn get(&self, key: &str) -> Option<(&str, String)> {
        let Value { text, line } = self.values.get(key)?;
        Some((text, format!("{}, line {line}", self.name)))
    }
}

/// Returns a value as its variable contains it. A list becomes a text with commas.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| text_of(item.get_ref())).collect();
            Some(items?.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn suggestion(key: &str, keys: &[String]) -> String {
    let close = suggest::closest(key, keys.iter().map(String::as_str));
    close.first().map_or_else(String::new, |name| format!(" Did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, Vec<String>> {
        match ConfigFile::parse("clerk-webhook.toml".to_owned(), text) {
            Ok((file, problems)) if problems.is_empty() => Ok(file),
            Ok((_, problems)) => Err(problems),
            Err(problem) => Err(vec![problem]),
        }
    }

    #[test]
    fn reads_values_of_each_type_as_texts() {
        let text = "# comment\nlisten = '127.0.0.1:80'\npool = 20\napi-share = 0.25\nmigrate = true\ntables = ['sessions', \
                    'billing']\npath = '${HOME}'\n";
        let file = parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        for (key, expected, line) in [
            ("listen", "127.0.0.1:80", 2),
            ("pool", "20", 3),
            ("api-share", "0.25", 4),
            ("migrate", "true", 5),
            ("tables", "sessions,billing", 6),
            // Variables are not replaced.
            ("path", "${HOME}", 7),
        ] {
            assert_eq!(file.get(key), Some((expected, format!("clerk-webhook.toml, line {line}"))));
        }
        assert_eq!(file.get("schema"), None);
    }

    #[test]
    fn names_the_line_of_each_problem() {
        for (text, expected) in [
            (
                "pool = 1\n\nlisen = 'x'\n",
                r#"clerk-webhook.toml, line 3: unknown key "lisen". Did you mean "listen"?"#,
            ),
            ("unrelated-key = 1", r#"clerk-webhook.toml, line 1: unknown key "unrelated-key"."#),
            ("[database]\nurl = 'x'", "clerk-webhook.toml, line 1: \"database\" has no simple value."),
            // The file names the files that contain secrets.
            (
                "signing-secret = 'hidden'",
                r#"clerk-webhook.toml, line 1: unknown key "signing-secret". Did you mean "signing-secret-file"?"#,
            ),
            ("\npool = ", "clerk-webhook.toml, line 2: "),
            ("pool = 1\npool = 2", "clerk-webhook.toml, line 2: duplicate key"),
        ] {
            let Err(problems) = parse(text) else { panic!("{text}") };
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(expected) && !problems[0].contains("hidden"), "{problems:?}");
        }
        let Err(problems) = parse("b = 1\na = 2\n") else { panic!() };
        assert!(problems[0].contains("line 1") && problems[1].contains("line 2"), "{problems:?}");
    }
}
