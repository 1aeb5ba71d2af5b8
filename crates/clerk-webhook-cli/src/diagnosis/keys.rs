//! The keys that a secret can be taken for.

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

/// A key, and what is wrong if it is this one.
pub(super) struct Key {
    /// Which secret it was made of, counted from 0.
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

    /// Returns the MAC of what the parts are together.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Returns the MAC that has seen these parts already.
    pub(super) fn begun(&self, parts: &[&[u8]]) -> Begun {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        Begun(mac)
    }

    /// Returns the HMAC-SHA-512 of what the parts are together.
    pub(super) fn long_mac(&self, parts: &[&[u8]]) -> Option<[u8; 64]> {
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.bytes).ok()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac.finalize().into_bytes().into())
    }
}

/// A MAC in the middle of its text.
pub(super) struct Begun(Hmac<Sha256>);

impl Begun {
    /// Returns the MAC with these parts as the rest.
    pub(super) fn ended(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// Returns the keys of all secrets: the right ones, then those of the usual mistakes.
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
        let not_decoded = "was signed with the text of the secret as the key, not decoded from base64";
        add(Cause::SecretNotDecoded, &format!("it {not_decoded}, whsec_ included"), text.as_bytes());
        add(Cause::SecretNotDecoded, &format!("it {not_decoded}"), encoded.as_bytes());
        if unpadded != encoded {
            add(Cause::SecretNotDecoded, &format!("it {not_decoded}"), unpadded.as_bytes());
        }

        // What lenient decoders make of an underscore: nothing, or the character that stands for it in the other alphabet.
        let prefix = "it was signed with a key that was decoded with whsec_ in front";
        for joined in [format!("whsec/{unpadded}"), format!("whsec{unpadded}")] {
            if let Some(bytes) = decoded_as_far_as_it_goes(&joined) {
                add(Cause::SecretPrefixDecoded, prefix, &bytes);
            }
        }

        if let Ok(twice) = LENIENT.decode(key.as_slice()) {
            add(Cause::SecretDecodedTwice, "it was signed with a key that was decoded twice", &twice);
        }
        if let Ok(inner) = LENIENT_URL_SAFE.decode(key.as_slice()) {
            add(Cause::SecretDecodedTwice, "it was signed with a key that was decoded twice", &inner);
        }
        if encoded.contains(['+', '/']) {
            let dropped: String = encoded.chars().filter(|character| !"+/=".contains(*character)).collect();
            if let Some(bytes) = decoded_as_far_as_it_goes(&dropped) {
                let fact = "it was signed with a key that was decoded with the URL-safe alphabet, which drops + and /";
                add(Cause::SecretDecodedUrlSafe, fact, &bytes);
            }
        }

        let line_break = "it was signed with a key that has a line break at its end";
        for end in [b"\n".as_slice(), b"\r\n", b"\r"] {
            for bytes in [key.as_slice(), text.as_bytes(), encoded.as_bytes()] {
                add(Cause::SecretWithLineBreak, line_break, &[bytes, end].concat());
            }
        }

        let lower: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let as_digits = "it was signed with the hexadecimal digits of the secret's bytes as the key";
        add(Cause::SecretAsHex, as_digits, lower.as_bytes());
        add(Cause::SecretAsHex, as_digits, lower.to_ascii_uppercase().as_bytes());
        for digits in [Some(encoded), std::str::from_utf8(&key).ok()].into_iter().flatten() {
            if let Some(bytes) = unhex(digits) {
                add(
                    Cause::SecretAsHex,
                    "it was signed with what the secret's text is as hexadecimal digits",
                    &bytes,
                );
            }
        }
    }
    right.append(&mut wrong);
    right
}

/// Decodes as `Buffer.from` of Node and `b64decode` of Python do, which leave a rest away.
fn decoded_as_far_as_it_goes(text: &str) -> Option<Vec<u8>> {
    let whole = if text.len() % 4 == 1 { &text[..text.len() - 1] } else { text };
    LENIENT.decode(whole).ok()
}
