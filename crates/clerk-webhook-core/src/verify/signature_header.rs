//! The names of the signature headers.

use std::fmt;

/// A signature header.
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
    /// All signature headers, in the order of the variants.
    pub const ALL: &'static [Self] = &[
        Self::SvixId,
        Self::SvixTimestamp,
        Self::SvixSignature,
        Self::WebhookId,
        Self::WebhookTimestamp,
        Self::WebhookSignature,
    ];

    /// Returns the header with this name, in upper or lower case.
    #[inline]
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        let exact = match name {
            b"svix-id" => Self::SvixId,
            b"svix-timestamp" => Self::SvixTimestamp,
            b"svix-signature" => Self::SvixSignature,
            b"webhook-id" => Self::WebhookId,
            b"webhook-timestamp" => Self::WebhookTimestamp,
            b"webhook-signature" => Self::WebhookSignature,
            // Slow path for names with capital letters: most header maps store names in lower case.
            _ if matches!(name.len(), 7 | 10 | 14 | 17) => {
                let same = |header: &Self| name.eq_ignore_ascii_case(header.as_str().as_bytes());
                return Self::ALL.iter().copied().find(same);
            }
            _ => return None,
        };
        Some(exact)
    }

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

/// A set of names for the three signature headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderFamily {
    /// `svix-id`, `svix-timestamp`, `svix-signature`. Clerk sends these.
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: the names in the Standard Webhooks
    /// specification, which white-labeled senders use.
    Webhook,
}

impl HeaderFamily {
    /// Returns the headers in the order id, timestamp, signature.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_in_upper_and_lower_case() {
        for (index, header) in SignatureHeader::ALL.iter().copied().enumerate() {
            assert_eq!(header as usize, index);
            for name in [header.as_str().to_owned(), header.as_str().to_uppercase()] {
                assert_eq!(SignatureHeader::from_name(name.as_bytes()), Some(header));
            }
        }
        for other in ["svix-ie", "svix-timestamps", "x-svix-id", "webhook-idx", "content-length", ""] {
            assert_eq!(SignatureHeader::from_name(other.as_bytes()), None);
        }
    }
}
