//! The headers that carry a signature, and how they are looked up.

use std::fmt;

use crate::error::{VerifyError, VerifyErrorKind};

/// The longest `…-signature` header that is looked at, in bytes.
///
/// A sender keeps at most ten old keys beside the current one, which makes eleven signatures in about 1 KB.
const MAX_SIGNATURE_HEADER: usize = 16 * 1024;

/// A header that takes part in a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureHeader {
    /// `svix-id`.
    SvixId,
    /// `svix-timestamp`.
    SvixTimestamp,
    /// `svix-signature`.
    SvixSignature,
    /// `webhook-id`.
    WebhookId,
    /// `webhook-timestamp`.
    WebhookTimestamp,
    /// `webhook-signature`.
    WebhookSignature,
}

impl SignatureHeader {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SvixId,
        Self::SvixTimestamp,
        Self::SvixSignature,
        Self::WebhookId,
        Self::WebhookTimestamp,
        Self::WebhookSignature,
    ];

    /// Returns the name of the header in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SvixId => "svix-id",
            Self::SvixTimestamp => "svix-timestamp",
            Self::SvixSignature => "svix-signature",
            Self::WebhookId => "webhook-id",
            Self::WebhookTimestamp => "webhook-timestamp",
            Self::WebhookSignature => "webhook-signature",
        }
    }
}

impl fmt::Display for SignatureHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A complete set of names for the three headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderFamily {
    /// `svix-id`, `svix-timestamp`, `svix-signature`: what Clerk sends.
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: the names of the Standard Webhooks
    /// specification, which white-labelled senders use.
    Webhook,
}

impl HeaderFamily {
    /// Returns the headers for id, timestamp and signature.
    #[must_use]
    pub const fn headers(self) -> [SignatureHeader; 3] {
        match self {
            Self::Svix => {
                [SignatureHeader::SvixId, SignatureHeader::SvixTimestamp, SignatureHeader::SvixSignature]
            }
            Self::Webhook => [
                SignatureHeader::WebhookId,
                SignatureHeader::WebhookTimestamp,
                SignatureHeader::WebhookSignature,
            ],
        }
    }
}

/// A collection of headers in which all values of a name can be found.
///
/// It is implemented for the `HeaderMap` of http 1 (feature `http`) and for slices, arrays and vectors of
/// name-value pairs, whose names are compared without regard to case.
///
/// ```
/// use clerk_webhook_core::{HeaderLookup, SignatureHeader};
///
/// let headers = [("Svix-Id", "msg_1"), ("content-type", "application/json")];
/// assert!(headers.values(SignatureHeader::SvixId).eq([b"msg_1"]));
/// assert!(headers.has_signature_headers());
/// ```
pub trait HeaderLookup {
    /// Returns every value of the header in the order of arrival, repeats included.
    fn values(&self, header: SignatureHeader) -> impl Iterator<Item = &[u8]>;

    /// Returns whether any header of a signature is there, valid or not.
    fn has_signature_headers(&self) -> bool {
        SignatureHeader::ALL.into_iter().any(|header| self.values(header).next().is_some())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> HeaderLookup for [(N, V)] {
    fn values(&self, header: SignatureHeader) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(move |(name, _)| name.as_ref().eq_ignore_ascii_case(header.as_str().as_bytes()))
            .map(|(_, value)| value.as_ref())
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const LENGTH: usize> HeaderLookup for [(N, V); LENGTH] {
    fn values(&self, header: SignatureHeader) -> impl Iterator<Item = &[u8]> {
        self.as_slice().values(header)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> HeaderLookup for Vec<(N, V)> {
    fn values(&self, header: SignatureHeader) -> impl Iterator<Item = &[u8]> {
        self.as_slice().values(header)
    }
}

#[cfg(feature = "http")]
impl HeaderLookup for http::HeaderMap {
    fn values(&self, header: SignatureHeader) -> impl Iterator<Item = &[u8]> {
        self.get_all(header.as_header_name()).iter().map(http::HeaderValue::as_bytes)
    }
}

#[cfg(feature = "http")]
impl SignatureHeader {
    /// Returns the name as http 1 has it, made once.
    pub(crate) fn as_header_name(self) -> &'static http::HeaderName {
        use http::HeaderName;

        static NAMES: [HeaderName; 6] = [
            HeaderName::from_static(SignatureHeader::SvixId.as_str()),
            HeaderName::from_static(SignatureHeader::SvixTimestamp.as_str()),
            HeaderName::from_static(SignatureHeader::SvixSignature.as_str()),
            HeaderName::from_static(SignatureHeader::WebhookId.as_str()),
            HeaderName::from_static(SignatureHeader::WebhookTimestamp.as_str()),
            HeaderName::from_static(SignatureHeader::WebhookSignature.as_str()),
        ];
        let [svix_id, svix_timestamp, svix_signature, webhook_id, webhook_timestamp, webhook_signature] =
            &NAMES;
        match self {
            Self::SvixId => svix_id,
            Self::SvixTimestamp => svix_timestamp,
            Self::SvixSignature => svix_signature,
            Self::WebhookId => webhook_id,
            Self::WebhookTimestamp => webhook_timestamp,
            Self::WebhookSignature => webhook_signature,
        }
    }
}

/// The values of one complete family, each there exactly once, not empty, and of the right form.
pub(crate) struct SignatureHeaders<'h> {
    pub(crate) id: &'h [u8],
    /// The digits as they were sent: what is signed is the text.
    pub(crate) timestamp: &'h [u8],
    pub(crate) seconds: i64,
    pub(crate) signatures: &'h [u8],
    pub(crate) timestamp_header: SignatureHeader,
    pub(crate) signature_header: SignatureHeader,
    pub(crate) id_header: SignatureHeader,
}

impl<'h> SignatureHeaders<'h> {
    /// Reads the first of the families of which any header is there.
    ///
    /// A family is never completed from another one: two readers of one request would then disagree about
    /// its id or its time.
    pub(crate) fn read<H: HeaderLookup + ?Sized>(
        headers: &'h H,
        families: &[HeaderFamily],
    ) -> Result<Self, VerifyError> {
        let mut missing = SignatureHeader::SvixId;
        for (index, family) in families.iter().enumerate() {
            let names = family.headers();
            if index == 0 {
                [missing, ..] = names;
            }
            let [id, timestamp, signatures] = names.map(|name| Occurrence::of(headers, name));
            if matches!(
                (&id, &timestamp, &signatures),
                (Occurrence::None, Occurrence::None, Occurrence::None)
            ) {
                continue;
            }
            let [id_header, timestamp_header, signature_header] = names;
            let id = id.required(id_header)?;
            let timestamp = timestamp.required(timestamp_header)?;
            let signatures = signatures.required(signature_header)?;
            let invalid = |kind, header| VerifyError::of_header(kind, header);
            if signatures.len() > MAX_SIGNATURE_HEADER
                || !signatures.iter().all(|byte| matches!(byte, b' '..=b'~'))
            {
                return Err(invalid(VerifyErrorKind::InvalidHeader, signature_header));
            }
            let seconds = parse_seconds(timestamp)
                .ok_or_else(|| invalid(VerifyErrorKind::InvalidTimestamp, timestamp_header))?;
            return Ok(Self {
                id,
                timestamp,
                seconds,
                signatures,
                timestamp_header,
                signature_header,
                id_header,
            });
        }
        Err(VerifyError::of_header(VerifyErrorKind::MissingHeader, missing))
    }
}

/// How often a header is there.
enum Occurrence<'h> {
    None,
    Once(&'h [u8]),
    Repeated,
}

impl<'h> Occurrence<'h> {
    fn of<H: HeaderLookup + ?Sized>(headers: &'h H, header: SignatureHeader) -> Self {
        let mut values = headers.values(header);
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => Self::Once(trim(value)),
            (Some(_), Some(_)) => Self::Repeated,
        }
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

/// Cuts off blanks and tabs, which are not part of a field value (RFC 9110, section 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Reads digits without a sign or a leading zero, so that the text and the number stand for each other.
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
    fn timestamps_are_canonical_integers() {
        assert_eq!(parse_seconds(b"0"), Some(0));
        assert_eq!(parse_seconds(b"1700000000"), Some(1_700_000_000));
        assert_eq!(parse_seconds(b"9223372036854775807"), Some(i64::MAX));
        for wrong in [
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
            assert_eq!(parse_seconds(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_blanks_and_tabs_are_trimmed() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b" "), b"");
        assert_eq!(trim(b"\na"), b"\na");
    }

    #[cfg(feature = "http")]
    #[test]
    fn header_names_agree_with_their_text() {
        for header in SignatureHeader::ALL {
            assert_eq!(header.as_header_name().as_str(), header.as_str());
        }
    }
}
