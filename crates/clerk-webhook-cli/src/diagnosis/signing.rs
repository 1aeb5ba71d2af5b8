//! The keys and the signed texts that senders use, correctly or by mistake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::SigningSecret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::cause::{Cause, Finding};
use super::headers::Attempt;
use super::signatures::LENIENT;

/// A key, and the finding to report if the signature matches with this key.
pub(super) struct Key {
    /// The index of the secret that the key was derived from, counted from 0.
    pub(super) secret_index: usize,
    pub(super) finding: Option<Finding>,
    mac: Hmac<Sha256>,
}

impl Key {
    /// Returns the MAC of a body in a layout.
    pub(super) fn mac(&self, layout: &Layout, body: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        [&layout.before, body, &layout.after].into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// Returns the correct keys of all secrets, then the keys of common mistakes, the likeliest first.
pub(super) fn keys(secrets: &[SigningSecret]) -> Vec<Key> {
    const NOT_DECODED: &str = "the sender used the text of the secret as the key, without base64 decoding";
    const WITH_PREFIX: &str =
        "the sender used the text of the secret, including the prefix whsec_, as the key";
    const ENCODED: &str = "the configured secret is encoded as base64 once more than the signing secret";
    const PREFIX: &str = "the sender decoded the key together with the prefix whsec_";
    const LINE_BREAK: &str = "the sender used a key that ends in a line break";
    const HEX: &str = "the sender used the hexadecimal form of the secret as the key";

    let mut keys = Vec::new();
    for (secret_index, secret) in secrets.iter().enumerate() {
        let text = secret.expose_secret();
        let encoded = text.strip_prefix("whsec_").unwrap_or(&text);
        let Ok(right) = STANDARD.decode(encoded).map(Zeroizing::new) else { continue };
        let encoded = encoded.trim_end_matches('=');
        let mut add = |finding: Option<(Cause, &str)>, bytes: &[u8]| {
            let finding = finding.map(|(cause, fact)| Finding::new(cause, fact));
            let mac = Hmac::new_from_slice(bytes).ok().filter(|_| !bytes.is_empty());
            keys.extend(mac.map(|mac| Key { secret_index, finding, mac }));
        };
        add(None, &right);
        add(Some((Cause::SecretNotDecoded, WITH_PREFIX)), text.as_bytes());
        add(Some((Cause::SecretNotDecoded, NOT_DECODED)), encoded.as_bytes());
        let inner = right.trim_ascii();
        let inner = inner.strip_prefix(b"whsec_").unwrap_or(inner);
        let inner = Zeroizing::new(LENIENT.decode(inner).unwrap_or_default());
        add(Some((Cause::SecretEncodedOnceMore, ENCODED)), &inner);
        // Lenient decoders skip the prefix's underscore, or read it as the corresponding character of the
        // standard alphabet. They drop an incomplete last group.
        for joined in [format!("whsec/{encoded}"), format!("whsec{encoded}")].map(Zeroizing::new) {
            let length = if joined.len() % 4 == 1 { joined.len() - 1 } else { joined.len() };
            let bytes = joined.get(..length).and_then(|joined| LENIENT.decode(joined).ok());
            add(Some((Cause::SecretPrefixDecoded, PREFIX)), &Zeroizing::new(bytes.unwrap_or_default()));
        }
        for bytes in [right.as_slice(), text.as_bytes(), encoded.as_bytes()] {
            for end in [b"\n".as_slice(), b"\r\n"] {
                add(Some((Cause::SecretWithLineBreak, LINE_BREAK)), &Zeroizing::new([bytes, end].concat()));
            }
        }
        let digits: String = right.iter().map(|byte| format!("{byte:02x}")).collect();
        add(Some((Cause::SecretAsHex, HEX)), Zeroizing::new(digits).as_bytes());
    }
    keys.sort_by_key(|key: &Key| key.finding.is_some());
    keys
}

/// The bytes before and after the body in the signed text.
pub(super) struct Layout {
    before: Vec<u8>,
    after: Vec<u8>,
    pub(super) finding: Option<Finding>,
}

/// The text that Svix signs.
const RIGHT: &str = "<id>.<timestamp>.<body>";

/// The signed texts of common mistakes, the likeliest first.
const WRONG: [(Cause, &str); 9] = [
    (Cause::SignedBodyOnly, "<body>"),
    (Cause::SignedWithoutId, "<timestamp>.<body>"),
    (Cause::SignedWithoutTimestamp, "<id>.<body>"),
    (Cause::SignedMilliseconds, "<id>.<timestamp>000.<body>"),
    (Cause::SignedInOtherOrder, "<timestamp>.<id>.<body>"),
    (Cause::SignedWithoutId, "v0:<timestamp>:<body>"),
    (Cause::SignedWithOtherSeparator, "<id><timestamp><body>"),
    (Cause::SignedWithOtherSeparator, "<id>:<timestamp>:<body>"),
    (Cause::SignedInOtherOrder, "<id>.<body>.<timestamp>"),
];

/// Returns the correct layout, then the layouts of common mistakes.
pub(super) fn layouts(attempt: &Attempt) -> Vec<Layout> {
    let wrong = WRONG.iter().map(|(cause, pattern)| {
        let fact = format!("\"{}\" was signed instead of {RIGHT}", pattern.escape_debug());
        (*pattern, Some(Finding::new(*cause, fact)))
    });
    let layout = |(pattern, finding): (&str, Option<Finding>)| {
        let (before, after) = pattern.split_once("<body>").unwrap_or((pattern, ""));
        Layout { before: filled(before, attempt), after: filled(after, attempt), finding }
    };
    std::iter::once((RIGHT, None)).chain(wrong).map(layout).collect()
}

/// Replaces the names in a pattern with their values, which can contain any bytes.
fn filled(pattern: &str, attempt: &Attempt) -> Vec<u8> {
    let piece = |piece: &str| match piece.split_once('<') {
        Some((before, "id>")) => [before.as_bytes(), &attempt.id].concat(),
        Some((before, _)) => [before.as_bytes(), &attempt.timestamp].concat(),
        None => piece.as_bytes().to_vec(),
    };
    pattern.split_inclusive('>').flat_map(piece).collect()
}
