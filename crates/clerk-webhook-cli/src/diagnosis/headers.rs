//! Reads the three signature headers, including malformed ones.

use clerk_webhook_core::{HeaderFamily, MessageId};

use super::cause::Cause;
use super::finding::{Finding, shown};
use super::signatures::{self, Form, Token};
use super::timestamps::{self, Reading as Time};
use crate::capture::Capture;

/// The maximum number of interpretations of a request's headers.
const MAX_ATTEMPTS: usize = 24;
/// The maximum number of values that are checked for one header.
const MAX_VALUES: usize = 4;

/// The headers and their interpretations.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Problems that exist in every interpretation.
    pub(super) findings: Vec<Finding>,
    /// The interpretations, the likeliest first; empty if a header is missing.
    pub(super) attempts: Vec<Attempt>,
    /// Sentences about values that were not checked.
    pub(super) left_out: Vec<String>,
    /// Whether the request also contains headers of the other family, which are ignored.
    pub(super) stray: bool,
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

impl Attempt {
    /// Returns the problem with the signatures if none of them is well-formed.
    pub(super) fn unreadable(&self) -> Option<Finding> {
        let first = self.tokens.first()?;
        if let Form::Beginning(text) = &first.form {
            // No MAC begins with this text, so "truncated" would be a guess.
            let fact = format!("the signature has {} base64 characters instead of 44", text.len());
            let by_length = match text.len() {
                27 => format!("{fact}, the length of an HMAC-SHA-1"),
                _ => fact,
            };
            return Some(Finding::new(Cause::SignatureUnreadable, by_length));
        }
        first.flaws.first().map(|cause| of_signature(*cause, &first.form))
    }
}

/// Returns the finding for a flaw of a signature.
pub(super) fn of_signature(cause: Cause, form: &Form) -> Finding {
    let fact = match cause {
        Cause::JoinedHeader => {
            "the signatures are joined with a comma, as proxies join repeated headers".to_owned()
        }
        Cause::SignatureWithoutVersion => "the signature does not begin with v1,".to_owned(),
        Cause::SignatureSeparator => {
            "the version and the signature are not separated by exactly one comma".to_owned()
        }
        Cause::SignatureOtherVersion => "the version of the signature is not v1".to_owned(),
        Cause::OnlyAsymmetricSignatures => "all signatures are v1a signatures (Ed25519)".to_owned(),
        Cause::SignatureUrlSafe => {
            "the signature is encoded with the URL-safe base64 alphabet (- and _)".to_owned()
        }
        Cause::SignatureUnpadded => "the = at the end of the signature is missing".to_owned(),
        Cause::SignatureHex => "the signature is hexadecimal".to_owned(),
        Cause::SignaturePercentEncoded => "the signature is URL-encoded (%2B, %2F, %3D)".to_owned(),
        Cause::SignaturePlusLost => "the plus signs of the signature were replaced by spaces".to_owned(),
        Cause::SignatureCaseLost => "the signature was converted to lower or upper case".to_owned(),
        Cause::SignatureTruncated => "the end of the signature is missing".to_owned(),
        Cause::SignatureOtherHash => {
            "the signature has 64 bytes, the length of an HMAC-SHA-512, instead of 32".to_owned()
        }
        Cause::SignatureUnreadable => match form {
            Form::Unreadable(Some(length)) => format!("the signature has {length} bytes instead of 32"),
            _ => "the signature is not base64".to_owned(),
        },
        _ => "the base64 of the signature is not canonical".to_owned(),
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
            let fact = "svix-id, svix-timestamp and svix-signature are missing";
            Headers { findings: vec![Finding::new(Cause::MissingHeader, fact)], ..Headers::default() }
        });
    };
    let names = family.headers().map(|header| header.as_str());
    headers.stray = any(&other_set);
    if complete(&set) {
        headers.add(names, &set, &[]);
        if complete(&other_set) {
            let fact = "both svix-* and webhook-* headers exist and differ: svix-* takes precedence, but webhook-* was signed";
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
        let fact = format!("{} is missing, but {} exists", enumerated(&missing), enumerated(&taken));
        headers.findings.push(Finding::new(Cause::MixedFamilies, fact));
        headers.add(names, &mixed, &[]);
        if complete(&other_set) {
            headers.add_quietly(other_names, &other_set, &[]);
        }
        return headers;
    }
    for index in lacking(&set) {
        let (cause, how) = match set[index].first() {
            Some(_) => (Cause::EmptyHeader, "is empty"),
            None => (Cause::MissingHeader, "is missing"),
        };
        headers.findings.push(Finding::new(cause, format!("{} {how}", names[index])));
    }
    headers
}

impl Headers {
    /// Adds the interpretations of a complete set of headers, and the problems of the set.
    fn add(&mut self, names: [&'static str; 3], set: &[Vec<&[u8]>; 3], findings: &[Finding]) {
        let mut plain = Vec::new();
        for (name, values) in names.into_iter().zip(set) {
            plain.push(self.plain(name, values));
        }
        if let Ok([ids, times, lists]) = <[Vec<Vec<u8>>; 3]>::try_from(plain) {
            if lists.iter().any(|list| signatures::has_more(list)) {
                let (name, most) = (names[2], signatures::MAX_TOKENS);
                self.left_out.push(format!("Only the first {most} signatures in {name} were checked"));
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

    /// Adds the interpretations of a set of headers that is ignored, without the problems of the set.
    fn add_quietly(&mut self, names: [&'static str; 3], set: &[Vec<&[u8]>; 3], findings: &[Finding]) {
        let mut apart = Self::default();
        apart.add(names, set, findings);
        self.attempts.append(&mut apart.attempts);
        self.left_out.append(&mut apart.left_out);
    }

    /// Returns the values without quotes, and records quoted or repeated values as problems.
    fn plain(&mut self, name: &str, values: &[&[u8]]) -> Vec<Vec<u8>> {
        if values.len() > 1 {
            let same = values.iter().all(|value| value == &values[0]);
            let how = if same { "with the same value" } else { "with different values" };
            let fact = format!("{name} occurs {} times {how}", values.len());
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
                self.left_out.push(format!("Only the first {MAX_VALUES} values of {name} were checked"));
                break;
            }
            plain.push(value);
        }
        if quoted {
            self.findings
                .push(Finding::new(Cause::QuotedHeader, format!("the value of {name} is in quotes")));
        }
        plain
    }

    /// Returns the candidates for the id: the value, or a part of a value that a proxy joined.
    fn ids(&self, name: &str, values: &[Vec<u8>]) -> Vec<(Vec<u8>, Option<Finding>)> {
        let mut ids: Vec<_> = values.iter().map(|value| (value.clone(), None)).collect();
        for value in values {
            let fact = || format!("{name} contains several values joined with a comma");
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
            let fact = format!("{name} contains several values joined with a comma");
            self.findings.push(Finding::new(Cause::JoinedHeader, fact));
            return;
        }
        let why = if id.len() > MessageId::MAX_LENGTH {
            format!("has {} characters, but at most {} are allowed", id.len(), MessageId::MAX_LENGTH)
        } else if id.contains(&b'.') {
            "contains a dot".to_owned()
        } else if id.iter().any(u8::is_ascii_whitespace) {
            "contains whitespace".to_owned()
        } else {
            "contains characters that are not visible ASCII".to_owned()
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

/// Looks for the headers under the names that CGI and gateways produce.
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
            let fact = format!("the headers are named {}", enumerated(&found));
            headers.findings.push(Finding::new(Cause::RenamedHeader, fact));
            headers.add(names, &set, &[]);
            return Some(headers);
        }
    }
    None
}

/// Returns the trimmed values of a header.
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

/// Returns the distinct parts of `a, b`, or nothing for a value without a comma.
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
