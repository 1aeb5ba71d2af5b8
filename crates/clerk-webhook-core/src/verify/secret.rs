//! Signing secrets.

use std::env::{self, VarError};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret_error::{SecretError, SecretErrorKind};
use super::secret_text::{self, MIN_BYTES, PREFIX};

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The environment variables that [`Verifier::from_env`](crate::Verifier::from_env) reads. The first variable
/// that is set wins. Clerk documents the first name, and many tutorials use the second.
pub(crate) const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// An endpoint's signing secret, as the Clerk Dashboard shows it (`whsec_…`).
///
/// The key is erased from memory on drop, and `Debug` does not show it.
///
/// ```
/// use clerk_webhook_core::{SecretErrorKind, SigningSecret};
///
/// let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");
///
/// let error = SigningSecret::parse("sk_live_pasted_by_mistake").unwrap_err();
/// assert_eq!(error.kind(), SecretErrorKind::SecretApiKey);
/// # Ok::<(), clerk_webhook_core::SecretError>(())
/// ```
#[derive(Clone)]
pub struct SigningSecret {
    key: Zeroizing<Vec<u8>>,
    /// A MAC that is initialized with the key, so that the key schedule is computed only once.
    mac: HmacSha256,
}

impl SigningSecret {
    /// The minimum length of a key: 16 bytes, which is 128 bits. Svix creates keys of at least 24 bytes.
    pub const MIN_BYTES: usize = MIN_BYTES;

    /// Parses a secret from its text.
    ///
    /// Ignores white space around the text, because files often end with a line break. The `whsec_` prefix
    /// and the base64 padding are optional.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a signing secret. If possible, the error states what the text is
    /// instead. It never contains the text. Placeholders (`whsec_xxxx…`) and secrets that were encoded with
    /// base64 again are errors, even if they are base64 of a key that is long enough.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        Self::from_key(secret_text::decode(text)?)
    }

    /// Parses one or several secrets, separated by white space or commas.
    ///
    /// White space separates only secrets with the `whsec_` prefix.
    ///
    /// Pass several secrets while you rotate an endpoint's secret, or if several endpoints share one URL.
    /// During a rotation, list the new secret first; see
    /// [`Verified::secret_index`](crate::Verified::secret_index).
    ///
    /// # Errors
    ///
    /// Returns the error from [`parse`](Self::parse) for the first invalid secret, or an error if the list is
    /// empty.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SecretError> {
        let texts: Vec<_> = Self::split_list(text).collect();
        let is_list = texts.len() > 1;
        let number = |index, error: SecretError| if is_list { error.at(index + 1) } else { error };
        let secrets = texts.into_iter().enumerate();
        let secrets = secrets
            .map(|(index, text)| Self::parse(text).map_err(|error| number(index, error)))
            .collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() { Err(SecretErrorKind::Blank.into()) } else { Ok(secrets) }
    }

    /// Splits a list into the texts of its secrets, in the same way as [`parse_list`](Self::parse_list).
    ///
    /// Use it in a tool that reports every invalid secret. White space separates secrets only if each of them
    /// has its prefix, because a secret can also be split over two lines. A comma after `v1` does not separate
    /// secrets. JSON and a text with a comment remain one text. Therefore the error for an invalid text
    /// describes the whole text.
    pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
        const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
        let is_one_text = text.contains(['{', '[', '#']);
        // How many characters of the word `v1` precede the comma. 3 means that the word is not `v1`.
        let mut matched = 0;
        let is_comma = move |character| {
            let is_separator = character == ',' && matched != 2 && !is_one_text;
            matched = match (matched, character) {
                (_, ',' | ' ' | '\t' | '\r' | '\n') => 0,
                (0, 'v') => 1,
                (1, '1') => 2,
                _ => 3,
            };
            is_separator
        };
        let parts = text.split(is_comma).map(|part| part.trim_matches(WHITE_SPACE));
        parts
            .flat_map(move |part| {
                let mut words = part.split(WHITE_SPACE).filter(|word| !word.is_empty());
                let is_list = !is_one_text && words.all(secret_text::is_beginning);
                let separators: &[char] = if is_list { &WHITE_SPACE } else { &[] };
                part.split(separators)
            })
            .filter(|text| !text.is_empty())
    }

    /// Creates a secret from the bytes of its key.
    ///
    /// # Errors
    ///
    /// Returns an error if the key has fewer than [`MIN_BYTES`](Self::MIN_BYTES) bytes.
    pub fn from_bytes(key: &[u8]) -> Result<Self, SecretError> {
        Self::from_key(Zeroizing::new(key.to_vec()))
    }

    fn from_key(key: Zeroizing<Vec<u8>>) -> Result<Self, SecretError> {
        if key.len() < Self::MIN_BYTES {
            return Err(SecretErrorKind::TooShort.into());
        }
        let mac = HmacSha256::new_from_slice(&key).map_err(|_| SecretErrorKind::TooShort)?;
        Ok(Self { key, mac })
    }

    /// Reads the secrets from the environment variables.
    pub(crate) fn list_from_env() -> Result<Vec<Self>, SecretError> {
        Self::list_from(|name| env::var(name))
    }

    fn list_from(look_up: impl Fn(&str) -> Result<String, VarError>) -> Result<Vec<Self>, SecretError> {
        for name in VARIABLES {
            match look_up(name) {
                Ok(text) => {
                    let text = Zeroizing::new(text);
                    return Self::parse_list(&text).map_err(|error| error.in_variable(name));
                }
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => {
                    return Err(SecretError::from(SecretErrorKind::InvalidCharacter).in_variable(name));
                }
            }
        }
        Err(SecretErrorKind::Missing.into())
    }

    /// Returns the secret as text (`whsec_…`), for a tool that must pass it to another program.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + self.key.len().div_ceil(3) * 4));
        text.push_str(PREFIX);
        STANDARD.encode_string(self.key.as_slice(), &mut text);
        text
    }

    /// Returns a MAC that is initialized with the key and has no input yet.
    pub(crate) fn keyed_mac(&self) -> HmacSha256 {
        self.mac.clone()
    }
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// `tests/field-cases/secrets.txt` contains the mistakes that fit on one line.
    #[test]
    fn rejects_texts_and_keys_that_are_not_secrets() {
        for (text, expected) in [
            ("", SecretErrorKind::Blank),
            (" \n", SecretErrorKind::Blank),
            ("whsec_C2FVsBQIhrscChlQ\u{200b}IMV+b5sSYspob7oD", SecretErrorKind::InvalidCharacter),
            ("\u{feff}whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SecretErrorKind::InvalidCharacter),
        ] {
            let error = SecretError::from(expected);
            assert_eq!(SigningSecret::parse(text).unwrap_err(), error, "{text:?}");
            assert_eq!(SigningSecret::parse_list(text).unwrap_err(), error, "{text:?}");
        }
        assert_eq!(SigningSecret::from_bytes(&[7; 15]).unwrap_err().kind(), SecretErrorKind::TooShort);
        assert!(SigningSecret::from_bytes(&[7; 16]).is_ok());
    }

    #[test]
    fn accepts_a_missing_prefix_and_surrounding_white_space() {
        for text in [SECRET.to_owned(), format!("{SECRET}\n"), format!(" {SECRET}\t"), SECRET[6..].to_owned()]
        {
            assert_eq!(*SigningSecret::parse(&text).unwrap().expose_secret(), SECRET);
        }
    }

    #[test]
    fn list_errors_contain_the_position_of_the_secret() {
        assert_eq!(SigningSecret::parse_list(&format!("{SECRET},{SECRET}\n {SECRET}")).unwrap().len(), 3);
        let error = SigningSecret::parse_list(&format!("{SECRET}, sk_live_x")).unwrap_err();
        assert!(error.to_string().starts_with("secret 2: this is a secret API key"), "{error}");
        assert_eq!(SigningSecret::parse_list(" , ").unwrap_err().kind(), SecretErrorKind::Blank);
        let error = SigningSecret::parse_list(&format!("{SECRET}, junk")).unwrap_err();
        assert!(error.to_string().starts_with("secret 2: "), "{error}");

        let list = format!("{SECRET},sk_live_x \"{SECRET}\"");
        let kinds: Vec<_> = SigningSecret::split_list(&list)
            .map(|text| SigningSecret::parse(text).map_err(|error| error.kind()).err())
            .collect();
        assert_eq!(kinds, [None, Some(SecretErrorKind::SecretApiKey), Some(SecretErrorKind::Quoted)]);

        let versions = format!("{SECRET}, v1,{SECRET},v1,{SECRET} {SECRET}v1,{SECRET}");
        let version = format!("v1,{SECRET}");
        let last = format!("{SECRET}v1");
        assert_eq!(
            SigningSecret::split_list(&versions).collect::<Vec<_>>(),
            [SECRET, &version, &version, &last, SECRET]
        );
    }

    #[test]
    fn the_official_variable_wins_and_errors_name_the_variable() {
        let environment = |official: Option<&str>, other: Option<&str>| {
            let (official, other) = (official.map(str::to_owned), other.map(str::to_owned));
            SigningSecret::list_from(move |name| {
                let value = if name == VARIABLES[0] { &official } else { &other };
                value.clone().ok_or(VarError::NotPresent)
            })
        };
        assert_eq!(environment(Some(SECRET), Some("sk_x")).unwrap().len(), 1);
        assert_eq!(environment(None, Some(SECRET)).unwrap().len(), 1);
        let error = environment(None, None).unwrap_err();
        assert_eq!(error.kind(), SecretErrorKind::Missing);
        assert_eq!(
            format!("{error:?}"),
            "CLERK_WEBHOOK_SIGNING_SECRET is not set. Copy the signing secret (whsec_…) from the endpoint's page in the \
             Clerk Dashboard."
        );

        // A blank variable is an error, and the second variable is not read.
        let error = environment(Some(""), Some(SECRET)).unwrap_err();
        assert!(error.to_string().starts_with("CLERK_WEBHOOK_SIGNING_SECRET: the signing secret is empty"));
        let error = environment(None, Some("pk_x")).unwrap_err();
        assert!(error.to_string().starts_with("CLERK_WEBHOOK_SECRET: this is a publishable API key"));
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        assert!(!format!("{:?}", SigningSecret::parse(SECRET)).contains("C2FV"));
    }
}
