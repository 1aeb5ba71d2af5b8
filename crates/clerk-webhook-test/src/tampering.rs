//! The faults of a delivery, and their effect on headers and body.

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp};
use serde_json::Value;

/// The skew of stale and future deliveries, in seconds: twice the tolerance of `Verifier` and of Svix's
/// libraries. A larger value would hide a verifier with an excessive tolerance.
pub(crate) const OUT_OF_DATE: i64 = 10 * 60;

/// The faults of a delivery.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tampering {
    /// The offset of the time of signing, in seconds.
    pub(crate) skew: i64,
    pub(crate) has_wrong_secret: bool,
    pub(crate) is_reserialized: bool,
    pub(crate) is_cut_short: bool,
    pub(crate) is_altered: bool,
    /// The faults of each header, in the order of [`Field`].
    fields: [FieldTampering; 4],
}

/// The faults of one header.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldTampering {
    pub(crate) value: Option<String>,
    pub(crate) is_repeated: bool,
    pub(crate) is_missing: bool,
}

/// A header that every delivery has, regardless of the header family.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    ContentType,
    Id,
    Timestamp,
    Signature,
}

impl Field {
    #[track_caller]
    pub(crate) fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => Self::ContentType,
            "svix-id" | "webhook-id" => Self::Id,
            "svix-timestamp" | "webhook-timestamp" => Self::Timestamp,
            "svix-signature" | "webhook-signature" => Self::Signature,
            #[expect(clippy::panic, reason = "documented by the callers; a test should fail")]
            _ => panic!("{name:?} is not a header of a delivery: use a name such as svix-id"),
        }
    }
}

impl Tampering {
    pub(crate) fn field(&mut self, field: Field) -> &mut FieldTampering {
        let [content_type, id, timestamp, signature] = &mut self.fields;
        match field {
            Field::ContentType => content_type,
            Field::Id => id,
            Field::Timestamp => timestamp,
            Field::Signature => signature,
        }
    }

    /// Returns the time of signing, with the skew.
    pub(crate) fn time(&self, at: Timestamp) -> Timestamp {
        if self.skew == 0 {
            return at;
        }
        // A negative timestamp would be rejected as malformed, not as too old.
        Timestamp::from_secs(at.as_secs().saturating_add(self.skew).max(0))
    }

    /// Returns the secret that replaces all others, if any.
    pub(crate) fn secret(&self) -> Option<SigningSecret> {
        self.has_wrong_secret.then(|| SigningSecret::from_bytes(b"that no receiver has").ok()).flatten()
    }

    /// Returns whether the test has set the value of the signature header. Such a delivery has a signature even
    /// if it has no secret.
    pub(crate) fn has_signature(&self) -> bool {
        let [.., signature] = &self.fields;
        signature.value.is_some()
    }

    /// Applies the faults to headers in the order of [`Field`]. The signature may be missing.
    pub(crate) fn headers(
        &self,
        headers: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Vec<(&'static str, String)> {
        let mut sent = Vec::with_capacity(self.fields.len() + 1);
        for ((name, value), tampering) in headers.into_iter().zip(&self.fields) {
            if tampering.is_missing {
                continue;
            }
            let value = tampering.value.clone().unwrap_or(value);
            if tampering.is_repeated {
                sent.push((name, value.clone()));
            }
            sent.push((name, value));
        }
        sent
    }

    pub(crate) fn body(&self, signed: Bytes) -> Bytes {
        let mut body = signed;
        if self.is_reserialized {
            body = reserialize(&body);
        }
        if self.is_cut_short {
            body.truncate(body.len() / 2);
        }
        if self.is_altered {
            body = alter(&body);
        }
        body
    }
}

/// Serializes JSON with indentation and a trailing line break, or compactly if the body already has this
/// form.
fn reserialize(body: &Bytes) -> Bytes {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    let pretty = Bytes::from(format!("{json:#}\n"));
    if pretty == body { json.to_string().into() } else { pretty }
}

/// Changes one byte: the last byte of the first id, or else the first letter or digit. Without any, it
/// appends a space.
fn alter(body: &[u8]) -> Bytes {
    let mut altered = body.to_vec();
    let letter = end_of_id(body).or_else(|| body.iter().position(u8::is_ascii_alphanumeric));
    match letter.and_then(|index| altered.get_mut(index)) {
        Some(letter) => *letter = if *letter == b'0' { b'1' } else { b'0' },
        None => altered.push(b' '),
    }
    altered.into()
}

/// Finds the last character of the first member `id` that is a string without escapes and ends in a letter or
/// digit.
fn end_of_id(body: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\"id\"";
    let name = body.windows(NAME.len()).position(|window| window == NAME)?;
    let rest = body.get(name + NAME.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    let start = body.len() - rest.len();
    let end = start + rest.iter().position(|byte| *byte == b'"')?;
    if body.get(start..end)?.contains(&b'\\') {
        return None;
    }
    let last = end.checked_sub(1).filter(|last| *last >= start)?;
    body.get(last)?.is_ascii_alphanumeric().then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn altered(body: &str) -> String {
        String::from_utf8(alter(body.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn alters_an_id_if_possible() {
        assert_eq!(altered(r#"{"a":1,"id":"user_1","type":"x"}"#), r#"{"a":1,"id":"user_0","type":"x"}"#);
        assert_eq!(altered(r#"{"a":1, "id" : "user_0"}"#), r#"{"a":1, "id" : "user_1"}"#);
    }

    #[test]
    fn alters_another_character_without_an_id() {
        for (body, expected) in [
            ("", " "),
            ("  ", "   "),
            ("{}", "{} "),
            ("1", "0"),
            (r#"{"id":7}"#, r#"{"0d":7}"#),
            (r#"{"id":""}"#, r#"{"0d":""}"#),
            (r#"{"id":"é"}"#, r#"{"0d":"é"}"#),
            (r#"{"id":"a\n"}"#, r#"{"0d":"a\n"}"#),
            (r#"{"id":"#, r#"{"0d":"#),
            (r#"{"id"#, r#"{"0d"#),
            ("été", "é0é"),
        ] {
            assert_eq!(altered(body), expected, "{body}");
        }
        assert_eq!(alter(b"\xff"), &b"\xff "[..]);
    }

    #[test]
    fn reserialized_json_is_equal_but_has_other_bytes() {
        for body in ["{}", "1", "null", r#"{"a":[1,"é"]}"#, "{}\n", "{\n  \"a\": 1\n}\n", "1\n"] {
            let written = reserialize(&Bytes::from_static(body.as_bytes()));
            assert_ne!(written, body);
            let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
            assert_eq!(read(&written), read(body.as_bytes()));
        }
    }

    #[test]
    fn skewed_times_do_not_overflow_or_become_negative() {
        let skewed = |skew, at| Tampering { skew, ..Tampering::default() }.time(Timestamp::from_secs(at));
        assert_eq!(skewed(-OUT_OF_DATE, 100_000).as_secs(), 99_400);
        assert_eq!(skewed(-OUT_OF_DATE, 5).as_secs(), 0);
        assert_eq!(skewed(-OUT_OF_DATE, i64::MIN).as_secs(), 0);
        assert!(skewed(OUT_OF_DATE, i64::MAX).as_secs() > 0);
        assert_eq!(skewed(0, -5).as_secs(), -5);
    }
}
