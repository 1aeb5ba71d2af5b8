//! Reads the list of signatures, including malformed ones.

use base64::Engine as _;
use base64::alphabet::{STANDARD as ALPHABET, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::cause::Cause;

/// A base64 decoder that accepts missing padding and trailing bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&ALPHABET, LENIENT_CONFIG);
pub(super) const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT_CONFIG);
const LENIENT_CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The maximum number of signatures that are checked in a list. Svix sends at most eleven.
pub(super) const MAX_TOKENS: usize = 64;
/// The maximum number of bytes that are read from a list.
const MAX_LENGTH: usize = 64 * 1024;

/// The maximum number of interpretations of a list.
const MAX_READINGS: usize = 3 * MAX_TOKENS;

/// The length of 32 bytes in base64, in characters.
const LENGTH: usize = 44;
/// The minimum length of a truncated signature. With 72 bits, it is practically impossible that one of the
/// million MACs of a search matches by chance.
pub(super) const MIN_PART: usize = 12;

/// One interpretation of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) form: Form,
    /// The flaws of the signature's notation; empty for a signature that a verifier accepts.
    pub(super) flaws: Vec<Cause>,
}

/// The value that a MAC is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Mac([u8; 32]),
    /// The base64 of a MAC, which is compared case-insensitively.
    CaseLost(String),
    /// The beginning of a MAC's base64.
    Beginning(String),
    /// 64 bytes, the length of an HMAC-SHA-512.
    Long([u8; 64]),
    /// An Ed25519 signature, which is not supported.
    Asymmetric,
    /// A value that no MAC can match; its length in bytes if it is base64.
    Unreadable(Option<usize>),
}

impl Token {
    /// Returns the sort key: the most specific form first, then the fewest flaws.
    pub(super) fn rank(&self) -> (usize, usize) {
        let form = match self.form {
            Form::Mac(_) | Form::Long(_) => 0,
            Form::CaseLost(_) => 1,
            Form::Beginning(_) => 2,
            Form::Asymmetric | Form::Unreadable(_) => 3,
        };
        (form, self.flaws.len())
    }
}

impl Form {
    fn matches(&self, mac: &[u8; 32], encoded: &str) -> bool {
        match self {
            Self::Mac(expected) => expected == mac,
            Self::CaseLost(text) => text.eq_ignore_ascii_case(encoded),
            Self::Beginning(text) => encoded.starts_with(text.as_str()),
            Self::Long(_) | Self::Asymmetric | Self::Unreadable(_) => false,
        }
    }
}

/// Returns the index of the token that matches a MAC.
pub(super) fn matching(tokens: &[Token], mac: &[u8; 32]) -> Option<usize> {
    let encoded = STANDARD.encode(mac);
    tokens.iter().position(|token| token.form.matches(mac, &encoded))
}

/// Reads all tokens of a value, well-formed tokens first.
pub(super) fn read(value: &[u8]) -> Vec<Token> {
    let text = String::from_utf8_lossy(&value[..value.len().min(MAX_LENGTH)]);
    let mut tokens = list(&text);
    if let Some(decoded) = percent_decoded(&text) {
        tokens.extend(with_flaw(list(&decoded), Cause::SignaturePercentEncoded));
    }
    if let Some(restored) = plus_restored(&text) {
        tokens.extend(with_flaw(list(&restored), Cause::SignaturePlusLost));
    }
    tokens.sort_by_key(Token::rank);
    tokens.truncate(MAX_READINGS);
    tokens
}

/// Returns whether a value contains more signatures than are checked.
pub(super) fn has_more(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&value[..value.len().min(MAX_LENGTH)]);
    let count = text.split_ascii_whitespace().map(|word| split_joined(word).len()).sum::<usize>();
    value.len() > MAX_LENGTH || count > MAX_TOKENS
}

fn with_flaw(tokens: Vec<Token>, flaw: Cause) -> impl Iterator<Item = Token> {
    tokens.into_iter().filter(|token| !matches!(token.form, Form::Unreadable(_))).map(move |mut token| {
        token.flaws.insert(0, flaw);
        token
    })
}

fn list(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut version_alone = false;
    for word in text.split_ascii_whitespace().take(MAX_TOKENS) {
        if is_strict(word) {
            tokens.extend(token(word, vec![]));
            version_alone = false;
            continue;
        }
        if matches!(word.trim_end_matches([',', '=', ':']), "v1") {
            version_alone = true;
            continue;
        }
        let pieces: Vec<_> = split_joined(word);
        let joined = pieces.len() > 1;
        for piece in pieces {
            let mut flaws = if joined { vec![Cause::JoinedHeader] } else { vec![] };
            let piece = match piece.strip_suffix([',', ';']) {
                Some(piece) => {
                    if flaws.is_empty() {
                        flaws.push(Cause::SignatureSeparator);
                    }
                    piece
                }
                None => piece,
            };
            if is_strict(piece) {
                tokens.extend(token(piece, flaws));
                continue;
            }
            let (version, encoded) = split_version(piece);
            match version {
                Some((name, separator)) => {
                    if separator != ',' {
                        flaws.push(Cause::SignatureSeparator);
                    }
                    if name == "v1a" && LENIENT.decode(encoded).is_ok_and(|signature| signature.len() == 64) {
                        let flaws = vec![Cause::OnlyAsymmetricSignatures];
                        tokens.push(Token { form: Form::Asymmetric, flaws });
                        continue;
                    }
                    if name != "v1" {
                        flaws.push(Cause::SignatureOtherVersion);
                    }
                }
                None if version_alone || encoded.starts_with(',') => flaws.push(Cause::SignatureSeparator),
                None => flaws.push(Cause::SignatureWithoutVersion),
            }
            let encoded = encoded.strip_prefix(',').unwrap_or(encoded);
            let encoded = match encoded.split_once(',') {
                Some((encoded, _)) => {
                    flaws.push(Cause::SignatureSeparator);
                    encoded
                }
                None => encoded,
            };
            tokens.extend(token_of(encoded, flaws));
            version_alone = false;
        }
    }
    tokens
}

fn is_strict(word: &str) -> bool {
    word.strip_prefix("v1,").is_some_and(|encoded| {
        encoded.len() == LENGTH && STANDARD.decode(encoded).is_ok_and(|mac| mac.len() == 32)
    })
}

/// Reads a signature with the well-formed prefix `v1,`.
fn token(word: &str, flaws: Vec<Cause>) -> Vec<Token> {
    token_of(word.strip_prefix("v1,").unwrap_or(word), flaws)
}

/// Reads the text after the version. Some texts have two interpretations.
fn token_of(encoded: &str, flaws: Vec<Cause>) -> Vec<Token> {
    let flawed = |cause: Cause| flaws.iter().copied().chain([cause]).collect::<Vec<_>>();
    let is_base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let mut tokens = Vec::new();
    if let Some(mac) = hexadecimal(encoded).and_then(|mac| mac.try_into().ok()) {
        return vec![Token { form: Form::Mac(mac), flaws: flawed(Cause::SignatureHex) }];
    }
    let url_safe = encoded.contains(['-', '_']);
    let decoded = if url_safe { LENIENT_URL_SAFE.decode(encoded) } else { LENIENT.decode(encoded) };
    if let Ok(bytes) = &decoded {
        if let Ok(mac) = <[u8; 32]>::try_from(bytes.as_slice()) {
            let flaws = if url_safe {
                flawed(Cause::SignatureUrlSafe)
            } else if encoded.len() < LENGTH {
                flawed(Cause::SignatureUnpadded)
            } else if STANDARD.decode(encoded).is_err() {
                flawed(Cause::MalformedHeader)
            } else {
                flaws.clone()
            };
            tokens.push(Token { form: Form::Mac(mac), flaws });
        } else if let Ok(mac) = <[u8; 64]>::try_from(bytes.as_slice()) {
            tokens.push(Token { form: Form::Long(mac), flaws: flawed(Cause::SignatureOtherHash) });
        }
    }
    if encoded.len() == LENGTH && encoded.bytes().all(is_base64) {
        let form = Form::CaseLost(encoded.to_owned());
        tokens.push(Token { form, flaws: flawed(Cause::SignatureCaseLost) });
    }
    // Padding and ellipses carry no bits of a MAC, so they do not count toward the length.
    let beginning = encoded.trim_end_matches(['=', '…', '.']);
    if (MIN_PART..LENGTH - 1).contains(&beginning.len())
        && beginning.bytes().all(|byte| byte != b'=' && is_base64(byte))
    {
        let form = Form::Beginning(beginning.to_owned());
        tokens.push(Token { form, flaws: flawed(Cause::SignatureTruncated) });
    }
    if tokens.is_empty() {
        let form = Form::Unreadable(decoded.ok().map(|bytes| bytes.len()));
        tokens.push(Token { form, flaws: flawed(Cause::SignatureUnreadable) });
    }
    tokens
}

/// Splits `v1,a,v1,b`, the result of a proxy that joins two values.
fn split_joined(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.get(1..).and_then(|text| text.find(",v1,")).map(|at| at + 1) {
        pieces.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    pieces.push(rest);
    pieces
}

/// Splits `v1=…` into version, separator and the rest.
fn split_version(piece: &str) -> (Option<(&str, char)>, &str) {
    let digits = piece
        .strip_prefix(['v', 'V'])
        .map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).take(3).count());
    if digits == 0 {
        return (None, piece);
    }
    let mut end = 1 + digits;
    if piece[end..].starts_with('a') && piece[end + 1..].starts_with([',', '=', ':']) {
        end += 1;
    }
    match piece[end..].chars().next() {
        Some(separator @ (',' | '=' | ':' | ';' | '.')) => {
            (Some((&piece[..end], separator)), &piece[end + 1..])
        }
        _ => (None, piece),
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    if text.len() != 64 {
        return None;
    }
    unhex(text)
}

/// Reads hexadecimal digits, two for each byte.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Decodes percent-encoded bytes such as `%2B`; returns `None` if the text contains none.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest.get(at + 1..at + 3).and_then(unhex) {
            Some(byte) => {
                bytes.extend(byte);
                rest = &rest[at + 3..];
            }
            None => {
                bytes.push(b'%');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// Replaces spaces with plus signs, except spaces before a version, which separate two signatures.
fn plus_restored(text: &str) -> Option<String> {
    let mut restored = String::with_capacity(text.len());
    let mut changed = false;
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            let begins = split_version(word).0.is_some();
            restored.push(if begins { ' ' } else { '+' });
            changed |= !begins;
        }
        restored.push_str(word);
    }
    changed.then_some(restored)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A MAC whose base64 contains both characters in which the alphabets differ, and letters of both cases.
    const MAC: [u8; 32] = *b"\xfb\xef\xbe\xff\xff\xfe signature of 32 bytes!!!!";

    #[test]
    fn names_the_flaw_of_each_malformed_signature() {
        let right = STANDARD.encode(MAC);
        let url_safe = right.replace('+', "-").replace('/', "_");
        let hex: String = MAC.iter().map(|byte| format!("{byte:02x}")).collect();
        let percent = right.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        for (value, flaws) in [
            (format!("v1,{right}"), &[][..]),
            (right.clone(), &[Cause::SignatureWithoutVersion]),
            (format!("v1={right}"), &[Cause::SignatureSeparator]),
            (format!("v1, {right}"), &[Cause::SignatureSeparator]),
            (format!("v1,{right},"), &[Cause::SignatureSeparator]),
            (format!("v1,{right},v1"), &[Cause::SignatureSeparator]),
            (format!(",{right}"), &[Cause::SignatureSeparator]),
            (format!("V1,{right}"), &[Cause::SignatureOtherVersion]),
            (format!("v0,{right}"), &[Cause::SignatureOtherVersion]),
            (format!("v1,{url_safe}"), &[Cause::SignatureUrlSafe]),
            (format!("v1,{}", right.trim_end_matches('=')), &[Cause::SignatureUnpadded]),
            (format!("v1,{hex}"), &[Cause::SignatureHex]),
            (hex.to_uppercase(), &[Cause::SignatureWithoutVersion, Cause::SignatureHex]),
            (format!("v1,{percent}"), &[Cause::SignaturePercentEncoded]),
            (format!("v1%2C{percent}"), &[Cause::SignaturePercentEncoded]),
            (format!("v1,{}", right.replace('+', " ")), &[Cause::SignaturePlusLost]),
            (format!("v1,{}", right.to_lowercase()), &[Cause::SignatureCaseLost]),
            (format!("v1,{}", right.replace('h', "H")), &[Cause::SignatureCaseLost]),
            (format!("v1,{}", &right[..30]), &[Cause::SignatureTruncated]),
            (format!("v1,{right},v1,AAAA"), &[Cause::JoinedHeader]),
        ] {
            let found = read(value.as_bytes())
                .into_iter()
                .find(|token| matching(std::slice::from_ref(token), &MAC).is_some());
            assert_eq!(found.map(|token| token.flaws).as_deref(), Some(flaws), "{value}");
        }
    }

    #[test]
    fn distinguishes_values_that_cannot_be_a_mac() {
        let read = |value: &str| read(value.as_bytes()).remove(0).form;
        assert_eq!(read(&format!("v1a,{}", STANDARD.encode([1; 64]))), Form::Asymmetric);
        assert_eq!(read(&format!("v1,{}", STANDARD.encode([1; 64]))), Form::Long([1; 64]));
        assert_eq!(read(&format!("v1,{}", STANDARD.encode([1; 40]))), Form::Unreadable(Some(40)));
        assert_eq!(read("v1,?"), Form::Unreadable(None));
    }

    #[test]
    fn does_not_match_a_prefix_shorter_than_the_minimum_even_with_padding() {
        let right = STANDARD.encode(MAC);
        for length in 0..MIN_PART {
            let short = &right[..length];
            for fill in ["", "=", "=======", "…", "..."] {
                for value in
                    [format!("v1,{short}{fill}"), format!("{short}{fill}"), format!("v1,{short:=<43}")]
                {
                    let matching = read(value.as_bytes())
                        .into_iter()
                        .find(|token| matching(std::slice::from_ref(token), &MAC).is_some());
                    assert_eq!(matching, None, "{value}");
                }
            }
        }
        for value in [&right[..MIN_PART], &format!("{}=", &right[..MIN_PART]), &format!("{}…", &right[..42])]
        {
            let tokens = read(format!("v1,{value}").as_bytes());
            assert!(matching(&tokens, &MAC).is_some(), "{value}");
        }
    }

    #[test]
    fn does_not_panic_on_malformed_values() {
        for value in [
            "",
            " ",
            ",",
            "v1",
            "v",
            "v1a",
            "v1a,",
            "%",
            "%2",
            "%zz",
            "é",
            "v1é",
            "vé,",
            ",v1,",
            ",v1,,v1,",
            "v999999999999,x",
        ] {
            let _ = read(value.as_bytes());
        }
        let _ = read(&[0xff; 300]);
        assert!(read("v1,x ".repeat(10_000).as_bytes()).len() <= MAX_READINGS);
    }
}
