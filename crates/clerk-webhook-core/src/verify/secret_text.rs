//! The text of a signing secret: decodes the key, or finds the mistake in the text.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::secret_error::SecretErrorKind;

/// The minimum length of a key in bytes.
pub(super) const MIN_BYTES: usize = 16;

pub(super) const PREFIX: &str = "whsec_";

/// The beginning of a secret that was encoded again: base64 of [`PREFIX`].
const ENCODED_PREFIX: &str = "d2hzZWNf";

/// Standard base64. Padding is optional and trailing bits are ignored: other libraries accept such secrets,
/// and the decoded key is unambiguous.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Prefixes of keys and ids that people paste instead of a signing secret, separated by spaces. `OtherKey`:
/// Clerk and Svix, GitHub and GitLab, Linear, npm, Polar, Resend, Shopify, Slack, Stripe, Supabase.
const OTHER_KEYS: [(&str, SecretErrorKind); 5] = [
    ("whsk_", SecretErrorKind::AsymmetricSecretKey),
    ("whpk_", SecretErrorKind::AsymmetricPublicKey),
    ("sk_", SecretErrorKind::SecretApiKey),
    ("pk_", SecretErrorKind::PublishableApiKey),
    (
        "ak_ ep_ ins_ ghp_ gho_ ghr_ ghs_ ghu_ github_pat_ glpat- lin_ npm_ polar_ re_ shpss_ xoxb- xoxp- rk_ sb_",
        SecretErrorKind::OtherKey,
    ),
];

const QUOTES: [char; 8] = ['"', '\'', '`', '“', '”', '‘', '’', '„'];

/// Words of placeholders. A word of at least six letters also counts inside a longer word.
const PLACEHOLDER_WORDS: &str = "changeme dummy example fake here insert mock nil none null placeholder replace sample \
                                 secret signing test todo undefined webhook your";

/// Returns the key in a text, or the mistake in the text.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, SecretErrorKind> {
    let text = text.trim_ascii();
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    // The vector never reallocates, so it leaves no copy of the key in memory.
    let mut key = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let is_base64 = KEY_ENCODING.decode_vec(encoded, &mut key).is_ok();
    mistake(text, encoded, is_base64.then_some(&key)).map_or(Ok(key), Err)
}

/// Returns whether a word looks like a secret. If it does, white space next to it separates two secrets.
pub(super) fn is_meant_as_secret(word: &str) -> bool {
    word.contains(PREFIX) || other_key(word.trim_matches(QUOTES)).is_some() || decode(word).is_ok()
}

/// Finds the mistake in a text: the first rule that applies.
///
/// Only `EncodedTwice` and `Placeholder` can apply to base64 of enough bytes. Their rules apply to a random
/// key of at least 16 bytes with a probability of less than 2⁻⁶⁰.
fn mistake(text: &str, encoded: &str, key: Option<&[u8]>) -> Option<SecretErrorKind> {
    use SecretErrorKind as Kind;
    if text.is_empty() {
        return Some(Kind::Blank);
    }
    if let Some(kind) = other_key(text) {
        return Some(kind);
    }
    let is_key = key.is_some_and(|key| key.len() >= MIN_BYTES);
    let start = text.get(..PREFIX.len()).unwrap_or_default();
    let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let has_white_space = text.contains(|character: char| character.is_ascii_whitespace());
    let is_plain = |character: char| character.is_ascii_graphic() || character.is_ascii_whitespace();
    let is_encoded_twice = key.map_or(encoded.starts_with(ENCODED_PREFIX), |key| {
        let is_text = || key.trim_ascii_end().iter().all(u8::is_ascii_graphic);
        key.starts_with(ENCODED_PREFIX.as_bytes()) || key.starts_with(PREFIX.as_bytes()) && is_text()
    });
    let rules = [
        (start.eq_ignore_ascii_case(PREFIX) && start != PREFIX, Kind::PrefixCase),
        (text.starts_with(['{', '[']) && is_json(), Kind::InsideJson),
        (scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())), Kind::Url),
        (text.contains('#'), Kind::Comment),
        (names_a_variable(text), Kind::VariableName),
        (text.starts_with(QUOTES) || text.ends_with(QUOTES), Kind::Quoted),
        (encoded.starts_with(['$', '<', '%']) || encoded.starts_with("{{"), Kind::Placeholder),
        (text.starts_with("eyJ") && text.contains('.'), Kind::JsonWebToken),
        (encoded.contains(['*', '•', '…']) || encoded.contains("..."), Kind::Hidden),
        (!text.chars().all(is_plain), Kind::InvalidCharacter),
        (text.find(PREFIX).is_some_and(|index| index > 0), Kind::TextBefore),
        (encoded.contains(PREFIX), Kind::RepeatedPrefix),
        (is_encoded_twice, Kind::EncodedTwice),
        // A word next to a secret does not make the secret a placeholder.
        (has_white_space && text.split_ascii_whitespace().any(|word| decode(word).is_ok()), Kind::WhiteSpace),
        (is_placeholder(encoded, is_key), Kind::Placeholder),
        (has_white_space, Kind::WhiteSpace),
        (key.is_some() && !is_key, Kind::TooShort),
        (encoded.contains(['-', '_']), Kind::UrlSafe),
        (key.is_none() && encoded.trim_end_matches('=').len() % 4 == 1, Kind::Truncated),
        (key.is_none(), Kind::NotBase64),
    ];
    rules.into_iter().find_map(|(applies, kind)| applies.then_some(kind))
}

/// If the text has the prefix of a different kind of key, returns the matching error kind.
fn other_key(text: &str) -> Option<SecretErrorKind> {
    let has_prefix = |prefixes: &str| prefixes.split(' ').any(|prefix| text.starts_with(prefix));
    OTHER_KEYS.into_iter().find_map(|(prefixes, kind)| has_prefix(prefixes).then_some(kind))
}

/// Returns whether the text is a variable in capital letters, such as `process.env.A_NAME` or `${A_NAME}`, or
/// assigns a value to such a variable.
fn names_a_variable(text: &str) -> bool {
    let is_separator =
        |character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
    let is_name = |word: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        word.contains('_')
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && word.bytes().all(is_allowed)
    };
    text.split(['=', ':'])
        .filter_map(|part| part.trim_end_matches(is_separator).rsplit(is_separator).next())
        .any(is_name)
}

/// Returns whether the text after the prefix repeats or counts characters, or contains words of a placeholder:
/// one word, or three if the text is a usable key.
fn is_placeholder(encoded: &str, is_key: bool) -> bool {
    let bytes = encoded.trim_end_matches('=').as_bytes();
    let steps = bytes.windows(2).filter(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) <= 1)).count();
    let counts = bytes.len() > 2 && steps * 4 >= (bytes.len() - 1) * 3;
    let different = bytes.iter().fold(0, |set, byte| set | 1_u128 << (byte & 0x7f)).count_ones();
    let repeats = bytes.len() > 20 && different <= 3;

    let is_inside =
        |word: &str| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    let is_separate = |word: &str| {
        encoded
            .split(|character: char| !character.is_ascii_alphanumeric())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    let is_used = |word: &&str| word.len() >= 6 && is_inside(word) || !is_key && is_separate(word);
    let words = PLACEHOLDER_WORDS.split(' ').filter(is_used).count();
    counts || repeats || words >= if is_key { 3 } else { 1 }
}
