//! Secrets and signatures, written once more so that nothing of what is tested decides what is right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the one text of a key that every library reads.
#[must_use]
pub fn write(key: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(key))
}

/// Reads a key as generously as it can be done without guessing: blanks around it, no prefix, fewer padding
/// characters, and bits left over.
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

/// Tells whether a text is what a strict decoder of base64 expects after an optional prefix.
#[must_use]
pub fn is_canonical(text: &str) -> bool {
    canonical(text).is_some_and(|canonical| text == canonical)
}

/// Tells the same for a decoder that does without padding.
#[must_use]
pub fn is_canonical_without_padding(text: &str) -> bool {
    canonical(text).is_some_and(|canonical| text.trim_end_matches('=') == canonical.trim_end_matches('='))
}

/// Returns the canonical text of the same key, with a prefix where the text has one.
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
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    for part in [id, b".", timestamp, b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_generously() {
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
