//! The model: the rules for secrets and signatures, implemented as simply as possible.
//!
//! The model is neither fast nor constant-time. It shares only the hash function with the product.

use clerk_webhook_core::{SecretErrorKind, SignatureHeader, VerifyErrorKind};
use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes base64 with padding.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, place| number << 8 | u32::from(*chunk.get(place).unwrap_or(&0)));
        for place in 0..4 {
            let character = ALPHABET[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(character) } else { '=' });
        }
    }
    text
}

/// Decodes base64 with optional or incomplete padding and any trailing bits.
#[must_use]
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let characters = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let padding = text.len() - characters;
    let most_padding = [0, 0, 2, 1][characters % 4];
    if characters % 4 == 1 || padding > most_padding {
        return None;
    }
    let (mut bytes, mut number, mut bits) = (Vec::new(), 0_u32, 0);
    for character in &text[..characters] {
        let value = ALPHABET.iter().position(|known| known == character)?;
        number = (number << 6 | value as u32) & 0xfff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((number >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// Returns a signing secret's key.
///
/// # Errors
///
/// Returns the kind of text that was given instead.
pub fn parse_secret(text: &str) -> Result<Vec<u8>, SecretErrorKind> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0c']);
    if text.is_empty() {
        return Err(SecretErrorKind::Blank);
    }
    for (prefix, kind) in [
        ("sk_", SecretErrorKind::SecretApiKey),
        ("pk_", SecretErrorKind::PublishableApiKey),
        ("whsk_", SecretErrorKind::AsymmetricSecretKey),
        ("whpk_", SecretErrorKind::AsymmetricPublicKey),
    ] {
        if text.starts_with(prefix) {
            return Err(kind);
        }
    }
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    let key = decode_base64(encoded.as_bytes()).ok_or(SecretErrorKind::NotBase64)?;
    if key.len() < 16 {
        Err(SecretErrorKind::TooShort)
    } else if is_encoded_secret(&key) {
        Err(SecretErrorKind::EncodedTwice)
    } else if is_placeholder(encoded) {
        Err(SecretErrorKind::Placeholder)
    } else {
        Ok(key)
    }
}

fn is_encoded_secret(key: &[u8]) -> bool {
    let text = std::str::from_utf8(key).unwrap_or_default().trim_end_matches([' ', '\t', '\n', '\r', '\x0c']);
    let is_secret = text.starts_with("whsec_") && text.chars().all(|letter| ('!'..='~').contains(&letter));
    is_secret || key.starts_with(b"d2hzZWNf")
}

fn is_placeholder(encoded: &str) -> bool {
    let letters: Vec<u8> = encoded.bytes().filter(|letter| *letter != b'=').collect();
    let different: std::collections::BTreeSet<_> = letters.iter().collect();
    let lower = encoded.to_ascii_lowercase().replace('=', "");
    let lower = lower.as_bytes();
    let steps =
        (1..lower.len()).filter(|index| [lower[index - 1], lower[index - 1] + 1].contains(&lower[*index]));
    different.len() <= 3
        || steps.count() as f64 >= 0.75 * (lower.len() - 1) as f64
        || letters_of_words(lower) >= 10
}

/// Adds up the lengths of the words of placeholders, from left to right.
fn letters_of_words(text: &[u8]) -> usize {
    const WORDS: &str = "change dummy example fake here insert mock none null paste placeholder replace sample \
                         secret signing test todo undefined webhook your";
    let (mut letters, mut at) = (0, 0);
    while at < text.len() {
        let length = WORDS
            .split(' ')
            .find(|word| text[at..].starts_with(word.as_bytes()))
            .map_or(0, |word| word.len());
        letters += length;
        at += length.max(1);
    }
    letters
}

/// Signs a delivery: `v1,` and the HMAC-SHA256 (RFC 2104) of id, timestamp and body.
#[must_use]
pub fn signature(key: &[u8], id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with).to_vec();
    let inner = Sha256::digest([&padded(0x36), id, b".", timestamp, b".", body].concat());
    let outer = Sha256::digest([&padded(0x5c), &inner[..]].concat());
    format!("v1,{}", encode_base64(&outer))
}

/// A name and a value.
pub type Field = (Vec<u8>, Vec<u8>);

/// The settings of a receiver.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether it reads `svix-*`.
    pub svix: bool,
    /// Whether it reads `webhook-*`, if no `svix-*` header exists or `svix` is off.
    pub webhook: bool,
    /// The tolerance in the past and in the future, in seconds. `None` accepts any age.
    pub tolerance: Option<(i128, i128)>,
    /// The receiver's clock in seconds.
    pub now: i64,
}

/// The reason for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of flaw.
    pub kind: VerifyErrorKind,
    /// The header with the flaw.
    pub header: SignatureHeader,
    /// The timestamp minus the clock in seconds, if the age is the reason.
    pub skew: Option<i64>,
    /// Whether the rejection is independent of the body.
    pub is_final: bool,
}

/// The content of an accepted delivery's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The id.
    pub id: Vec<u8>,
    /// The timestamp.
    pub seconds: i64,
    /// The index of the first matching key.
    pub key: usize,
}

/// Verifies a delivery.
///
/// If a delivery has several flaws, the first one in this order is reported: missing or repeated headers (id,
/// timestamp, signature), the form of the timestamp, the age, the form of the id, the form of the list.
///
/// # Errors
///
/// Returns the first flaw.
pub fn verify(policy: &Policy, keys: &[Vec<u8>], fields: &[Field], body: &[u8]) -> Result<Accepted, Refusal> {
    let is_webhook = !policy.svix || (policy.webhook && !has_any(fields, &SVIX) && has_any(fields, &WEBHOOK));
    let [id_header, timestamp_header, signature_header] = if is_webhook { WEBHOOK } else { SVIX };
    let refusal = |kind, header| Refusal { kind, header, skew: None, is_final: true };

    let id = only_value(fields, id_header).map_err(|kind| refusal(kind, id_header))?;
    let timestamp = only_value(fields, timestamp_header).map_err(|kind| refusal(kind, timestamp_header))?;
    let list = only_value(fields, signature_header).map_err(|kind| refusal(kind, signature_header))?;

    let seconds = std::str::from_utf8(&timestamp).ok().and_then(|text| text.parse::<i64>().ok());
    let seconds = seconds.filter(|seconds| seconds.to_string().as_bytes() == timestamp && *seconds >= 0);
    let seconds = seconds.ok_or(refusal(VerifyErrorKind::InvalidTimestamp, timestamp_header))?;

    if let Some((past, future)) = policy.tolerance {
        let skew = i128::from(seconds) - i128::from(policy.now);
        let shown = skew.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        let of_skew = |kind| Refusal { skew: Some(shown), ..refusal(kind, timestamp_header) };
        if -skew > past {
            return Err(of_skew(VerifyErrorKind::TimestampTooOld));
        }
        if skew > future {
            return Err(of_skew(VerifyErrorKind::TimestampTooNew));
        }
    }

    if id.len() > 256 || id.iter().any(|byte| !matches!(byte, b'!'..=b'~') || *byte == b'.') {
        return Err(refusal(VerifyErrorKind::InvalidHeader, id_header));
    }
    let tokens: Vec<_> = list.split(|byte| *byte == b' ').collect();
    let is_legal = |byte: &u8| matches!(byte, b' '..=b'~');
    if list.len() > 16 * 1024 || tokens.len() > 256 || !list.iter().all(is_legal) {
        return Err(refusal(VerifyErrorKind::InvalidHeader, signature_header));
    }

    let is_final = !tokens.iter().any(|token| is_signature(token));
    let no_match = Refusal { is_final, ..refusal(VerifyErrorKind::NoMatchingSignature, signature_header) };
    let matches = |key: &Vec<u8>| tokens.contains(&signature(key, &id, &timestamp, body).as_bytes());
    let key = keys.iter().position(matches).ok_or(no_match)?;
    Ok(Accepted { id, seconds, key })
}

const SVIX: [SignatureHeader; 3] =
    [SignatureHeader::SvixId, SignatureHeader::SvixTimestamp, SignatureHeader::SvixSignature];

const WEBHOOK: [SignatureHeader; 3] =
    [SignatureHeader::WebhookId, SignatureHeader::WebhookTimestamp, SignatureHeader::WebhookSignature];

/// Returns whether the fields contain any signature header, and whether they contain all headers of one
/// family.
#[must_use]
pub fn presence(fields: &[Field]) -> (bool, bool) {
    let has_all = |family: &[SignatureHeader; 3]| family.iter().all(|header| has(fields, *header));
    (has_any(fields, &SVIX) || has_any(fields, &WEBHOOK), has_all(&SVIX) || has_all(&WEBHOOK))
}

/// Removes spaces and tabs at both ends.
#[must_use]
pub fn trim(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    match (value.iter().position(is_text), value.iter().rposition(is_text)) {
        (Some(first), Some(last)) => &value[first..=last],
        _ => &[],
    }
}

fn has_any(fields: &[Field], family: &[SignatureHeader; 3]) -> bool {
    family.iter().any(|header| has(fields, *header))
}

fn has(fields: &[Field], header: SignatureHeader) -> bool {
    fields.iter().any(|(name, _)| name.to_ascii_lowercase() == header.as_str().as_bytes())
}

fn only_value(fields: &[Field], header: SignatureHeader) -> Result<Vec<u8>, VerifyErrorKind> {
    let named = fields.iter().filter(|(name, _)| name.to_ascii_lowercase() == header.as_str().as_bytes());
    match &named.map(|(_, value)| trim(value)).collect::<Vec<_>>()[..] {
        [] | [[]] => Err(VerifyErrorKind::MissingHeader),
        [value] => Ok(value.to_vec()),
        _ => Err(VerifyErrorKind::DuplicateHeader),
    }
}

/// Returns whether a token is `v1,` and the canonical base64 text of 32 bytes.
fn is_signature(token: &[u8]) -> bool {
    let Some(encoded) = token.strip_prefix(b"v1,") else { return false };
    decode_base64(encoded).is_some_and(|mac| mac.len() == 32 && encode_base64(&mac).as_bytes() == encoded)
}
