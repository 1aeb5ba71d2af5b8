//! A canonical text for JSON: equal JSON values have equal texts.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize as _;
use serde_json::value::RawValue;

/// The nesting depth at which objects and arrays become `null`. Without the application's metadata, Clerk's
/// data is six levels deep.
const DEEPEST: usize = 64;

/// The replacement for values that cannot be written.
const NOTHING: &str = "null";

/// The members that are left out of the canonical text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// No members.
    In,
    /// Private metadata, and secrets that let a reader sign in as another person: backup codes, invitation
    /// links and verification challenges.
    OutPrivate,
}

/// Returns JSON with sorted keys and without white space.
///
/// Omits the members of the outermost object that `without` names.
///
/// The result does not depend on the features of serde_json that an application enables. It is JSON that
/// Postgres accepts: U+0000 becomes U+FFFD, and numbers stay within the range of an `f64`.
pub(crate) fn canonical(json: &str, leave: Leave, without: &[&str]) -> String {
    match serde_json::from_str::<&RawValue>(json) {
        Ok(raw) => canonical_of_valid(raw.get(), leave, without),
        Err(_) => NOTHING.to_owned(),
    }
}

/// Like [`canonical`], for a text that a parser has accepted as JSON.
pub(crate) fn canonical_of_valid(json: &str, leave: Leave, without: &[&str]) -> String {
    let mut writer = Writer { leave, text: String::with_capacity(json.len()) };
    writer.write(&mut Reader { rest: json }, Place { depth: 0, within: Within::Object }, without);
    writer.text
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    within: Within,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Object,
    /// A verification, in which `message` is a challenge.
    Verification,
    /// An invitation, whose `url` lets a reader sign in as the invited person.
    Invitation,
    /// The application's metadata, in which no name is private.
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

/// Reads valid JSON once, from the beginning to the end.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Returns the next byte that is not white space, without consuming it.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.rest.as_bytes();
        match bytes.first() {
            Some(b' ' | b'\n' | b'\r' | b'\t') => {
                self.rest = self.rest.trim_ascii_start();
                self.rest.as_bytes().first().copied()
            }
            first => first.copied(),
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Consumes a comma, a colon or a bracket if it is next.
    fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.take(1);
        }
        is_next
    }

    /// Consumes a string and returns it with its quotation marks.
    fn string(&mut self) -> &'a str {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        self.take(end + 1)
    }

    /// Consumes and returns a number, `true`, `false` or `null`.
    fn word(&mut self) -> &'a str {
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        let end = self.rest.as_bytes().iter().position(ends);
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// Consumes a value of any depth, without recursion.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => drop(self.string()),
                b'{' | b'[' => {
                    self.take(1);
                    depth += 1;
                }
                b'}' | b']' => {
                    self.take(1);
                    depth = depth.saturating_sub(1);
                }
                b',' | b':' => drop(self.take(1)),
                _ => drop(self.word()),
            }
            if depth == 0 {
                return;
            }
        }
    }
}

struct Writer {
    leave: Leave,
    text: String,
}

impl Writer {
    fn write(&mut self, reader: &mut Reader<'_>, place: Place, without: &[&str]) {
        match reader.peek() {
            Some(b'{' | b'[') if place.depth == DEEPEST => {
                reader.skip();
                self.text.push_str(NOTHING);
            }
            Some(b'{') => self.write_object(reader, place, without),
            Some(b'[') => self.write_array(reader, place),
            Some(b'"') => self.write_string(reader.string()),
            Some(b't' | b'f' | b'n') => self.text.push_str(reader.word()),
            _ => self.write_number(reader.word()),
        }
    }

    fn write_object(&mut self, reader: &mut Reader<'_>, place: Place, without: &[&str]) {
        let start = self.text.len();
        let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
        let (mut in_order, mut is_text) = (true, true);
        self.text.push('{');
        reader.take(1);
        while reader.peek() == Some(b'"') {
            let json = reader.string();
            reader.pass(b':');
            match unquoted(json) {
                Some(name) if !self.is_left_out(&name, place, without) => {
                    if !members.is_empty() {
                        self.text.push(',');
                    }
                    let begin = self.text.len();
                    self.push_text(json, &name);
                    self.text.push(':');
                    let within = place.within.of_member(&name);
                    self.write(reader, Place { depth: place.depth + 1, within }, &[]);
                    in_order &= members.last().is_none_or(|(before, _)| *before < name);
                    members.push((name, begin..self.text.len()));
                }
                name => {
                    is_text &= name.is_some();
                    reader.skip();
                }
            }
            reader.pass(b',');
        }
        reader.pass(b'}');
        if !is_text {
            self.text.truncate(start);
            return self.text.push_str(NOTHING);
        }
        if !in_order {
            self.put_in_order(start, members);
        }
        self.text.push('}');
    }

    /// Rewrites the object that begins at `start` with its members sorted by name.
    fn put_in_order(&mut self, start: usize, mut members: Vec<(Cow<'_, str>, Range<usize>)>) {
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut ordered = String::with_capacity(self.text.len() - start);
        let mut members = members.into_iter().peekable();
        while let Some((name, place)) = members.next() {
            // If a name occurs twice, the last member wins, as in JavaScript and Go.
            if members.peek().is_some_and(|(next, _)| *next == name) {
                continue;
            }
            ordered.push_str(if ordered.is_empty() { "{" } else { "," });
            ordered.push_str(&self.text[place]);
        }
        self.text.truncate(start);
        self.text.push_str(&ordered);
    }

    fn is_left_out(&self, name: &str, place: Place, without: &[&str]) -> bool {
        without.contains(&name) || self.leave == Leave::OutPrivate && place.within.is_private(name)
    }

    fn write_array(&mut self, reader: &mut Reader<'_>, place: Place) {
        self.text.push('[');
        reader.take(1);
        while !matches!(reader.peek(), Some(b']') | None) {
            self.write(reader, Place { depth: place.depth + 1, within: place.within }, &[]);
            if !reader.pass(b',') {
                break;
            }
            self.text.push(',');
        }
        reader.pass(b']');
        self.text.push(']');
    }

    fn write_string(&mut self, json: &str) {
        self.push_text(json, &unquoted(json).unwrap_or("\u{fffd}".into()));
    }

    /// Writes a string. Without a backslash, its JSON is canonical already.
    fn push_text(&mut self, json: &str, text: &str) {
        if json.contains('\\') { self.push_string(text) } else { self.text.push_str(json) }
    }

    fn push_string(&mut self, text: &str) {
        let text = if text.contains('\0') { Cow::Owned(crate::value::clean(text)) } else { text.into() };
        // Serializing a string cannot fail.
        self.text.push_str(&serde_json::to_string(&text).unwrap_or_default());
    }

    fn write_number(&mut self, json: &str) {
        /// A number with more characters is converted to an `f64`.
        const LONGEST: usize = 40;
        let is_plain = json.len() <= LONGEST && !json.contains(['e', 'E']);
        let number = if is_plain { None } else { json.parse::<f64>().ok() };
        match number {
            None => self.text.push_str(json),
            // serde_json writes `null` for a number that is not finite.
            Some(number) => self.text.push_str(&serde_json::to_string(&number).unwrap_or_default()),
        }
    }
}

/// Returns a JSON string's text, or `None` if it contains an unpaired surrogate.
fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    if !json.contains('\\') {
        let text = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        return Some(Cow::Borrowed(text.unwrap_or_default()));
    }
    String::deserialize(&mut serde_json::Deserializer::from_str(json)).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(json: &str) -> String {
        canonical(json, Leave::In, &[])
    }

    #[test]
    fn the_order_of_keys_and_white_space_do_not_change_the_text() {
        let canonical = all(r#"{"a":[1,2,{"x":null,"y":true}],"b":"ü\"\n"}"#);
        assert_eq!(canonical, r#"{"a":[1,2,{"x":null,"y":true}],"b":"ü\"\n"}"#);
        assert_eq!(all("{ \"b\": \"\\u00fc\\\"\\n\",\n\"a\": [1, 2, {\"y\":true,\"x\":null}] }"), canonical);
        assert_ne!(all(r#"{"a":[2,1,{"x":null,"y":true}],"b":"ü\"\n"}"#), canonical);
        assert_eq!(all(r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
        let nested = r#"{"b":{"d":1,"c":[{"z":"}","y":"\\"}],"d":2},"a":{},"\u0061":[ ]}"#;
        assert_eq!(all(nested), r#"{"a":[],"b":{"c":[{"y":"\\","z":"}"}],"d":2}}"#);
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        for number in ["0", "-1", "1.10", "12345678901234567890123", "0.1234567890123456789"] {
            assert_eq!(all(number), number);
        }
        assert_eq!(all("1e3"), "1000.0");
        assert_eq!(all(&format!("[1{}]", "0".repeat(50))), "[1e+50]");
    }

    #[test]
    fn any_input_becomes_json_that_databases_accept() {
        assert_eq!(all(r#"{"a\u0000":"\u0000b"}"#), "{\"a\u{fffd}\":\"\u{fffd}b\"}");
        assert_eq!(all(r#"["\ud800"]"#), "[\"\u{fffd}\"]");
        assert_eq!(all(r#"{"\ud800":1}"#), "null");
        assert_eq!(all(r#"[{"b":{"a":1},"\ud800":{"x":[1,"]"]},"c":1},2]"#), "[null,2]");
        for number in ["1e999", "-1e999999999", "1e-999999999"] {
            assert!(["null", "-0.0", "0.0"].contains(&all(number).as_str()), "{number}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(all(&deep), format!("{}null{}", "[".repeat(64), "]".repeat(64)));
        let deep = |depth, end| format!("{}{end}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(all(&deep(70, "1")), deep(64, "null"));
        assert_eq!(all(""), "null");
    }

    #[test]
    fn leaves_out_private_data_but_not_public_metadata() {
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
        // A text that is left out can contain characters that end other values.
        assert_eq!(canonical(r#"{"a":"x,]} ","b":1}"#, Leave::In, &["a"]), r#"{"b":1}"#);
    }
}
