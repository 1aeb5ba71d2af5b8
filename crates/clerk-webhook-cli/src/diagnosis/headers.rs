//! Reading the three headers, also where they are not as they should be.

use clerk_webhook_core::{HeaderFamily, MessageId};

use super::cause::Cause;
use super::finding::{Finding, shown};
use super::signatures::{self, Form, Token};
use super::timestamps::{self, Reading as Time};
use crate::capture::Capture;

/// The most ways of reading one request's headers, and the most values of one header that are looked at.
const MAX_ATTEMPTS: usize = 24;
const MAX_VALUES: usize = 4;

/// The headers, as far as they can be read.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// What is wrong whatever else may be.
    pub(super) findings: Vec<Finding>,
    /// The ways in which they can be meant, the likeliest first; none where one is not there.
    pub(super) attempts: Vec<Attempt>,
    /// Sentences on what was not looked at.
    pub(super) left_out: Vec<String>,
    /// Whether headers of the other family are there that do not count.
    pub(super) stray: bool,
}

/// One way in which the headers can be meant.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: Vec<u8>,
    /// The text that is signed.
    pub(super) timestamp: Vec<u8>,
    /// The moment that it stands for.
    pub(super) seconds: Option<i64>,
    pub(super) tokens: Vec<Token>,
    /// What is wrong if it is this one.
    pub(super) findings: Vec<Finding>,
    pub(super) timestamp_header: &'static str,
}

impl Attempt {
    /// What is wrong with the signatures, if none of them is in order.
    pub(super) fn unreadable(&self) -> Option<Finding> {
        let first = self.tokens.first()?;
        if let Form::Beginning(text) = &first.form {
            // That it is the beginning of anything was not found to be so.
            let fact = format!("the signature has {} characters of base64 and not 44", text.len());
            let by_length = match text.len() {
                27 => format!("{fact}, as many as HMAC-SHA-1 makes"),
                _ => fact,
            };
            return Some(Finding::new(Cause::SignatureUnreadable, by_length));
        }
        first.flaws.first().map(|cause| of_signature(*cause, &first.form))
    }
}

/// Says what a flaw of a signature is.
pub(super) fn of_signature(cause: Cause, form: &Form) -> Finding {
    let fact = match cause {
        Cause::JoinedHeader => {
            "the signatures are joined with a comma, as a proxy does with repeated headers".to_owned()
        }
        Cause::SignatureWithoutVersion => "the signature stands there without v1, in front of it".to_owned(),
        Cause::SignatureSeparator => {
            "version and signature are not separated by one comma and nothing else".to_owned()
        }
        Cause::SignatureOtherVersion => "the signature has another version than v1".to_owned(),
        Cause::OnlyAsymmetricSignatures => "there are only v1a signatures (Ed25519)".to_owned(),
        Cause::SignatureUrlSafe => {
            "the signature is encoded with the URL-safe alphabet of base64 (- and _)".to_owned()
        }
        Cause::SignatureUnpadded => "the signature lacks the = at its end".to_owned(),
        Cause::SignatureHex => "the signature is written in hexadecimal digits".to_owned(),
        Cause::SignaturePercentEncoded => "the signature is URL-encoded (%2B, %2F, %3D)".to_owned(),
        Cause::SignaturePlusLost => "the plus signs of the signature have become blanks".to_owned(),
        Cause::SignatureCaseLost => "the signature has lost its upper or lower case".to_owned(),
        Cause::SignatureTruncated => "the end of the signature is missing".to_owned(),
        Cause::SignatureOtherHash => {
            "the signature has 64 bytes, as HMAC-SHA-512 makes them, and not 32".to_owned()
        }
        Cause::SignatureUnreadable => match form {
            Form::Unreadable(Some(length)) => format!("the signature has {length} bytes and not 32"),
            _ => "what follows v1, is not base64".to_owned(),
        },
        _ => "the base64 of the signature is not written as encoders write it".to_owned(),
    };
    Finding::new(cause, fact)
}

/// Reads the headers of a capture.
pub(super) fn read(capture: &Capture) -> Headers {
    let mut headers = Headers::default();
    let named = |family: HeaderFamily| family.headers().map(|header| values(capture, header.as_str()));
    let (svix, webhook) = (named(HeaderFamily::Svix), named(HeaderFamily::Webhook));
    let any = |set: &[Vec<&[u8]>; 3]| set.iter().any(|values| !values.is_empty());
    let complete =
        |set: &[Vec<&[u8]>; 3]| set.iter().all(|values| values.iter().any(|value| !value.is_empty()));

    let (family, set, other_set) = if any(&svix) {
        (HeaderFamily::Svix, svix, webhook)
    } else if any(&webhook) {
        (HeaderFamily::Webhook, webhook, svix)
    } else {
        return renamed(capture).unwrap_or_else(|| {
            let fact = "svix-id, svix-timestamp and svix-signature are not there";
            Headers { findings: vec![Finding::new(Cause::MissingHeader, fact)], ..Headers::default() }
        });
    };
    let names = family.headers().map(|header| header.as_str());
    headers.stray = any(&other_set);
    if complete(&set) {
        headers.add(names, &set, &[]);
        if complete(&other_set) {
            let fact = "svix-* and webhook-* are both there and differ; svix-* counts, and it is webhook-* that is signed";
            let other = HeaderFamily::Webhook.headers().map(|header| header.as_str());
            headers.add_quietly(other, &other_set, &[Finding::new(Cause::MixedFamilies, fact)]);
        }
        return headers;
    }
    let lacking = |set: &[Vec<&[u8]>; 3]| {
        let is_empty = |index: &usize| set[*index].iter().all(|value| value.is_empty());
        (0..3).filter(is_empty).collect::<Vec<_>>()
    };
    let other_names = match family {
        HeaderFamily::Svix => HeaderFamily::Webhook,
        _ => HeaderFamily::Svix,
    }
    .headers()
    .map(|header| header.as_str());
    let mut mixed = set.clone();
    for (index, values) in other_set.iter().enumerate() {
        if lacking(&mixed).contains(&index) {
            mixed[index].clone_from(values);
        }
    }
    if complete(&mixed) {
        let taken: Vec<_> = lacking(&set).into_iter().map(|index| other_names[index]).collect();
        let missing: Vec<_> = lacking(&set).into_iter().map(|index| names[index]).collect();
        let fact = format!("{} is not there, and {} is", enumerated(&missing), enumerated(&taken));
        headers.findings.push(Finding::new(Cause::MixedFamilies, fact));
        headers.add(names, &mixed, &[]);
        if complete(&other_set) {
            headers.add_quietly(other_names, &other_set, &[]);
        }
        return headers;
    }
    for index in lacking(&set) {
        let (cause, how) = match set[index].first() {
            Some(_) => (Cause::EmptyHeader, "is there without a value"),
            None => (Cause::MissingHeader, "is not there"),
        };
        headers.findings.push(Finding::new(cause, format!("{} {how}", names[index])));
    }
    headers
}

impl Headers {
    /// Adds the ways in which a complete set can be meant, and what is wrong with it.
    fn add(&mut self, names: [&'static str; 3], set: &[Vec<&[u8]>; 3], findings: &[Finding]) {
        let mut plain = Vec::new();
        for (name, values) in names.into_iter().zip(set) {
            plain.push(self.plain(name, values));
        }
        if let Ok([ids, times, lists]) = <[Vec<Vec<u8>>; 3]>::try_from(plain) {
            if lists.iter().any(|list| signatures::has_more(list)) {
                let (name, most) = (names[2], signatures::MAX_TOKENS);
                self.left_out
                    .push(format!("Of the signatures in {name} only the first {most} were looked at"));
            }
            let times: Vec<Time> = times.iter().flat_map(|time| timestamps::read(time)).collect();
            if let Some(flaw) = times.first().and_then(|time| time.flaw) {
                let fact = timestamps::fact(flaw, names[1], times.first());
                self.findings.push(Finding::new(flaw, fact));
            }
            self.attempts(names[1], &self.ids(names[0], &ids), &times, &lists, findings)
                .into_iter()
                .for_each(|attempt| self.attempts.push(attempt));
            self.look_at_id(names[0], &ids);
            self.attempts.truncate(MAX_ATTEMPTS);
        }
    }

    /// Adds a set that does not count, so what is wrong with its form does not count either.
    fn add_quietly(&mut self, names: [&'static str; 3], set: &[Vec<&[u8]>; 3], findings: &[Finding]) {
        let mut apart = Self::default();
        apart.add(names, set, findings);
        self.attempts.append(&mut apart.attempts);
        self.left_out.append(&mut apart.left_out);
    }

    /// Returns the values without quotes, and says what is wrong with how they stand there.
    fn plain(&mut self, name: &str, values: &[&[u8]]) -> Vec<Vec<u8>> {
        if values.len() > 1 {
            let same = values.iter().all(|value| value == &values[0]);
            let how = if same { "with the same value" } else { "with different values" };
            let fact = format!("{name} is there {} times, {how}", values.len());
            self.findings.push(Finding::new(Cause::RepeatedHeader, fact));
        }
        let mut plain: Vec<Vec<u8>> = Vec::new();
        let mut quoted = false;
        for value in values.iter().filter(|value| !value.is_empty()) {
            let unquoted = unquoted(value);
            quoted |= unquoted.is_some();
            let value = unquoted.unwrap_or(value).to_vec();
            if plain.contains(&value) {
                continue;
            }
            if plain.len() == MAX_VALUES {
                self.left_out
                    .push(format!("Of the values of {name} only the first {MAX_VALUES} were looked at"));
                break;
            }
            plain.push(value);
        }
        if quoted {
            self.findings
                .push(Finding::new(Cause::QuotedHeader, format!("the value of {name} stands in quotes")));
        }
        plain
    }

    /// Returns what the id can be: the value, or a part of what a proxy joined.
    fn ids(&self, name: &str, values: &[Vec<u8>]) -> Vec<(Vec<u8>, Option<Finding>)> {
        let mut ids: Vec<_> = values.iter().map(|value| (value.clone(), None)).collect();
        for value in values {
            let fact = || format!("{name} has several values joined with a comma");
            for part in joined(value) {
                ids.push((part, Some(Finding::new(Cause::JoinedHeader, fact()))));
            }
            if value.iter().any(u8::is_ascii_whitespace) {
                let without = value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                ids.push((without, None));
            }
        }
        ids
    }

    fn look_at_id(&mut self, name: &str, ids: &[Vec<u8>]) {
        let Some(id) = ids.first() else { return };
        let valid = std::str::from_utf8(id).is_ok_and(|id| id.parse::<MessageId>().is_ok());
        if valid {
            return;
        }
        if !joined(id).is_empty() {
            let fact = format!("{name} has several values joined with a comma");
            self.findings.push(Finding::new(Cause::JoinedHeader, fact));
            return;
        }
        let why = if id.len() > MessageId::MAX_LENGTH {
            format!("has {} characters, more than {}", id.len(), MessageId::MAX_LENGTH)
        } else if id.contains(&b'.') {
            "has a dot in it".to_owned()
        } else if id.iter().any(u8::is_ascii_whitespace) {
            "has a blank inside".to_owned()
        } else {
            "has characters that are not visible ASCII".to_owned()
        };
        self.findings.push(Finding::new(Cause::MalformedHeader, format!("{name} {why}: {}", shown(id))));
    }

    fn attempts(
        &self,
        timestamp_header: &'static str,
        ids: &[(Vec<u8>, Option<Finding>)],
        times: &[Time],
        lists: &[Vec<u8>],
        findings: &[Finding],
    ) -> Vec<Attempt> {
        let mut tokens: Vec<Token> = lists.iter().flat_map(|list| signatures::read(list)).collect();
        tokens.sort_by_key(Token::rank);
        let mut attempts = Vec::new();
        for (id, of_id) in ids {
            for time in times {
                let mut findings = findings.to_vec();
                findings.extend(of_id.clone());
                attempts.push(Attempt {
                    id: id.clone(),
                    timestamp: time.text.clone(),
                    seconds: time.seconds,
                    tokens: tokens.clone(),
                    findings,
                    timestamp_header,
                });
            }
        }
        attempts.sort_by_key(|attempt| attempt.findings.len());
        attempts.truncate(MAX_ATTEMPTS);
        attempts
    }
}

/// Looks for the headers under the names that CGI and gateways make of them.
fn renamed(capture: &Capture) -> Option<Headers> {
    let plain_name = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let name = name.strip_prefix("http-").unwrap_or(&name).to_owned();
        name.strip_prefix("x-").map(str::to_owned).unwrap_or(name)
    };
    for family in [HeaderFamily::Svix, HeaderFamily::Webhook] {
        let names = family.headers().map(|header| header.as_str());
        let mut found_names = Vec::new();
        let set = names.map(|name| {
            let same = |(other, _): &&(String, Vec<u8>)| plain_name(other) == name;
            let fields = capture.headers.iter().filter(same);
            fields
                .map(|(other, value)| {
                    found_names.push(shown(other.as_bytes()));
                    value.trim_ascii()
                })
                .collect::<Vec<_>>()
        });
        if set.iter().all(|values| !values.is_empty()) {
            let mut headers = Headers::default();
            let found: Vec<_> = found_names.iter().map(String::as_str).collect();
            let fact = format!("the headers are called {}", enumerated(&found));
            headers.findings.push(Finding::new(Cause::RenamedHeader, fact));
            headers.add(names, &set, &[]);
            return Some(headers);
        }
    }
    None
}

/// Returns the values of a header without blanks and tabs around them.
fn values<'c>(capture: &'c Capture, name: &str) -> Vec<&'c [u8]> {
    let same = |(other, _): &&(String, Vec<u8>)| other.eq_ignore_ascii_case(name);
    capture.headers.iter().filter(same).map(|(_, value)| value.trim_ascii()).collect()
}

fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => Some(inner.trim_ascii()),
        _ => None,
    }
}

/// Returns the parts of `a, b`, each once.
fn joined(value: &[u8]) -> Vec<Vec<u8>> {
    if !value.contains(&b',') {
        return Vec::new();
    }
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for part in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
        if parts.len() < MAX_VALUES && !parts.iter().any(|other| other == part) {
            parts.push(part.to_vec());
        }
    }
    parts
}

fn enumerated(names: &[&str]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => names.concat(),
    }
}
