//! Reads the list of signatures, including malformed ones.

use base64::Engine as _;
use base64::alphabet::{STANDARD as ALPHABET, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::cause::{Cause, Finding};

/// A base64 decoder that accepts missing padding and trailing bits.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(&ALPHABET, LENIENT_CONFIG);
pub(super) const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT_CONFIG);
const LENIENT_CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The maximum number of signatures that are checked in a list. Svix sends at most eleven.
const MAX_TOKENS: usize = 64;
/// The maximum number of bytes that are read from a list.
const MAX_LENGTH: usize = 16 * 1024;

/// One interpretation of a signature.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The MAC, or `None` if no MAC can match this value.
    pub(super) mac: Option<[u8; 32]>,
    /// The flaws of the signature's notation; empty for a signature that a verifier accepts.
    pub(super) flaws: Vec<Finding>,
}

/// Reads all tokens of a value, well-formed tokens first.
pub(super) fn read(value: &[u8]) -> Vec<Token> {
    let text = String::from_utf8_lossy(value.get(..MAX_LENGTH).unwrap_or(value));
    let separated = text.replace(", ", ",").replace("v1=", "v1,").replace("v1:", "v1,");
    let separated: Vec<_> = separated.split_ascii_whitespace().map(|word| word.trim_matches(',')).collect();
    let joined = "the signatures are joined with a comma, as proxies join repeated headers";
    let separator = "the version and the signature are not separated by exactly one comma";
    let encoded = "the signature is URL-encoded (%2B, %2F, %3D)";
    let corrected = [
        (Cause::JoinedHeader, joined, text.replace(",v1,", " v1,")),
        (Cause::SignatureSeparator, separator, separated.join(" ")),
        (Cause::SignaturePercentEncoded, encoded, percent_decoded(&text).unwrap_or_default()),
    ];
    let tokens = |text: &str, flaw: Option<Finding>| -> Vec<Token> {
        let words = text.split_ascii_whitespace().take(MAX_TOKENS);
        words.map(|word| token(word, flaw.clone().into_iter().collect())).collect()
    };
    let mut all = Vec::new();
    for (cause, fact, corrected) in corrected.into_iter().filter(|(.., corrected)| *corrected != text) {
        let readable = tokens(&corrected, Some(Finding::new(cause, fact))).into_iter();
        all.extend(readable.filter(|token| token.mac.is_some()));
    }
    all.extend(tokens(&text, None));
    all.sort_by_key(|token| (token.mac.is_none(), token.flaws.len()));
    all
}

fn token(word: &str, mut flaws: Vec<Finding>) -> Token {
    let mut add = |cause: Cause, fact: &str| flaws.push(Finding::new(cause, fact));
    let (version, encoded) = word.split_once(',').unwrap_or(("", word));
    match version {
        "v1" => {}
        "" => add(Cause::SignatureWithoutVersion, "the signature does not begin with v1,"),
        "v1a" if LENIENT.decode(encoded).is_ok_and(|signature| signature.len() == 64) => {
            add(Cause::OnlyAsymmetricSignatures, "all signatures are v1a signatures (Ed25519)");
            return Token { mac: None, flaws };
        }
        _ => add(Cause::SignatureOtherVersion, "the version of the signature is not v1"),
    }
    let hex = unhex(encoded).and_then(|mac| mac.try_into().ok());
    let is_url_safe = encoded.contains(['-', '_']);
    let decoded = if is_url_safe { LENIENT_URL_SAFE.decode(encoded) } else { LENIENT.decode(encoded) };
    let length = decoded.as_ref().ok().map(Vec::len);
    let mac = hex.or(decoded.ok().and_then(|bytes| bytes.try_into().ok()));
    let url_safe = "the signature is encoded with the URL-safe base64 alphabet (- and _)";
    match length {
        _ if hex.is_some() => add(Cause::SignatureHex, "the signature is hexadecimal"),
        Some(32) if is_url_safe => add(Cause::SignatureUrlSafe, url_safe),
        Some(32) if STANDARD.decode(encoded).is_ok() => {}
        Some(32) if !encoded.ends_with('=') => {
            add(Cause::SignatureUnpadded, "the = at the end of the signature is missing")
        }
        Some(32) => add(Cause::MalformedHeader, "the base64 of the signature is not canonical"),
        Some(length) => {
            let fact = format!("the signature has {length} bytes, but an HMAC-SHA-256 has 32");
            add(Cause::SignatureUnreadable, &fact);
        }
        None => add(Cause::SignatureUnreadable, "the signature is not base64"),
    }
    Token { mac, flaws }
}

/// Reads hexadecimal digits, two for each byte.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())
}

/// Decodes percent-encoded bytes such as `%2B`; returns `None` if the text contains none.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (byte, rest) = piece.split_at_checked(2).and_then(|(hex, rest)| Some((unhex(hex)?, rest)))?;
        bytes.extend(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|decoded| decoded != text)
}
