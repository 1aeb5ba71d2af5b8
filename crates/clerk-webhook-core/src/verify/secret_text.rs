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

/// Prefixes of keys that people paste instead of a signing secret, separated by spaces. `OtherKey`: Clerk,
/// GitHub and GitLab, Linear, npm, Polar, Resend, Shopify, Slack, Stripe, Supabase.
const OTHER_KEYS: [(&str, SecretErrorKind); 5] = [
    ("whsk_", SecretErrorKind::AsymmetricSecretKey),
    ("whpk_", SecretErrorKind::AsymmetricPublicKey),
    ("sk_", SecretErrorKind::SecretApiKey),
    ("pk_", SecretErrorKind::PublishableApiKey),
    (
        "ak_ ghp_ gho_ ghr_ ghs_ ghu_ github_pat_ glpat- lin_ npm_ polar_ re_ shpss_ xoxb- xoxp- rk_ sb_",
        SecretErrorKind::OtherKey,
    ),
];

/// Prefixes of the ids of Clerk and Svix, without the underscore.
const IDS: &str = "app atmpt cli dvc ema ep evt idn ins inv msg org orginv orgmem perm role sess src user";

const QUOTES: [char; 8] = ['"', '\'', '`', '“', '”', '‘', '’', '„'];

/// Words that occur in placeholders, and not in names of variables.
const PLACEHOLDERS: &str = "change dummy example fake here insert mock nil none null paste placeholder replace sample todo undefined your";

/// Other words that occur in placeholders.
const TOPICS: &str = "secret signing test webhook";

/// The number of characters that these words cover in a placeholder that is also base64 of enough bytes.
const WORD_LETTERS: usize = 10;

/// Returns the key in a text, or the mistake in the text.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, SecretErrorKind> {
    let text = text.trim_ascii();
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    // The vector never reallocates, so it leaves no copy of the key in memory.
    let mut key = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let is_base64 = KEY_ENCODING.decode_vec(encoded, &mut key).is_ok();
    mistake(text, encoded, is_base64.then_some(&key)).map_or(Ok(key), Err)
}

/// Returns whether the prefix of a word shows that a secret begins. If it does, white space before the word
/// separates two secrets. Base64 without a prefix can be the second line of a secret.
pub(super) fn is_beginning(word: &str) -> bool {
    word.contains(PREFIX) || other_key(word.trim_matches(QUOTES)).is_some()
}

/// Finds the mistake in a text: the first rule that applies.
///
/// Only `EncodedTwice` and `Placeholder` can apply to base64 of enough bytes. They apply to a random key of 24
/// to 64 bytes with a probability of less than 10⁻⁹; see the tests.
fn mistake(text: &str, encoded: &str, key: Option<&[u8]>) -> Option<SecretErrorKind> {
    use SecretErrorKind as Kind;
    if text.is_empty() {
        return Some(Kind::Blank);
    }
    if let Some(kind) = other_key(text) {
        return Some(kind);
    }
    let is_key = key.is_some_and(|key| key.len() >= MIN_BYTES);
    let is_misspelled = key.is_none()
        && text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("whsec"))
        && !text.contains(PREFIX);
    let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let has_white_space = text.contains(|character: char| character.is_ascii_whitespace());
    let is_plain = |character: char| character.is_ascii_graphic() || character.is_ascii_whitespace();
    let is_shortened = encoded.contains('…') || encoded.contains("...");
    let is_placeholder = is_placeholder(encoded.trim_end_matches(['.', '…']), is_key);
    let has_only = |others: &str| {
        encoded.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
    };
    let is_encoded_twice = key.map_or(encoded.starts_with(ENCODED_PREFIX), |key| {
        let is_text = || key.trim_ascii_end().iter().all(u8::is_ascii_graphic);
        key.starts_with(ENCODED_PREFIX.as_bytes()) || key.starts_with(PREFIX.as_bytes()) && is_text()
    });
    let rules = [
        (is_misspelled && !is_placeholder, Kind::MisspelledPrefix),
        (text.starts_with(['{', '[']) && is_json(), Kind::InsideJson),
        (scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())), Kind::Url),
        (text.contains('#'), Kind::Comment),
        (encoded.starts_with('<'), Kind::Placeholder),
        (names_a_variable(text), Kind::VariableName),
        (text.starts_with(QUOTES) || text.ends_with(QUOTES), Kind::Quoted),
        (encoded.starts_with(['$', '%']) || encoded.starts_with("{{"), Kind::Placeholder),
        (text.starts_with("eyJ") && text.contains('.'), Kind::JsonWebToken),
        (encoded.contains(['*', '•']), Kind::Hidden),
        (is_shortened, if is_placeholder { Kind::Placeholder } else { Kind::Hidden }),
        (!text.chars().all(is_plain), Kind::InvalidCharacter),
        (text.find(PREFIX).is_some_and(|index| index > 0), Kind::TextBefore),
        (encoded.contains(PREFIX), Kind::RepeatedPrefix),
        (is_encoded_twice, Kind::EncodedTwice),
        // A word next to a secret does not make the secret a placeholder.
        (has_white_space && text.split_ascii_whitespace().any(|word| decode(word).is_ok()), Kind::WhiteSpace),
        (is_placeholder, Kind::Placeholder),
        (has_white_space, Kind::WhiteSpace),
        (key.is_some() && !is_key, Kind::TooShort),
        (key.is_none() && text.starts_with(PREFIX) && !has_only("+/=") && has_only("-_="), Kind::UrlSafe),
        (key.is_none() && has_only("+/=") && encoded.trim_end_matches('=').len() % 4 == 1, Kind::Truncated),
        (key.is_none(), Kind::NotBase64),
    ];
    rules.into_iter().find_map(|(applies, kind)| applies.then_some(kind))
}

/// If the text has the prefix of a different kind of key or of an id, returns the matching error kind.
fn other_key(text: &str) -> Option<SecretErrorKind> {
    let has_prefix = |prefixes: &str| prefixes.split(' ').any(|prefix| text.starts_with(prefix));
    let is_id = || {
        let Some((prefix, rest)) = text.split_once('_') else { return false };
        let has_form = rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // The names of variables have these prefixes in capital letters.
        let has_digit = rest.contains(|letter: char| letter.is_ascii_digit());
        has_form && has_digit && IDS.split(' ').any(|id| id == prefix)
    };
    let key = OTHER_KEYS.into_iter().find_map(|(prefixes, kind)| has_prefix(prefixes).then_some(kind));
    key.or_else(|| is_id().then_some(SecretErrorKind::Id))
}

fn is_word_of(words: &str, word: &str) -> bool {
    words.split(' ').any(|other| other.eq_ignore_ascii_case(word))
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
            && !word.split('_').any(|part| is_word_of(PLACEHOLDERS, part))
    };
    text.split(['=', ':'])
        .filter_map(|part| part.trim_end_matches(is_separator).rsplit(is_separator).next())
        .any(is_name)
}

/// Returns whether the text after the prefix repeats or counts characters, or contains words of a placeholder.
fn is_placeholder(encoded: &str, is_key: bool) -> bool {
    let encoded = encoded.trim_end_matches('=');
    let bytes = encoded.as_bytes();
    let is_step = |pair: &&[u8]| matches!(pair, [a, b] if b.to_ascii_lowercase().wrapping_sub(a.to_ascii_lowercase()) <= 1);
    let counts = bytes.len() > 2 && bytes.windows(2).filter(is_step).count() * 4 >= (bytes.len() - 1) * 3;
    let different = bytes.iter().fold(0, |set, byte| set | 1_u128 << (byte & 0x7f)).count_ones();
    let repeats = bytes.len() > 20 && different <= 3;
    let is_word = |part: &str| is_word_of(PLACEHOLDERS, part) || is_word_of(TOPICS, part);
    let has_word = || encoded.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_word);
    counts
        || repeats
        || letters_of_words(encoded) >= if is_key { WORD_LETTERS } else { 6 }
        || !is_key && has_word()
}

/// Counts the characters that words of at least four letters cover. Stops at the number for a usable key.
fn letters_of_words(encoded: &str) -> usize {
    let text = Zeroizing::new(encoded.to_ascii_lowercase());
    let (mut rest, mut letters) = (text.as_str(), 0);
    let words = || PLACEHOLDERS.split(' ').chain(TOPICS.split(' ')).filter(|word| word.len() >= 4);
    while letters < WORD_LETTERS
        && let Some((at, word)) = words().filter_map(|word| Some((rest.find(word)?, word))).min()
    {
        letters += word.len();
        rest = rest.get(at + word.len()..).unwrap_or_default();
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up the probabilities of all sequences of words that cover at least `WORD_LETTERS` characters.
    #[test]
    fn random_keys_contain_words_of_placeholders_with_a_probability_below_one_in_a_billion() {
        const MOST: usize = 64_usize.div_ceil(3) * 4;
        let words =
            || PLACEHOLDERS.split(' ').chain(TOPICS.split(' ')).map(str::len).filter(|length| *length >= 4);
        // `ways[end][letters]`: the expected number of such sequences before `end` that cover this many letters.
        let mut ways = vec![[0.0; MOST + 1]; MOST + 1];
        ways[0][0] = 1.0;
        for end in 1..=MOST {
            for letters in 0..=end {
                let single = ways[end - 1][letters];
                let fitting = words().filter(|length| *length <= letters);
                // Two of 64 characters match a letter.
                let after_word =
                    fitting.map(|length| ways[end - length][letters - length] / 32_f64.powi(length as i32));
                ways[end][letters] = single + after_word.sum::<f64>();
            }
        }
        let probability: f64 = ways[MOST][WORD_LETTERS..].iter().sum();
        assert!((1e-12..1e-9).contains(&probability), "{probability}");
    }

    #[test]
    fn accepts_random_keys() {
        let mut state = 20_261_128_u64;
        let mut random = || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        };
        let mut text = String::new();
        // Without optimizations, a million keys take a minute.
        let keys = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
        for number in 0..keys {
            let key: Vec<u8> = (0..8).flat_map(|_| random().to_le_bytes()).take(24 + number % 41).collect();
            text.clear();
            text.push_str(PREFIX);
            KEY_ENCODING.encode_string(&key, &mut text);
            let text = if number % 3 == 0 { &text[PREFIX.len()..] } else { &text };
            assert_eq!(decode(text).as_deref(), Ok(&key), "{text}");
        }
    }
}
