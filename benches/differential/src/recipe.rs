//! Recipes of deliveries: signed by the holder of the secret, then changed without the secret.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use clerk_webhook_core::Timestamp;

use crate::case::{Case, Clock, Family};
use crate::key;
use crate::library::Message;
use crate::rules::LONGEST_LIST;
use crate::verdict::Part;

/// The description of a delivery. Its times are relative to the receiver's clock, which is read when the
/// delivery is created.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The key, and its text at the receiver.
    pub secret: Secret,
    /// The names of the headers.
    pub family: Family,
    /// The id.
    pub id: Vec<u8>,
    /// The timestamp.
    pub time: Time,
    /// The body.
    pub body: Body,
    /// The list of signatures.
    pub tokens: Vec<Token>,
    /// The text between signatures.
    pub separator: &'static str,
    /// The changes after signing.
    pub changes: Vec<Change>,
    /// The seconds of the receiver's clock, or `None` for the system clock.
    pub clock: Option<i64>,
    /// The milliseconds of that clock.
    pub milliseconds: i64,
}

/// A secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The signing key.
    pub key: Vec<u8>,
    /// The text at the receiver.
    pub text: SecretText,
}

/// The text of a secret at the receiver.
#[derive(Clone, Debug)]
pub enum SecretText {
    /// As the dashboard shows it.
    Plain,
    /// Without `whsec_`.
    Bare,
    /// With a different prefix instead of `whsec_`.
    Prefixed(&'static str),
    /// With text before and after it.
    Within(&'static str, &'static str),
    /// With text inserted at a position.
    With(usize, &'static str),
    /// Without a number of padding characters.
    Unpadded(usize),
    /// With trailing bits set in the last character.
    TrailingBits,
    /// In the URL-safe alphabet of base64.
    UrlSafe,
    /// Any other text.
    Text(String),
}

/// The text of a timestamp.
#[derive(Clone, Debug)]
pub enum Time {
    /// A number of seconds after now.
    Near(i64),
    /// The same with text before and after it.
    Within(&'static str, i64, &'static str),
    /// A number independent of the clock.
    Number(i64),
    /// `i64::MIN` plus now and a number of seconds, where `now - timestamp` starts to overflow.
    Least(i64),
    /// Any other bytes.
    Text(Vec<u8>),
}

/// A body.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The signed body begins with a time and a dot, and the attacker splits the signed content elsewhere:
    /// the original timestamp moves into the id, and the time at the beginning of the body becomes the
    /// timestamp.
    CutElsewhere(String),
}

/// A token in the list of signatures.
#[derive(Clone, Debug)]
pub enum Token {
    /// The signature by the holder of the secret.
    Genuine,
    /// A signature with a different key.
    OfOtherKey,
    /// The genuine signature with a different version prefix.
    Labelled(&'static str),
    /// The first characters of the genuine signature.
    Beginning(usize),
    /// The genuine signature with text after it.
    Extended(&'static str),
    /// With trailing bits set in the last character.
    TrailingBits,
    /// With one wrong character.
    Mistyped(usize),
    /// In the URL-safe alphabet of base64.
    UrlSafe,
    /// In hexadecimal.
    Hexadecimal,
    /// Any other bytes.
    Bytes(Vec<u8>),
}

/// A change of a delivery between sender and receiver.
#[derive(Clone, Debug)]
pub enum Change {
    /// Removes a header.
    Remove(Part),
    /// Removes the two other headers of the family.
    Only(Part),
    /// Gives a header the name from the other family.
    Rename(Part),
    /// Writes a header's name in capitals.
    Capitals(Part),
    /// Repeats a header, before or after the others.
    Repeat(Part, Value, bool),
    /// Adds a header of the other family.
    Stray(Part, Value),
    /// Adds all headers of the other family.
    BothFamilies,
    /// Replaces a header's value.
    Set(Part, Value),
    /// Adds text before and after a header's value.
    Wrap(Part, &'static str, &'static str),
    /// Inserts a byte into a header's value.
    Insert(Part, usize, u8),
    /// Adds seconds to the timestamp.
    Later(i64),
    /// Flips a bit of the body.
    Flip(usize),
    /// Adds bytes before and after the body.
    WrapBody(&'static [u8], &'static [u8]),
    /// Removes the first bytes of the body.
    CutBody(usize),
    /// Replaces invalid UTF-8 in the body with replacement characters.
    Lossy,
    /// Gives the receiver a different secret.
    OtherSecret,
    /// Adds tokens before the list, up to the maximum number of tokens plus this number.
    Tokens(isize),
    /// Adds a token before the list, up to the maximum length of the list plus this number of bytes.
    LongToken(isize),
    /// Reverses the order of the headers.
    Reverse,
}

/// The value of an added header.
#[derive(Clone, Debug)]
pub enum Value {
    /// The value that the delivery has.
    Same,
    /// Another value.
    Other(Vec<u8>),
}

const OTHER_KEY: &[u8] = b"the key of an unrelated app";

impl Recipe {
    /// Creates the delivery for a receiver whose system clock shows `now`. Also returns the message that was
    /// signed with the receiver's secret, if any.
    #[must_use]
    pub fn make(&self, now: i64) -> (Case, Option<Message>) {
        let now = self.clock.unwrap_or(now);
        let clock = Clock {
            now: Timestamp::from_millis(now.saturating_mul(1000).saturating_add(self.milliseconds)),
            is_of_system: self.clock.is_none(),
        };
        let id = self.id.clone();
        let timestamp = self.time.text(now);
        let seconds = str::from_utf8(&timestamp).ok().and_then(|text| text.parse::<i64>().ok());
        let signed_timestamp = seconds.map_or(timestamp.clone(), |seconds| seconds.to_string().into_bytes());
        let body = match &self.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::CutElsewhere(rest) => format!("{now}.{rest}").into_bytes(),
        };
        let key = &self.secret.key;
        let sign = |key: &[u8]| key::mac(key, &id, &signed_timestamp, &body);
        let (genuine, of_other_key) = (sign(key), sign(OTHER_KEY));
        let tokens: Vec<_> = self.tokens.iter().map(|token| token.text(&genuine, &of_other_key)).collect();

        let field = |part, value: &[u8]| (self.family.name(part).to_owned(), value.to_vec());
        let mut case = Case {
            secret: self.secret.text.of(key),
            headers: vec![
                field(Part::Id, &id),
                field(Part::Timestamp, &timestamp),
                field(Part::Signature, &tokens.join(self.separator.as_bytes())),
            ],
            body: body.clone(),
            clock,
        };
        if let Body::CutElsewhere(rest) = &self.body {
            case.set(Part::Id, [&id, &b"."[..], &signed_timestamp].concat());
            case.set(Part::Timestamp, now.to_string());
            case.body = rest.clone().into_bytes();
        }
        for change in &self.changes {
            change.apply(&mut case);
        }

        let receivers_key = key::read(&case.secret);
        let signed_by = |token: &Token| token.signer(key).filter(|signer| !signer.is_empty());
        // A signature with the empty key does not count: everyone has this key.
        let is_signed =
            self.tokens.iter().filter_map(signed_by).any(|signer| Some(signer) == receivers_key.as_deref());
        let message = seconds.filter(|_| is_signed).map(|seconds| Message { id, seconds, body });
        (case, message)
    }
}

impl SecretText {
    fn of(&self, key: &[u8]) -> String {
        let text = key::write(key);
        let encoded = STANDARD.encode(key);
        match self {
            Self::Plain => text,
            Self::Bare => encoded,
            Self::Prefixed(prefix) => format!("{prefix}{encoded}"),
            Self::Within(before, after) => format!("{before}{text}{after}"),
            Self::With(place, inserted) => {
                let (start, end) = text.split_at(place % (text.len() + 1));
                format!("{start}{inserted}{end}")
            }
            Self::Unpadded(count) => {
                let padding = text.len() - text.trim_end_matches('=').len();
                text[..text.len() - padding.min(*count)].to_owned()
            }
            Self::TrailingBits => with_trailing_bits(&text),
            Self::UrlSafe => format!("whsec_{}", URL_SAFE.encode(key)),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Time {
    fn text(&self, now: i64) -> Vec<u8> {
        match self {
            Self::Near(later) => now.saturating_add(*later).to_string().into_bytes(),
            Self::Within(before, later, after) => {
                format!("{before}{}{after}", now.saturating_add(*later)).into_bytes()
            }
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Least(later) => {
                i64::MIN.saturating_add(now).saturating_add(*later).to_string().into_bytes()
            }
            Self::Text(text) => text.clone(),
        }
    }
}

impl Token {
    /// Returns the key that created the token, or `None` if the token contains no complete signature.
    fn signer<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Self::OfOtherKey => Some(OTHER_KEY),
            // Some signatures are the same in both alphabets.
            Self::Genuine | Self::Labelled(_) | Self::Extended(_) | Self::UrlSafe => Some(key),
            _ => None,
        }
    }

    fn text(&self, genuine: &[u8; 32], of_other_key: &[u8; 32]) -> Vec<u8> {
        let encoded = STANDARD.encode(genuine);
        let text = match self {
            Self::Genuine => format!("v1,{encoded}"),
            Self::OfOtherKey => format!("v1,{}", STANDARD.encode(of_other_key)),
            Self::Labelled(label) => format!("{label}{encoded}"),
            Self::Beginning(count) => format!("v1,{}", &encoded[..count % encoded.len()]),
            Self::Extended(more) => format!("v1,{encoded}{more}"),
            Self::TrailingBits => format!("v1,{}", with_trailing_bits(&encoded)),
            Self::Mistyped(place) => {
                let place = place % encoded.len();
                let typed = if &encoded[place..=place] == "A" { "B" } else { "A" };
                format!("v1,{}{typed}{}", &encoded[..place], &encoded[place + 1..])
            }
            Self::UrlSafe => format!("v1,{}", URL_SAFE.encode(genuine)),
            Self::Hexadecimal => {
                let digits: Vec<_> = genuine.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("v1,{}", digits.concat())
            }
            Self::Bytes(bytes) => return bytes.clone(),
        };
        text.into_bytes()
    }
}

/// Sets the lowest bit of the last digit of a base64 text with padding. This bit belongs to no byte.
fn with_trailing_bits(text: &str) -> String {
    let digits = text.trim_end_matches('=');
    // The lowest bit of this digit is 0, so the next digit of the alphabet sets it. That is also the next
    // character in ASCII, except after `+`.
    let next = |digit: u8| if digit == b'+' { b'/' } else { digit + 1 };
    match digits.as_bytes() {
        [start @ .., last] if digits.len() != text.len() => {
            let start = String::from_utf8_lossy(start);
            format!("{start}{}{}", char::from(next(*last)), &text[digits.len()..])
        }
        _ => text.to_owned(),
    }
}

impl Change {
    fn apply(&self, case: &mut Case) {
        match self {
            Self::Remove(part) => case.remove(family(case), *part),
            Self::Only(part) => {
                let family = family(case);
                Part::ALL
                    .into_iter()
                    .filter(|other| other != part)
                    .for_each(|other| case.remove(family, other));
            }
            Self::Rename(part) => {
                let family = family(case);
                case.rename(family, family.other(), *part);
            }
            Self::Capitals(part) => {
                for (name, _) in &mut case.headers {
                    if [Family::Svix, Family::Webhook].iter().any(|family| family.name(*part) == name) {
                        name.make_ascii_uppercase();
                    }
                }
            }
            Self::Repeat(part, value, first) => {
                let field = (family(case).name(*part).to_owned(), value.of(case, *part));
                let place = if *first { 0 } else { case.headers.len() };
                case.headers.insert(place, field);
            }
            Self::Stray(part, value) => {
                let field = (family(case).other().name(*part).to_owned(), value.of(case, *part));
                case.headers.push(field);
            }
            Self::BothFamilies => {
                let others = Part::ALL
                    .map(|part| (family(case).other().name(part).to_owned(), Value::Same.of(case, part)));
                case.headers.extend(others);
            }
            Self::Set(part, value) => {
                let value = value.of(case, *part);
                case.set(*part, value);
            }
            Self::Wrap(part, before, after) => {
                let value = Value::Same.of(case, *part);
                case.set(*part, [before.as_bytes(), &value, after.as_bytes()].concat());
            }
            Self::Insert(part, place, byte) => {
                let mut value = Value::Same.of(case, *part);
                value.insert(place % (value.len() + 1), *byte);
                case.set(*part, value);
            }
            Self::Later(seconds) => {
                if let Some(later) = case.seconds().and_then(|before| before.checked_add(*seconds)) {
                    case.set(Part::Timestamp, later.to_string());
                }
            }
            Self::Flip(place) => {
                if !case.body.is_empty() {
                    let bits = case.body.len() * 8;
                    case.body[place % bits / 8] ^= 1 << (place % 8);
                }
            }
            Self::WrapBody(before, after) => case.body = [before, &case.body[..], after].concat(),
            Self::CutBody(count) => {
                case.body.drain(..(*count).min(case.body.len()));
            }
            Self::Lossy => case.body = String::from_utf8_lossy(&case.body).into_owned().into_bytes(),
            Self::OtherSecret => case.secret = key::write(OTHER_KEY),
            Self::Tokens(more) => {
                let list = Value::Same.of(case, Part::Signature);
                let wanted = LONGEST_LIST.1.saturating_add_signed(*more);
                let before = "v2,x ".repeat(wanted.saturating_sub(case.tokens().count()));
                case.set(Part::Signature, [before.as_bytes(), &list].concat());
            }
            Self::LongToken(more) => {
                let list = Value::Same.of(case, Part::Signature);
                let wanted = LONGEST_LIST.0.saturating_add_signed(*more);
                let before = "x".repeat(wanted.saturating_sub(list.len() + 1)) + " ";
                case.set(Part::Signature, [before.as_bytes(), &list].concat());
            }
            Self::Reverse => case.headers.reverse(),
        }
    }
}

impl Value {
    fn of(&self, case: &Case, part: Part) -> Vec<u8> {
        match self {
            Self::Same => case.value(part).unwrap_or_default().to_vec(),
            Self::Other(value) => value.clone(),
        }
    }
}

/// Returns the family that this project reads.
fn family(case: &Case) -> Family {
    if case.has(Family::Svix) { Family::Svix } else { Family::Webhook }
}
