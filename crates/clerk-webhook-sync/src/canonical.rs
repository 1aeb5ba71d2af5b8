//! One text for everything that is the same JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// How deep objects and arrays are followed. What Clerk sends is six deep without the metadata of the application.
const DEEPEST: usize = 64;

/// What stands for something that cannot be written.
const NOTHING: &str = "null";

/// What is left out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Nothing.
    In,
    /// Private metadata, and whatever lets its reader sign in as somebody else: backup codes, links of invitations, the
    /// challenges of a verification.
    OutPrivate,
}

/// Writes JSON with its keys in order and without white space, and no member of the outermost object that is named in
/// `without`.
///
/// It writes the same for the same JSON whatever features of serde_json an application turns on, always comes to an end,
/// and the result is JSON that Postgres takes: U+0000 becomes U+FFFD, and numbers stay within what an `f64` can be.
pub(crate) fn canonical(json: &str, leave: Leave, without: &[&str]) -> String {
    let mut writer = Writer { leave, text: String::with_capacity(json.len()) };
    match serde_json::from_str(json) {
        Ok(raw) => writer.write(raw, Place { depth: 0, within: Within::Object }, without),
        Err(_) => writer.text.push_str(NOTHING),
    }
    writer.text
}

/// Returns the SHA-256 of a text, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    Sha256::digest(text).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    within: Within,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Object,
    /// The state of a verification, where some names mean something else.
    Verification,
    /// An invitation, whose link lets its reader in as the one who was invited.
    Invitation,
    /// What belongs to the application, whatever it is called.
    Metadata,
}

impl Within {
    fn of_member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Metadata, _) | (_, "public_metadata" | "unsafe_metadata") => Self::Metadata,
            (_, "verification") => Self::Verification,
            (_, "invitation") => Self::Invitation,
            _ => Self::Object,
        }
    }

    fn is_private(self, name: &str) -> bool {
        match name {
            "private_metadata" | "backup_codes" | "nonce" | "external_verification_redirect_url" => {
                self != Self::Metadata
            }
            "message" => self == Self::Verification,
            "url" => self == Self::Invitation,
            _ => false,
        }
    }
}

struct Writer {
    leave: Leave,
    text: String,
}

impl Writer {
    fn write(&mut self, raw: &RawValue, place: Place, without: &[&str]) {
        let json = raw.get();
        match json.as_bytes().first() {
            Some(b'{' | b'[') if place.depth == DEEPEST => self.text.push_str(NOTHING),
            Some(b'{') => self.write_object(json, place, without),
            Some(b'[') => self.write_array(json, place),
            Some(b'"') => self.write_string(json),
            Some(b't' | b'f' | b'n') => self.text.push_str(json),
            _ => self.write_number(json),
        }
    }

    fn write_object(&mut self, json: &str, place: Place, without: &[&str]) {
        // Of a name that is there twice the last one counts, as in JavaScript and Go.
        let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(json) else {
            return self.text.push_str(NOTHING);
        };
        let is_left_out = |name: &str| {
            without.contains(&name) || self.leave == Leave::OutPrivate && place.within.is_private(name)
        };
        let members: Vec<_> = members.into_iter().filter(|(name, _)| !is_left_out(name)).collect();
        self.text.push('{');
        for (index, (name, member)) in members.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.push_string(&name);
            self.text.push(':');
            let within = place.within.of_member(&name);
            self.write(member, Place { depth: place.depth + 1, within }, &[]);
        }
        self.text.push('}');
    }

    fn write_array(&mut self, json: &str, place: Place) {
        let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
        self.text.push('[');
        for (index, element) in elements.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.write(element, Place { depth: place.depth + 1, within: place.within }, &[]);
        }
        self.text.push(']');
    }

    fn write_string(&mut self, json: &str) {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        match String::deserialize(&mut deserializer) {
            Ok(text) => self.push_string(&text),
            // Half of a surrogate pair, which is no text.
            Err(_) => self.push_string("\u{fffd}"),
        }
    }

    fn push_string(&mut self, text: &str) {
        let text = if text.contains('\0') { Cow::Owned(crate::value::clean(text)) } else { text.into() };
        // A string can always be written.
        self.text.push_str(&serde_json::to_string(&text).unwrap_or_default());
    }

    fn write_number(&mut self, json: &str) {
        /// Longer than any number that is meant.
        const LONGEST: usize = 40;
        let is_plain = json.len() <= LONGEST && !json.contains(['e', 'E']);
        let number = if is_plain { None } else { json.parse::<f64>().ok() };
        match number {
            None => self.text.push_str(json),
            // What is not finite is `null`.
            Some(number) => self.text.push_str(&serde_json::to_string(&number).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(json: &str) -> String {
        canonical(json, Leave::In, &[])
    }

    #[test]
    fn order_and_spacing_do_not_matter_and_values_do() {
        let canonical = all(r#"{"a":[1,2,{"x":null,"y":true}],"b":"ü\"\n"}"#);
        assert_eq!(canonical, r#"{"a":[1,2,{"x":null,"y":true}],"b":"ü\"\n"}"#);
        assert_eq!(all("{ \"b\": \"\\u00fc\\\"\\n\",\n\"a\": [1, 2, {\"y\":true,\"x\":null}] }"), canonical);
        assert_ne!(all(r#"{"a":[2,1,{"x":null,"y":true}],"b":"ü\"\n"}"#), canonical);
        assert_eq!(all(r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
    }

    #[test]
    fn digits_are_kept() {
        for number in ["0", "-1", "1.10", "12345678901234567890123", "0.1234567890123456789"] {
            assert_eq!(all(number), number);
        }
        assert_eq!(all("1e3"), "1000.0");
        assert_eq!(all(&format!("[1{}]", "0".repeat(50))), "[1e+50]");
    }

    #[test]
    fn whatever_comes_is_written_as_json_that_a_database_takes() {
        assert_eq!(all(r#"{"a\u0000":"\u0000b"}"#), "{\"a\u{fffd}\":\"\u{fffd}b\"}");
        assert_eq!(all(r#"["\ud800"]"#), "[\"\u{fffd}\"]");
        assert_eq!(all(r#"{"\ud800":1}"#), "null");
        for number in ["1e999", "-1e999999999", "1e-999999999"] {
            assert!(["null", "-0.0", "0.0"].contains(&all(number).as_str()), "{number}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(all(&deep), format!("{}null{}", "[".repeat(64), "]".repeat(64)));
        assert_eq!(all(""), "null");
    }

    #[test]
    fn what_is_private_is_left_out_and_what_is_the_applications_is_not() {
        let json = r#"{"id":"user_1","message":"m","private_metadata":{"a":1},
            "phone_numbers":[{"backup_codes":["c"],"verification":{"message":"m","nonce":"n","status":"verified"}}],
            "public_metadata":{"private_metadata":1,"verification":{"message":"m"}}}"#;
        let public = r#"{"id":"user_1","message":"m","phone_numbers":[{"verification":{"status":"verified"}}],"public_metadata":{"private_metadata":1,"verification":{"message":"m"}}}"#;
        assert_eq!(canonical(json, Leave::OutPrivate, &[]), public);
        assert!(all(json).contains(r#""private_metadata":{"a":1}"#));
        let json =
            r#"{"invitation":{"id":"inv_1","url":"u"},"public_metadata":{"invitation":{"url":1}},"url":2}"#;
        let public = r#"{"invitation":{"id":"inv_1"},"public_metadata":{"invitation":{"url":1}},"url":2}"#;
        assert_eq!(canonical(json, Leave::OutPrivate, &[]), public);
        let without = canonical(r#"{"a":{"url":1},"url":2}"#, Leave::In, &["url"]);
        assert_eq!(without, r#"{"a":{"url":1}}"#);
    }

    #[test]
    fn the_digest_is_that_of_everybody() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
