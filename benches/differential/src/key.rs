//! Secrets and signatures, implemented independently of the libraries under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the canonical text of a key, which every library accepts.
#[must_use]
pub fn write(key: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(key))
}

/// Decodes a key from every text that is unambiguous: with surrounding white space, without prefix, with
/// missing padding, or with trailing bits.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    let digits = text.trim_end_matches('=');
    let missing = digits.len().wrapping_neg() % 4;
    if missing == 3 || text.len() - digits.len() > missing {
        return None;
    }
    let mut bits = Vec::new();
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits.extend((0..6).rev().map(|place| value >> place & 1));
    }
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::try_from(*bit).unwrap_or(1));
    Some(bits.chunks_exact(8).map(byte).collect())
}

/// Returns whether a strict base64 decoder accepts the text, after an optional prefix.
#[must_use]
pub fn is_canonical(text: &str) -> bool {
    canonical(text).is_some_and(|canonical| text == canonical)
}

/// Returns whether a strict decoder that does not require padding accepts the text.
#[must_use]
pub fn is_canonical_without_padding(text: &str) -> bool {
    canonical(text).is_some_and(|canonical| text.trim_end_matches('=') == canonical.trim_end_matches('='))
}

/// Returns the canonical text of the same key, with a prefix if the given text has one.
fn canonical(text: &str) -> Option<String> {
    let mut canonical = write(&read(text)?);
    if !text.starts_with(PREFIX) {
        canonical.drain(..PREFIX.len());
    }
    Some(canonical)
}

/// Returns the MAC of a message in base64.
#[must_use]
pub fn sign(key: &[u8], id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
    STANDARD.encode(mac(key, id, timestamp, body))
}

/// Returns the MAC of a message.
#[must_use]
pub fn mac(key: &[u8], id: &[u8], timestamp: &[u8], body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    for part in [id, b".", timestamp, b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_keys_with_unambiguous_deviations() {
        for (text, key) in [
            ("whsec_QUJDRA==", Some(&b"ABCD"[..])),
            (" QUJDRA=\n", Some(b"ABCD")),
            ("QUJDRA", Some(b"ABCD")),
            ("QUJDRB", Some(b"ABCD")),
            ("QUJDREU", Some(b"ABCDE")),
            ("whsec_", Some(b"")),
            ("QUJDRA===", None),
            ("QUJDR", None),
            ("QUJD=", None),
            ("QU JD", None),
            ("QU=D", None),
            ("QUJ-", None),
            ("=", None),
        ] {
            assert_eq!(read(text).as_deref(), key, "{text:?}");
        }
        assert!(is_canonical("whsec_QUJDRA==") && is_canonical("QUJDRA==") && !is_canonical("QUJDRA="));
    }
}
