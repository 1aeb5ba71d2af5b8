//! Reads the three signature headers, including malformed ones.

use clerk_webhook_core::{HeaderFamily, MessageId};

use super::cause::{Cause, Finding};
use super::signatures::{self, Token};
use super::timestamps::{self, MAX_VALUES};
use crate::capture::Capture;
use crate::output::printable;

/// The maximum number of interpretations of one set of headers.
const MAX_ATTEMPTS: usize = 16;
/// The maximum length of an id or a timestamp that is read, in bytes. No sender uses a longer one.
const MAX_LENGTH: usize = 1024;

/// The headers and their interpretations.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// The headers that are missing or empty.
    pub(super) findings: Vec<Finding>,
    /// The interpretations, the likeliest first; empty if a header is missing.
    pub(super) attempts: Vec<Attempt>,
}

/// One interpretation of the headers.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: Vec<u8>,
    /// The timestamp as it occurs in the signed text.
    pub(super) timestamp: Vec<u8>,
    /// The time that the timestamp represents.
    pub(super) seconds: Option<i64>,
    pub(super) tokens: Vec<Token>,
    /// The problems that this interpretation implies.
    pub(super) findings: Vec<Finding>,
    pub(super) timestamp_header: &'static str,
}

/// A value of a header, and the problems that it implies.
type Value = (Vec<u8>, Vec<Finding>);

/// The names and values of the three headers.
#[derive(Clone)]
struct Set<'c> {
    names: [&'static str; 3],
    values: [Vec<&'c [u8]>; 3],
}

impl<'c> Set<'c> {
    fn of(capture: &'c Capture, family: HeaderFamily, is_name: impl Fn(&str, &str) -> bool) -> Self {
        let names = family.headers().map(|header| header.as_str());
        let values = names.map(|name| {
            let fields = capture.headers.iter().filter(|(other, _)| is_name(other, name));
            fields.map(|(_, value)| value.trim_ascii()).collect()
        });
        Self { names, values }
    }

    fn exists(&self) -> bool {
        self.values.iter().any(|values| !values.is_empty())
    }

    /// Returns whether every header has a value.
    fn is_complete(&self) -> bool {
        self.values.iter().all(|values| has_text(values))
    }
}

/// Reads the headers of a capture.
pub(super) fn read(capture: &Capture) -> Headers {
    let mut headers = Headers::default();
    let named = |family| Set::of(capture, family, |other, name| other.eq_ignore_ascii_case(name));
    let (svix, webhook) = (named(HeaderFamily::Svix), named(HeaderFamily::Webhook));
    let is_webhook = webhook.exists() && !svix.exists();
    let (set, other) = if is_webhook { (webhook, svix) } else { (svix, webhook) };
    if !set.exists()
        && let Some((set, finding)) = renamed(capture)
    {
        headers.add(&set, &[finding]);
        return headers;
    }
    let mut mixed = set.clone();
    let (mut lacking, mut missing, mut empty): (Vec<&str>, Vec<&str>, Vec<&str>) = Default::default();
    let names = set.names.into_iter().zip(other.names);
    for ((name, other_name), (values, others)) in names.zip(mixed.values.iter_mut().zip(&other.values)) {
        if !has_text(values) {
            lacking.push(other_name);
            if values.is_empty() {
                missing.push(name)
            } else {
                empty.push(name)
            }
            values.clone_from(others);
        }
    }
    if lacking.is_empty() {
        headers.add(&set, &[]);
    } else if mixed.is_complete() {
        let fact =
            format!("{} missing, but {} exists", are(&[missing, empty].concat()), enumerated(&lacking));
        headers.add(&mixed, &[Finding::new(Cause::MixedFamilies, fact)]);
    } else {
        let found = [(Cause::MissingHeader, missing, "missing"), (Cause::EmptyHeader, empty, "empty")];
        for (cause, names, how) in found.into_iter().filter(|(_, names, _)| !names.is_empty()) {
            headers.findings.push(Finding::new(cause, format!("{} {how}", are(&names))));
        }
        return headers;
    }
    if other.is_complete() {
        let fact =
            "both svix-* and webhook-* headers exist: svix-* takes precedence, but webhook-* was signed";
        headers.add(&other, &[Finding::new(Cause::MixedFamilies, fact)]);
    }
    headers
}

impl Headers {
    /// Adds the interpretations of a complete set of headers.
    fn add(&mut self, set: &Set<'_>, findings: &[Finding]) {
        let [id_header, timestamp_header, signature_header] = set.names;
        let [ids, timestamps, lists] = &set.values;
        let lists = plain(signature_header, lists);
        let mut short = |name: &'static str, values: &[&[u8]]| {
            let mut values = plain(name, values);
            values.retain(|(value, _)| value.len() <= MAX_LENGTH);
            if values.is_empty() {
                let fact = format!("{name} has more than {MAX_LENGTH} bytes");
                self.findings.push(Finding::new(Cause::MalformedHeader, fact));
            }
            values
        };
        let (ids, timestamps) = (short(id_header, ids), short(timestamp_header, timestamps));
        let mut readings = Vec::new();
        for (id, of_id) in ids.into_iter().flat_map(|id| id_readings(id_header, id)) {
            for (timestamp, of_timestamp) in &timestamps {
                for reading in timestamps::read(timestamp_header, timestamp) {
                    for (list, of_list) in &lists {
                        let flaw: Vec<_> = reading.flaw.clone().into_iter().collect();
                        let findings = [findings, &of_id, of_timestamp, &flaw, of_list].concat();
                        readings.push((findings, id.clone(), reading.text.clone(), reading.seconds, list));
                    }
                }
            }
        }
        readings.sort_by_key(|(findings, ..)| findings.len());
        readings.truncate(MAX_ATTEMPTS);
        for (findings, id, timestamp, seconds, list) in readings {
            let tokens = signatures::read(list);
            self.attempts.push(Attempt { id, timestamp, seconds, tokens, findings, timestamp_header });
        }
    }
}

/// Returns the distinct values without quotes.
fn plain(name: &str, values: &[&[u8]]) -> Vec<Value> {
    let mut repeated = Vec::new();
    if values.len() > 1 {
        let is_same = values.windows(2).all(|pair| pair.first() == pair.last());
        let how = if is_same { "with the same value" } else { "with different values" };
        let fact = format!("{name} occurs {} times {how}", values.len());
        repeated.push(Finding::new(Cause::RepeatedHeader, fact));
    }
    let mut plain: Vec<Value> = Vec::new();
    for value in values.iter().filter(|value| !value.is_empty()).take(MAX_VALUES) {
        let mut findings = repeated.clone();
        let text = match value {
            [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => {
                findings.push(Finding::new(Cause::QuotedHeader, format!("the value of {name} is in quotes")));
                inner.trim_ascii()
            }
            _ => value,
        };
        if !plain.iter().any(|(other, _)| other == text) {
            plain.push((text.to_vec(), findings));
        }
    }
    plain
}

/// Returns the candidates for the id: the value, or a part of a value that a proxy joined.
fn id_readings(name: &str, (value, findings): Value) -> Vec<Value> {
    let with = |value: &[u8], cause: Cause, fact: &str| {
        (value.to_vec(), [findings.as_slice(), &[Finding::new(cause, fact)]].concat())
    };
    let mut readings = Vec::new();
    if str::from_utf8(&value).is_ok_and(|id| id.parse::<MessageId>().is_ok()) {
        readings.push((value.clone(), findings.clone()));
    } else if !value.contains(&b',') {
        let (most, shown) = (MessageId::MAX_LENGTH, printable(&value, 48));
        let fact = format!("{name} is not 1 to {most} visible ASCII characters without a dot: {shown}");
        let without: Vec<u8> = value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        readings.push(with(&value, Cause::MalformedHeader, &fact));
        if without != value {
            readings.push(with(&without, Cause::MalformedHeader, &fact));
        }
    }
    if value.contains(&b',') {
        let fact = format!("{name} contains several values joined with a comma");
        let parts = value.split(|byte| *byte == b',').take(MAX_VALUES).map(<[u8]>::trim_ascii);
        readings.extend(parts.map(|part| with(part, Cause::JoinedHeader, &fact)));
        readings.dedup();
    }
    readings
}

/// Looks for the headers under the names that gateways produce.
fn renamed(capture: &Capture) -> Option<(Set<'_>, Finding)> {
    let plain_name = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        ["x-", "http-"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned()
    };
    let named = |family| Set::of(capture, family, |other, name| plain_name(other) == name);
    let set = [HeaderFamily::Svix, HeaderFamily::Webhook].map(named).into_iter().find(Set::is_complete)?;
    let is_one = |name: &&str| set.names.contains(&plain_name(name).as_str());
    let found: Vec<_> = capture.headers.iter().map(|(name, _)| name.as_str()).filter(is_one).collect();
    let fact = format!("the headers are named {}", printable(enumerated(&found).as_bytes(), 80));
    Some((set, Finding::new(Cause::RenamedHeader, fact)))
}

fn has_text(values: &[&[u8]]) -> bool {
    values.iter().any(|value| !value.is_empty())
}

/// Returns `a is` or `a and b are`.
fn are(names: &[&str]) -> String {
    format!("{} {}", enumerated(names), if names.len() == 1 { "is" } else { "are" })
}

/// Returns `a, b and c`.
fn enumerated(names: &[&str]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => names.concat(),
    }
}
