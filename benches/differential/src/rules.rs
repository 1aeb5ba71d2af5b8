//! The documented differences between the libraries.

use std::str;

use crate::case::{Case, Family};
use crate::key;
use crate::library::Library::{self, StandardWebhooks, Svix, SvixWithClock, VulnerableSvix};
use crate::verdict::Reason::{self, Malformed, Missing, NotSeconds, Payload, Repeated, Secret, TooOld};
use crate::verdict::{LibraryVerdict, Part};

/// A documented difference between this project and other libraries.
///
/// A rule states how each side interprets a delivery, and whether the side objects to it. After all rules
/// that apply, each side has a plain delivery, and both sides must give the same verdict about the plain
/// deliveries. A side has several candidates for its verdict about the original delivery: its objections, and
/// its verdict about the plain delivery. The one that comes first in the order of the library's checks must
/// be the actual verdict. Therefore the verdicts are predicted exactly even if several rules apply.
#[derive(Debug)]
pub struct Rule {
    /// The number in the list of differences between the libraries in all languages, from which this project
    /// was designed. Letters mark differences that were found later.
    ///
    /// Missing numbers concern only libraries in other languages. Some of them are in [`POINTS`].
    pub number: &'static str,
    /// A short name.
    pub name: &'static str,
    /// The reason for the difference.
    pub reason: &'static str,
    /// The libraries that differ from this project.
    pub peers: &'static [Library],
    /// Whether the peer accepts unsigned messages because of it.
    pub lets_in: bool,
    applies: fn(&Case) -> bool,
    /// How this project interprets the delivery.
    pub ours: Side,
    /// How the peer interprets the delivery.
    pub peer: Side,
}

impl Rule {
    /// Returns whether both are the same rule.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.number, self.name) == (other.number, other.name)
    }

    /// Returns whether the rule applies to a delivery.
    #[must_use]
    pub fn applies(&self, case: &Case) -> bool {
        (self.applies)(case)
    }
}

/// How a library interprets a delivery.
#[derive(Debug)]
pub struct Side {
    reading: fn(&mut Case),
    /// The objection of the library, if any.
    pub objection: Option<LibraryVerdict>,
}

impl Side {
    /// Rewrites a delivery as the library interprets it.
    pub fn read(&self, case: &mut Case) {
        (self.reading)(case);
    }
}

const fn reads(reading: fn(&mut Case)) -> Side {
    Side { reading, objection: None }
}

const fn refuses(reason: Reason, reading: fn(&mut Case)) -> Side {
    Side { reading, objection: Some(LibraryVerdict::Refused(reason)) }
}

const ALL: &[Library] = Library::PEERS;
const SVIX: &[Library] = &[Svix, SvixWithClock, VulnerableSvix];
const OF_TODAY: &[Library] = &[Svix, SvixWithClock, StandardWebhooks];
/// Libraries that accept an empty key and read negative numbers.
const UNAWARE: &[Library] = &[StandardWebhooks, VulnerableSvix];

/// This project's limits on the list of signatures, in bytes and in tokens.
pub const LONGEST_LIST: (usize, usize) = (16 * 1024, 256);

/// This project's limit on the length of a message id, in bytes.
const LONGEST_ID: usize = 256;

/// All rules. They apply in this order, and each rule sees the delivery as the earlier rules changed it.
pub const RULES: &[Rule] = &[
    Rule {
        number: "1",
        name: "families mixed",
        reason: "this project reads one family: svix-* if it has any header of it; the peer takes missing headers from webhook-*",
        peers: SVIX,
        lets_in: false,
        applies: |case| case.has(Family::Svix) && case.has(Family::Webhook),
        ours: reads(|case| drop_family(case, Family::Webhook)),
        peer: reads(fill_up_family),
    },
    Rule {
        number: "2",
        name: "names svix-*",
        reason: "Clerk sends svix-*; the peer reads only the names of the specification",
        peers: &[StandardWebhooks],
        lets_in: false,
        applies: |case| case.has(Family::Svix),
        ours: reads(take_svix_for_webhook),
        peer: reads(|case| drop_family(case, Family::Svix)),
    },
    Rule {
        number: "3",
        name: "repeated id",
        reason: "Svix never repeats a header, and receivers disagree about which one to use; the peer reads the first",
        peers: ALL,
        lets_in: false,
        applies: |case| case.is_repeated(Part::Id),
        ours: refuses(Repeated(Part::Id), |case| case.keep_first(Part::Id)),
        peer: reads(|case| case.keep_first(Part::Id)),
    },
    Rule {
        number: "3",
        name: "repeated timestamp",
        reason: "Svix never repeats a header, and receivers disagree about which one to use; the peer reads the first",
        peers: ALL,
        lets_in: false,
        applies: |case| case.is_repeated(Part::Timestamp),
        ours: refuses(Repeated(Part::Timestamp), |case| case.keep_first(Part::Timestamp)),
        peer: reads(|case| case.keep_first(Part::Timestamp)),
    },
    Rule {
        number: "3",
        name: "repeated signature",
        reason: "Svix never repeats a header, and receivers disagree about which one to use; the peer reads the first",
        peers: ALL,
        lets_in: false,
        applies: |case| case.is_repeated(Part::Signature),
        ours: refuses(Repeated(Part::Signature), |case| case.keep_first(Part::Signature)),
        peer: reads(|case| case.keep_first(Part::Signature)),
    },
    Rule {
        number: "20",
        name: "id not ASCII",
        reason: "this project checks the age before the form of the id",
        peers: ALL,
        lets_in: false,
        applies: |case| is_foreign(case, Part::Id),
        ours: refuses(Malformed(Part::Id), replace_id),
        peer: refuses(Malformed(Part::Id), replace_id),
    },
    Rule {
        number: "20",
        name: "timestamp not ASCII",
        reason: "this project reports an invalid number, the peer an invalid header",
        peers: ALL,
        lets_in: false,
        applies: |case| is_foreign(case, Part::Timestamp),
        ours: refuses(NotSeconds, replace_timestamp),
        peer: refuses(Malformed(Part::Timestamp), replace_timestamp),
    },
    Rule {
        number: "20",
        name: "signature not ASCII",
        reason: "this project checks the age before the form of the list",
        peers: ALL,
        lets_in: false,
        applies: |case| is_foreign(case, Part::Signature),
        ours: refuses(Malformed(Part::Signature), replace_odd_bytes_in_list),
        peer: refuses(Malformed(Part::Signature), replace_odd_bytes_in_list),
    },
    Rule {
        number: "5",
        name: "dot in the id",
        reason: "the signed content could be split in two ways; the peer accepts both",
        peers: ALL,
        lets_in: true,
        applies: |case| case.value(Part::Id).is_some_and(|id| id.contains(&b'.')),
        ours: refuses(Malformed(Part::Id), replace_id),
        peer: reads(replace_id),
    },
    Rule {
        number: "A",
        name: "blanks around the id",
        reason: "blanks around a value are not part of it (RFC 9110); the peer includes them in the signed content",
        peers: ALL,
        lets_in: false,
        applies: |case| has_blanks_around(case, Part::Id),
        ours: reads(|case| trim(case, Part::Id)),
        peer: reads(replace_id),
    },
    Rule {
        number: "A",
        name: "blanks around the timestamp",
        reason: "blanks around a value are not part of it (RFC 9110); the peer rejects the number",
        peers: ALL,
        lets_in: false,
        applies: |case| has_blanks_around(case, Part::Timestamp),
        ours: reads(|case| trim(case, Part::Timestamp)),
        peer: refuses(NotSeconds, replace_timestamp),
    },
    Rule {
        number: "A",
        name: "tabs around the signature",
        reason: "tabs around a value are not part of it (RFC 9110); the peer treats them as part of a token",
        peers: ALL,
        lets_in: false,
        applies: |case| has_blanks_around(case, Part::Signature) && has_tab(case, Part::Signature),
        ours: reads(|case| trim(case, Part::Signature)),
        peer: reads(replace_tabs_around_list),
    },
    Rule {
        number: "15",
        name: "text of the secret",
        reason: "white space around it, missing padding and trailing bits leave the key unambiguous",
        peers: OF_TODAY,
        lets_in: false,
        applies: |case| key::read(&case.secret).is_some() && !key::is_canonical(&case.secret),
        ours: reads(canonicalize_secret),
        peer: refuses(Secret, canonicalize_secret),
    },
    Rule {
        number: "15",
        name: "text of the secret except padding",
        reason: "as for the current crates, except that this version does not require padding",
        peers: &[VulnerableSvix],
        lets_in: false,
        applies: |case| key::read(&case.secret).is_some() && !key::is_canonical_without_padding(&case.secret),
        ours: reads(canonicalize_secret),
        peer: refuses(Secret, canonicalize_secret),
    },
    Rule {
        number: "14",
        name: "empty key",
        reason: "everyone knows the empty key of `whsec_`; the peer accepts it",
        peers: UNAWARE,
        lets_in: true,
        applies: |case| key_length(case) == Some(0),
        ours: refuses(Secret, replace_key),
        peer: reads(replace_key),
    },
    Rule {
        number: "16",
        name: "short key",
        reason: "a key of less than 128 bits can be guessed, and no sender creates one",
        peers: ALL,
        lets_in: false,
        applies: |case| key_length(case).is_some_and(|length| (1..16).contains(&length)),
        ours: refuses(Secret, replace_key),
        peer: reads(replace_key),
    },
    Rule {
        number: "4",
        name: "empty id",
        reason: "an empty id cannot identify a message; the peer accepts it like any other",
        peers: ALL,
        lets_in: false,
        applies: |case| is_blank(case, Part::Id),
        ours: refuses(Missing(Part::Id), replace_id),
        peer: reads(replace_id),
    },
    Rule {
        number: "4",
        name: "empty timestamp",
        reason: "this project treats it as missing, the peer as an invalid number",
        peers: ALL,
        lets_in: false,
        applies: |case| is_blank(case, Part::Timestamp),
        ours: refuses(Missing(Part::Timestamp), replace_timestamp),
        peer: refuses(NotSeconds, replace_timestamp),
    },
    Rule {
        number: "4",
        name: "empty signature",
        reason: "this project treats it as missing, the peer as a list without a match",
        peers: ALL,
        lets_in: false,
        applies: |case| is_blank(case, Part::Signature),
        ours: refuses(Missing(Part::Signature), replace_list),
        peer: reads(replace_list),
    },
    Rule {
        number: "9",
        name: "timestamp that overflows",
        reason: "this project rejects negative numbers; the peer subtracts, and panics or treats the time as current",
        peers: UNAWARE,
        lets_in: false,
        applies: |case| case.seconds().is_some_and(|seconds| case.now().checked_sub(seconds).is_none()),
        ours: refuses(NotSeconds, replace_timestamp),
        peer: Side {
            reading: replace_timestamp,
            objection: if cfg!(debug_assertions) { Some(LibraryVerdict::Panicked) } else { None },
        },
    },
    Rule {
        number: "6",
        name: "negative timestamp",
        reason: "this project rejects negative numbers; the peer treats the time as very old",
        peers: UNAWARE,
        lets_in: false,
        applies: |case| case.seconds().is_some_and(|seconds| seconds < 0),
        ours: refuses(NotSeconds, replace_timestamp),
        peer: refuses(TooOld, replace_timestamp),
    },
    Rule {
        number: "6",
        name: "sign or leading zero",
        reason: "this project accepts only the canonical text of a number; the peer accepts others",
        peers: ALL,
        lets_in: false,
        applies: |case| {
            let is_other = |seconds: i64| case.value(Part::Timestamp) != Some(seconds.to_string().as_bytes());
            case.seconds().is_some_and(|seconds| seconds >= 0 && is_other(seconds))
        },
        ours: refuses(NotSeconds, canonicalize_timestamp),
        peer: reads(canonicalize_timestamp),
    },
    Rule {
        number: "B",
        name: "blank inside the id",
        reason: "an id has no blanks; the peer accepts any text",
        peers: ALL,
        lets_in: false,
        applies: |case| case.value(Part::Id).is_some_and(|id| id.iter().any(|byte| is_blank_byte(*byte))),
        ours: refuses(Malformed(Part::Id), replace_id),
        peer: reads(replace_id),
    },
    Rule {
        number: "B",
        name: "long id",
        reason: "ids are stored, so their length must be limited",
        peers: ALL,
        lets_in: false,
        applies: |case| case.value(Part::Id).is_some_and(|id| id.len() > LONGEST_ID),
        ours: refuses(Malformed(Part::Id), replace_id),
        peer: reads(replace_id),
    },
    Rule {
        number: "B",
        name: "tab inside the signature",
        reason: "a list has visible characters and spaces; the peer ignores the token with the tab",
        peers: ALL,
        lets_in: false,
        applies: |case| has_tab(case, Part::Signature),
        ours: refuses(Malformed(Part::Signature), replace_odd_bytes_in_list),
        peer: reads(replace_odd_bytes_in_list),
    },
    Rule {
        number: "13",
        name: "partial signature",
        reason: "CVE-2024-21491: the peer compares only the length of the shorter text, so `v1,` matches every signature",
        peers: &[VulnerableSvix],
        lets_in: true,
        applies: has_partial_token,
        ours: reads(spoil_partial_tokens),
        peer: reads(complete_partial_tokens),
    },
    Rule {
        number: "C",
        name: "long list",
        reason: "this project limits the work for a forged list",
        peers: ALL,
        lets_in: false,
        applies: is_long_list,
        ours: refuses(Malformed(Part::Signature), shorten_list),
        peer: reads(shorten_list),
    },
    Rule {
        number: "17",
        name: "body not UTF-8",
        reason: "a signature covers bytes; the peer requires UTF-8",
        peers: ALL,
        lets_in: false,
        applies: |case| str::from_utf8(&case.body).is_err(),
        ours: reads(replace_body),
        peer: refuses(Payload, replace_body),
    },
    Rule {
        number: "D",
        name: "timestamp and signature missing",
        reason: "this project checks for the timestamp first",
        peers: ALL,
        lets_in: false,
        applies: |case| Part::ALL.map(|part| case.value(part).is_some()) == [true, false, false],
        ours: refuses(Missing(Part::Timestamp), replace_list),
        peer: refuses(Missing(Part::Signature), replace_list),
    },
];

/// The replacements for an invalid id, for an invalid body, and for a list without a genuine signature.
const ID: &str = "msg_plain";
const BODY: &str = "plain";
const NO_SIGNATURE: &str = "none";

fn drop_family(case: &mut Case, family: Family) {
    for part in Part::ALL {
        case.remove(family, part);
    }
}

fn fill_up_family(case: &mut Case) {
    for part in Part::ALL {
        if case.values(Family::Svix, part).next().is_some() {
            case.remove(Family::Webhook, part);
        }
        case.rename(Family::Webhook, Family::Svix, part);
    }
}

/// Keeps the headers that this project reads, under the names that the peer reads.
fn take_svix_for_webhook(case: &mut Case) {
    drop_family(case, Family::Webhook);
    for part in Part::ALL {
        case.rename(Family::Svix, Family::Webhook, part);
    }
}

fn replace_id(case: &mut Case) {
    case.change_signed(|case| case.set(Part::Id, ID));
}

fn replace_timestamp(case: &mut Case) {
    case.change_signed(|case| case.set(Part::Timestamp, case.now().to_string()));
}

fn replace_list(case: &mut Case) {
    case.set(Part::Signature, NO_SIGNATURE);
}

fn replace_body(case: &mut Case) {
    case.change_signed(|case| case.body = BODY.into());
}

fn replace_key(case: &mut Case) {
    case.change_signed(|case| case.secret = key::write(&[7; 32]));
}

fn canonicalize_timestamp(case: &mut Case) {
    if let Some(seconds) = case.seconds() {
        case.set(Part::Timestamp, seconds.to_string());
    }
}

fn canonicalize_secret(case: &mut Case) {
    if let Some(key) = key::read(&case.secret) {
        case.secret = key::write(&key);
    }
}

fn key_length(case: &Case) -> Option<usize> {
    key::read(&case.secret).map(|key| key.len())
}

fn is_foreign(case: &Case, part: Part) -> bool {
    case.value(part).is_some_and(|value| !value.is_ascii())
}

fn is_blank_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_blank(case: &Case, part: Part) -> bool {
    case.value(part).is_some_and(|value| value.iter().all(|byte| is_blank_byte(*byte)))
}

fn has_tab(case: &Case, part: Part) -> bool {
    case.value(part).is_some_and(|value| value.contains(&b'\t'))
}

fn has_blanks_around(case: &Case, part: Part) -> bool {
    case.value(part).is_some_and(|value| trimmed(value).len() != value.len())
}

fn trimmed(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !is_blank_byte(*byte);
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value.iter().rposition(is_text).map_or(start, |last| last + 1);
    &value[start..end]
}

fn trim(case: &mut Case, part: Part) {
    let value = trimmed(case.value(part).unwrap_or_default()).to_vec();
    case.set(part, value);
}

/// Replaces tabs and non-ASCII bytes with a character that is valid in a list.
fn replace_odd_bytes_in_list(case: &mut Case) {
    let mut list = case.value(Part::Signature).unwrap_or_default().to_vec();
    for byte in list.iter_mut().filter(|byte| !matches!(byte, b' '..=b'~')) {
        *byte = b'~';
    }
    case.set(Part::Signature, list);
}

fn replace_tabs_around_list(case: &mut Case) {
    let mut list = case.value(Part::Signature).unwrap_or_default().to_vec();
    let start = list.iter().take_while(|byte| is_blank_byte(**byte)).count();
    let inside = start..start + trimmed(&list).len();
    for (place, byte) in list.iter_mut().enumerate() {
        if *byte == b'\t' && !inside.contains(&place) {
            *byte = b'~';
        }
    }
    case.set(Part::Signature, list);
}

fn is_long_list(case: &Case) -> bool {
    let (bytes, tokens) = LONGEST_LIST;
    let list = trimmed(case.value(Part::Signature).unwrap_or_default());
    list.len() > bytes || list.split(|byte| *byte == b' ').count() > tokens
}

fn shorten_list(case: &mut Case) {
    let genuine = case.genuine_token();
    let is_there = genuine.as_deref().is_some_and(|genuine| case.tokens().any(|token| token == genuine));
    case.set(Part::Signature, genuine.filter(|_| is_there).unwrap_or(NO_SIGNATURE.into()));
}

fn has_partial_token(case: &Case) -> bool {
    let genuine = case.genuine_token();
    genuine.is_some_and(|genuine| case.tokens().any(|token| is_part(token, &genuine)))
}

fn complete_partial_tokens(case: &mut Case) {
    replace_partial_tokens(case, |_, genuine| genuine.to_vec());
}

/// Keeps the length of each token, because the length of the list is limited too.
fn spoil_partial_tokens(case: &mut Case) {
    replace_partial_tokens(case, |token, _| [b"~", &token[1..]].concat());
}

fn replace_partial_tokens(case: &mut Case, replacement: fn(&[u8], &[u8]) -> Vec<u8>) {
    let Some(genuine) = case.genuine_token() else { return };
    let replaced = |token: &[u8]| {
        if is_part(token, &genuine) { replacement(token, &genuine) } else { token.to_vec() }
    };
    let tokens: Vec<_> = case.tokens().map(replaced).collect();
    case.set(Part::Signature, tokens.join(&b' '));
}

/// Returns whether one of two different texts is a prefix of the other.
fn is_part(token: &[u8], genuine: &[u8]) -> bool {
    let is_beginning = genuine.starts_with(token) || token.starts_with(genuine);
    token.starts_with(b"v1,") && token != genuine && is_beginning
}

/// A point on which the crates and this project agree, although libraries in other languages differ or
/// mistakes are common.
#[derive(Debug)]
pub struct Point {
    /// As [`Rule::number`].
    pub number: &'static str,
    /// A short name.
    pub name: &'static str,
    applies: fn(&Case) -> bool,
}

impl Point {
    /// Returns whether a delivery touches the point.
    #[must_use]
    pub fn applies(&self, case: &Case) -> bool {
        (self.applies)(case)
    }
}

/// All points.
pub const POINTS: &[Point] = &[
    Point {
        number: "7",
        name: "fraction of a second in the timestamp",
        applies: |case| case.value(Part::Timestamp).is_some_and(|text| text.contains(&b'.')),
    },
    Point { number: "8", name: "300 s old", applies: |case| is_aged(case, 300) },
    Point { number: "8", name: "301 s old", applies: |case| is_aged(case, 301) },
    Point { number: "8", name: "300 s in the future", applies: |case| is_aged(case, -300) },
    Point { number: "8", name: "301 s in the future", applies: |case| is_aged(case, -301) },
    Point {
        number: "9",
        name: "timestamp beyond 64 bits",
        applies: |case| {
            case.value(Part::Timestamp).is_some_and(|text| {
                text.len() >= 19 && text[0] != b'0' && text.iter().all(u8::is_ascii_digit)
            }) && case.seconds().is_none()
        },
    },
    Point {
        number: "10",
        name: "token without comma",
        applies: |case| case.tokens().any(|token| !token.is_empty() && !token.contains(&b',')),
    },
    Point {
        number: "10",
        name: "two spaces between tokens",
        applies: |case| {
            case.value(Part::Signature).is_some_and(|list| list.windows(2).any(|pair| pair == b"  "))
        },
    },
    Point {
        number: "11",
        name: "extra comma in a token",
        applies: |case| case.tokens().any(|token| token.iter().filter(|byte| **byte == b',').count() > 1),
    },
    Point {
        number: "12",
        name: "non-canonical text of the signature",
        applies: |case| {
            let signature = |token: &[u8]| key::read(str::from_utf8(token.strip_prefix(b"v1,")?).ok()?);
            case.genuine_token().is_some_and(|genuine| {
                let is_other = |token: &[u8]| token != genuine && signature(token) == signature(&genuine);
                case.tokens().any(is_other)
            })
        },
    },
    Point { number: "13", name: "partial signature", applies: has_partial_token },
    Point { number: "15", name: "invalid secret", applies: |case| key::read(&case.secret).is_none() },
    Point { number: "18", name: "byte order mark", applies: |case| case.body.starts_with(b"\xef\xbb\xbf") },
    Point { number: "19", name: "empty body", applies: |case| case.body.is_empty() },
    Point {
        number: "21",
        name: "token of another version",
        applies: |case| case.tokens().any(|token| token.contains(&b',') && !token.starts_with(b"v1,")),
    },
];

fn is_aged(case: &Case, age: i64) -> bool {
    case.seconds().and_then(|seconds| case.now().checked_sub(seconds)) == Some(age)
}
