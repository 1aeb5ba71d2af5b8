//! How deliveries are made: signed by someone who has the secret, then handled by someone who has not.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use clerk_webhook_core::Timestamp;

use crate::case::{Case, Clock, Family};
use crate::key;
use crate::library::Message;
use crate::rules::LONGEST_LIST;
use crate::verdict::Part;

/// What a delivery is made of; times in it are relative to the receiver's clock, which is read late.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The key, and how the receiver has it written down.
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
    /// What stands between them.
    pub separator: &'static str,
    /// What is done to the delivery after it was signed.
    pub changes: Vec<Change>,
    /// The seconds of the receiver's clock, if it is not that of the system.
    pub clock: Option<i64>,
    /// What that clock says beyond whole seconds.
    pub milliseconds: i64,
}

/// A secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The key with which is signed.
    pub key: Vec<u8>,
    /// What the receiver has.
    pub text: SecretText,
}

/// How the receiver of a delivery has the secret written down.
#[derive(Clone, Debug)]
pub enum SecretText {
    /// Like the dashboard shows it.
    Plain,
    /// Without `whsec_`.
    Bare,
    /// With something else in the place of `whsec_`.
    Prefixed(&'static str),
    /// With something around it.
    Within(&'static str, &'static str),
    /// With something at some place of it.
    With(usize, &'static str),
    /// Without so many characters of padding.
    Unpadded(usize),
    /// With bits in the last character that no byte has room for.
    TrailingBits,
    /// In the other alphabet of base64.
    UrlSafe,
    /// Something else.
    Text(String),
}

/// The text of a timestamp.
#[derive(Clone, Debug)]
pub enum Time {
    /// So many seconds after now.
    Near(i64),
    /// The same with something around it.
    Within(&'static str, i64, &'static str),
    /// A number that has nothing to do with now.
    Number(i64),
    /// The least number, plus now and so many seconds: about there `now - timestamp` overflows.
    Least(i64),
    /// Something else.
    Text(Vec<u8>),
}

/// A body.
#[derive(Clone, Debug)]
pub enum Body {
    /// Some bytes.
    Bytes(Vec<u8>),
    /// What is signed begins with a time and a dot, and is cut elsewhere by whoever hands it on: the old
    /// timestamp goes to the id, the time at the beginning of the body becomes the timestamp.
    CutElsewhere(String),
}

/// A token in the list of signatures.
#[derive(Clone, Debug)]
pub enum Token {
    /// What the holder of the secret makes.
    Genuine,
    /// What the holder of another secret makes.
    OfOtherKey,
    /// The genuine signature with another version in front of it.
    Labelled(&'static str),
    /// So many of its characters.
    Beginning(usize),
    /// With something after it.
    Extended(&'static str),
    /// With bits in the last character that no byte has room for.
    TrailingBits,
    /// With another character at some place.
    Mistyped(usize),
    /// In the other alphabet of base64.
    UrlSafe,
    /// In hexadecimal digits.
    Hexadecimal,
    /// Something else.
    Bytes(Vec<u8>),
}

/// Something that is done to a delivery on its way.
#[derive(Clone, Debug)]
pub enum Change {
    /// A header is left out.
    Remove(Part),
    /// Of the family that is read, no other header is left.
    Only(Part),
    /// A header gets the name of the other family.
    Rename(Part),
    /// A header's name is in capitals.
    Capitals(Part),
    /// A header is there again, before or after the first one.
    Repeat(Part, Value, bool),
    /// A header of the other family is there as well.
    Stray(Part, Value),
    /// All headers of the other family are there as well.
    BothFamilies,
    /// A header has another value.
    Set(Part, Value),
    /// A header's value has something around it.
    Wrap(Part, &'static str, &'static str),
    /// A header's value has one more byte at some place.
    Insert(Part, usize, u8),
    /// The timestamp is later by so many seconds.
    Later(i64),
    /// A bit of the body is another one.
    Flip(usize),
    /// The body has something around it.
    WrapBody(&'static [u8], &'static [u8]),
    /// The body has lost its first bytes.
    CutBody(usize),
    /// The body went through a decoder that replaces what is not UTF-8.
    Lossy,
    /// The receiver has another secret.
    OtherSecret,
    /// The list has further tokens in front, so that it has as many as are read at most, and so many more.
    Tokens(isize),
    /// The list has one token more in front, so that it has as many bytes as are read at most, and so many more.
    LongToken(isize),
    /// The headers come in another order.
    Reverse,
}

/// The value of a header that somebody adds.
#[derive(Clone, Debug)]
pub enum Value {
    /// The one of the delivery.
    Same,
    /// Another one.
    Other(Vec<u8>),
}

const OTHER_KEY: &[u8] = b"of somebody else altogether";

impl Recipe {
    /// Makes the delivery for a receiver whose system's clock shows `now`, and tells which message was signed
    /// by someone who has the receiver's secret.
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
        // The key that consists of nothing is nobody's.
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
    /// Returns the key of whoever made it, unless the signature cannot be found in it.
    fn signer<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Self::OfOtherKey => Some(OTHER_KEY),
            // Some texts are the same in both alphabets.
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

/// Sets the lowest bit of the last digit of a base64 text with padding, where it belongs to no byte.
fn with_trailing_bits(text: &str) -> String {
    let digits = text.trim_end_matches('=');
    // In ASCII as in the alphabet, the digit before it has a zero there; except for the last two.
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

/// Returns the family that is read.
fn family(case: &Case) -> Family {
    if case.has(Family::Svix) { Family::Svix } else { Family::Webhook }
}
