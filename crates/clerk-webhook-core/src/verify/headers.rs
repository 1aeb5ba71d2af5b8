//! Reads the signature headers of a request.

use hmac::Mac as _;

use super::error::{VerifyError, VerifyErrorKind};
use super::secret::HmacSha256;
use super::signature_header::{HeaderFamily, SignatureHeader};
use crate::message_id::MessageId;

/// A collection of header fields.
///
/// Implemented for the `HeaderMap` of http 1 (`http` feature) and for slices, arrays and vectors of
/// name-value pairs. An adapter implements it for its framework's header type.
///
/// ```
/// use clerk_webhook_core::HeaderFields;
///
/// let headers = [("Svix-Id", "msg_1"), ("content-type", "application/json")];
/// assert_eq!(headers.iter().next(), Some((&b"Svix-Id"[..], &b"msg_1"[..])));
/// assert!(headers.has_signature_headers());
/// ```
pub trait HeaderFields {
    /// Returns the names and values of all fields.
    ///
    /// A repeated field is returned once for each occurrence. Names can be in upper or lower case.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])>;

    /// Returns whether the request has at least one signature header, valid or invalid.
    fn has_signature_headers(&self) -> bool {
        self.iter().any(|(name, _)| SignatureHeader::from_name(name).is_some())
    }

    /// Returns whether the request has all three signature headers of one family, valid or invalid.
    ///
    /// Use this method to choose a route. It is never stricter than verification: it returns `true` for every
    /// delivery that a verifier can accept.
    fn has_complete_signature_headers(&self) -> bool {
        let mut present = [false; SignatureHeader::ALL.len()];
        for (name, _) in self.iter() {
            if let Some(header) = SignatureHeader::from_name(name) {
                present[header as usize] = true;
            }
        }
        let is_complete =
            |family: HeaderFamily| family.headers().iter().all(|header| present[*header as usize]);
        is_complete(HeaderFamily::Svix) || is_complete(HeaderFamily::Webhook)
    }
}

impl<H: HeaderFields + ?Sized> HeaderFields for &H {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (**self).iter()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> HeaderFields for [(N, V)] {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const LENGTH: usize> HeaderFields for [(N, V); LENGTH] {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        HeaderFields::iter(self.as_slice())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> HeaderFields for Vec<(N, V)> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        HeaderFields::iter(self.as_slice())
    }
}

#[cfg(feature = "http")]
impl HeaderFields for http::HeaderMap {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }
}

/// The values of a complete header family, in which each header occurs exactly once and is not empty.
pub(crate) struct SignatureHeaders<'h> {
    pub(crate) family: HeaderFamily,
    pub(crate) id: &'h [u8],
    /// The digits as received, because the signature covers the text, not the number.
    pub(crate) timestamp: &'h [u8],
    pub(crate) seconds: i64,
    pub(crate) signatures: &'h [u8],
}

impl<'h> SignatureHeaders<'h> {
    /// Reads the first family that has at least one header in the request.
    ///
    /// Headers from two families are never combined. Otherwise other code that reads the same request could
    /// see a different id or timestamp.
    pub(crate) fn read<H: HeaderFields + ?Sized>(
        headers: &'h H,
        families: &[HeaderFamily],
    ) -> Result<Self, VerifyError> {
        // One pass over the fields is faster than six lookups.
        let mut occurrences = [Occurrence::None; SignatureHeader::ALL.len()];
        for (name, value) in headers.iter() {
            if let Some(header) = SignatureHeader::from_name(name) {
                occurrences[header as usize].add(value);
            }
        }
        let of = |header: SignatureHeader| occurrences[header as usize];
        let is_there = |header| !matches!(of(header), Occurrence::None);

        let present = families.iter().find(|family| family.headers().into_iter().any(is_there));
        // If no header is present, the error names a header from the first family.
        let family = *present.or(families.first()).unwrap_or(&HeaderFamily::Svix);
        let [id_header, timestamp_header, signature_header] = family.headers();
        let id = of(id_header).required(id_header)?;
        let timestamp = of(timestamp_header).required(timestamp_header)?;
        let signatures = of(signature_header).required(signature_header)?;
        let seconds = parse_seconds(timestamp)
            .ok_or_else(|| VerifyError::of_header(VerifyErrorKind::InvalidTimestamp, timestamp_header))?;
        Ok(Self { family, id, timestamp, seconds, signatures })
    }

    pub(crate) fn message_id(&self) -> Result<MessageId, VerifyError> {
        let [id_header, _, _] = self.family.headers();
        MessageId::from_header(self.id)
            .map_err(|_| VerifyError::of_header(VerifyErrorKind::InvalidHeader, id_header))
    }

    /// Updates a keyed MAC with the signed content that precedes the body.
    #[inline]
    pub(crate) fn begin_mac(&self, mac: &mut HmacSha256) {
        for part in [self.id, b".", self.timestamp, b"."] {
            mac.update(part);
        }
    }
}

/// How often a header occurs, with its value if it occurs once.
#[derive(Clone, Copy)]
enum Occurrence<'h> {
    None,
    Once(&'h [u8]),
    Repeated,
}

impl<'h> Occurrence<'h> {
    fn add(&mut self, value: &'h [u8]) {
        *self = match self {
            Self::None => Self::Once(trim(value)),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }

    fn required(self, header: SignatureHeader) -> Result<&'h [u8], VerifyError> {
        match self {
            Self::None | Self::Once([]) => {
                Err(VerifyError::of_header(VerifyErrorKind::MissingHeader, header))
            }
            Self::Once(value) => Ok(value),
            Self::Repeated => Err(VerifyError::of_header(VerifyErrorKind::DuplicateHeader, header)),
        }
    }
}

/// Removes leading and trailing spaces and tabs, which are not part of a field value (RFC 9110, section 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Parses digits without a sign or leading zeros, so that each number has exactly one representation.
fn parse_seconds(text: &[u8]) -> Option<i64> {
    if let [b'0', _, ..] | [] = text {
        return None;
    }
    text.iter().try_fold(0_i64, |seconds, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        seconds.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_canonical_timestamps() {
        assert_eq!(parse_seconds(b"0"), Some(0));
        assert_eq!(parse_seconds(b"1700000000"), Some(1_700_000_000));
        assert_eq!(parse_seconds(b"9223372036854775807"), Some(i64::MAX));
        for invalid in [
            "",
            "-1",
            "+1",
            "01",
            "00",
            " 1",
            "1.5",
            "1e9",
            "1_0",
            "9223372036854775808",
            "-9223372036854775808",
            "99999999999999999999",
            "0x1",
            "nan",
            "\u{661}",
        ] {
            assert_eq!(parse_seconds(invalid.as_bytes()), None, "{invalid:?}");
        }
    }

    #[test]
    fn trims_only_spaces_and_tabs() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b" "), b"");
        assert_eq!(trim(b"\na"), b"\na");
    }

    #[test]
    fn does_not_combine_headers_from_two_families() {
        let with = |names: &[&'static str]| {
            let fields: Vec<_> = names.iter().map(|name| (*name, "")).collect();
            (fields.has_signature_headers(), fields.has_complete_signature_headers())
        };
        let svix = ["Svix-Id", "svix-timestamp", "svix-signature"];
        let webhook = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        assert_eq!(with(&[]), (false, false));
        assert_eq!(with(&svix), (true, true));
        assert_eq!(with(&webhook), (true, true));
        assert_eq!(with(&[svix, webhook].concat()), (true, true));
        assert_eq!(with(&[svix, svix].concat()), (true, true));
        for missing in 0..3 {
            let without = |names: &[&'static str; 3]| [&names[..missing], &names[missing + 1..]].concat();
            assert_eq!(with(&without(&svix)), (true, false));
            assert_eq!(with(&without(&webhook)), (true, false));
            // Headers from different families are not combined. A complete family is accepted even if the
            // other one is incomplete.
            let mixture = [&without(&svix)[..], &without(&webhook)].concat();
            assert_eq!(with(&mixture), (true, false));
            assert_eq!(with(&[&without(&svix)[..], &webhook].concat()), (true, true));
            assert_eq!(with(&[&svix[..], &without(&webhook)].concat()), (true, true));
        }
    }
}
