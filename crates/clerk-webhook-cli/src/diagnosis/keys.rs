//! The HMAC keys that senders derive from a secret, correctly or by mistake.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use clerk_webhook_core::SigningSecret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::cause::Cause;
use super::finding::Finding;
use super::signatures::{LENIENT_URL_SAFE, unhex};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A key, and the finding to report if the signature matches with this key.
pub(super) struct Key {
    /// The index of the secret that the key was derived from, counted from 0.
    pub(super) secret_index: usize,
    pub(super) finding: Option<Finding>,
    bytes: Zeroizing<Vec<u8>>,
    mac: Hmac<Sha256>,
}

impl Key {
    fn new(secret_index: usize, finding: Option<Finding>, bytes: &[u8]) -> Option<Self> {
        let mac = Hmac::new_from_slice(bytes).ok()?;
        Some(Self { secret_index, finding, bytes: Zeroizing::new(bytes.to_vec()), mac })
    }

    /// Returns the MAC of the concatenated parts.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Returns an unfinished MAC over these parts.
    pub(super) fn begun(&self, parts: &[&[u8]]) -> Begun {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        Begun(mac)
    }

    /// Returns the HMAC-SHA-512 of the concatenated parts.
    pub(super) fn long_mac(&self, parts: &[&[u8]]) -> Option<[u8; 64]> {
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.bytes).ok()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac.finalize().into_bytes().into())
    }
}

/// An unfinished MAC.
pub(super) struct Begun(Hmac<Sha256>);

impl Begun {
    /// Returns the MAC over the earlier parts followed by these parts.
    pub(super) fn ended(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// Returns the keys for all secrets: the correct keys first, then the keys of common mistakes.
pub(super) fn all(secrets: &[SigningSecret]) -> Vec<Key> {
    let mut right = Vec::new();
    let mut wrong = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        let text = secret.expose_secret();
        let encoded = text.strip_prefix("whsec_").unwrap_or(&text);
        let Ok(key) = STANDARD.decode(encoded).map(Zeroizing::new) else { continue };
        right.extend(Key::new(index, None, &key));

        let mut add = |cause: Cause, fact: &str, bytes: &[u8]| {
            if !bytes.is_empty() && bytes != key.as_slice() {
                wrong.extend(Key::new(index, Some(Finding::new(cause, fact)), bytes));
            }
        };
        let unpadded = encoded.trim_end_matches('=');
        let not_decoded = "was signed with the text of the secret as the key, without base64 decoding";
        add(
            Cause::SecretNotDecoded,
            &format!("the delivery {not_decoded}; the text includes the prefix whsec_"),
            text.as_bytes(),
        );
        add(Cause::SecretNotDecoded, &format!("the delivery {not_decoded}"), encoded.as_bytes());
        if unpadded != encoded {
            add(Cause::SecretNotDecoded, &format!("the delivery {not_decoded}"), unpadded.as_bytes());
        }

        // Lenient decoders skip the prefix's underscore, or read it as the corresponding character of the
        // standard alphabet.
        let prefix = "the delivery was signed with a key that was decoded together with the prefix whsec_";
        for joined in [format!("whsec/{unpadded}"), format!("whsec{unpadded}")] {
            if let Some(bytes) = decoded_as_far_as_it_goes(&joined) {
                add(Cause::SecretPrefixDecoded, prefix, &bytes);
            }
        }

        if let Ok(twice) = LENIENT.decode(key.as_slice()) {
            add(
                Cause::SecretDecodedTwice,
                "the delivery was signed with a key that was base64-decoded twice",
                &twice,
            );
        }
        if let Ok(inner) = LENIENT_URL_SAFE.decode(key.as_slice()) {
            add(
                Cause::SecretDecodedTwice,
                "the delivery was signed with a key that was base64-decoded twice",
                &inner,
            );
        }
        if encoded.contains(['+', '/']) {
            let dropped: String = encoded.chars().filter(|character| !"+/=".contains(*character)).collect();
            if let Some(bytes) = decoded_as_far_as_it_goes(&dropped) {
                let fact = "the delivery was signed with a key that was decoded with the URL-safe base64 alphabet, which drops + and /";
                add(Cause::SecretDecodedUrlSafe, fact, &bytes);
            }
        }

        let line_break = "the delivery was signed with a key that ends in a line break";
        for end in [b"\n".as_slice(), b"\r\n", b"\r"] {
            for bytes in [key.as_slice(), text.as_bytes(), encoded.as_bytes()] {
                add(Cause::SecretWithLineBreak, line_break, &[bytes, end].concat());
            }
        }

        let lower: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let as_digits = "the delivery was signed with the hexadecimal form of the secret as the key";
        add(Cause::SecretAsHex, as_digits, lower.as_bytes());
        add(Cause::SecretAsHex, as_digits, lower.to_ascii_uppercase().as_bytes());
        for digits in [Some(encoded), std::str::from_utf8(&key).ok()].into_iter().flatten() {
            if let Some(bytes) = unhex(digits) {
                add(
                    Cause::SecretAsHex,
                    "the delivery was signed with a key that was decoded from hexadecimal instead of base64",
                    &bytes,
                );
            }
        }
    }
    right.append(&mut wrong);
    right
}

/// Decodes like Node's `Buffer.from` and Python's `b64decode`, which drop an incomplete last group.
fn decoded_as_far_as_it_goes(text: &str) -> Option<Vec<u8>> {
    let whole = if text.len() % 4 == 1 { &text[..text.len() - 1] } else { text };
    LENIENT.decode(whole).ok()
}
