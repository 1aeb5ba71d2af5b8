//! Signing secrets.

use std::env::{self, VarError};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{self, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret_error::{MIN_BYTES, PREFIX, SecretError, SecretErrorKind};

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The environment variables that [`Verifier::from_env`](crate::Verifier::from_env) reads. The first variable
/// that is set wins. Clerk documents the first name, and many tutorials use the second.
pub(crate) const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// Standard base64. Padding is optional and trailing bits are ignored: other libraries accept such secrets,
/// and the decoded key is unambiguous.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

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
    /// instead. It never contains the text.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(SecretErrorKind::Blank.into());
        }
        if let Some(kind) = SecretErrorKind::of_other_key(text) {
            return Err(kind.into());
        }

        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        // The vector never reallocates, so it leaves no copy of the key in memory.
        let mut key = Zeroizing::new(Vec::with_capacity(encoded.len()));
        KEY_ENCODING.decode_vec(encoded, &mut key).map_err(|_| SecretErrorKind::NotBase64.refined(text))?;
        Self::from_key(key).map_err(|error| error.kind().refined(text).into())
    }

    /// Parses one or several secrets, separated by white space or commas.
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
    /// Use it in a tool that reports every invalid secret. White space separates two secrets only if every
    /// word after the first looks like a secret. Therefore an invalid secret that contains white space
    /// remains one text.
    pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
        const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
        let is_meant_as_secret =
            |word: &str| SecretErrorKind::is_meant_as_secret(word) || Self::parse(word).is_ok();
        let parts = text.split(',').map(|part| part.trim_matches(WHITE_SPACE));
        parts
            .flat_map(move |part| {
                let is_list =
                    part.split(WHITE_SPACE).skip(1).all(|word| word.is_empty() || is_meant_as_secret(word));
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
        general_purpose::STANDARD.encode_string(self.key.as_slice(), &mut text);
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

    fn kind(text: &str) -> SecretErrorKind {
        SigningSecret::parse(text).unwrap_err().kind()
    }

    #[test]
    fn each_mistake_has_its_own_kind() {
        for (text, expected) in [
            ("", SecretErrorKind::Blank),
            (" \n", SecretErrorKind::Blank),
            ("whsec_", SecretErrorKind::TooShort),
            ("whsec_dGVzdA==", SecretErrorKind::TooShort),
            ("sk_live_abc", SecretErrorKind::SecretApiKey),
            ("pk_test_abc", SecretErrorKind::PublishableApiKey),
            ("whsk_abc", SecretErrorKind::AsymmetricSecretKey),
            ("whpk_abc", SecretErrorKind::AsymmetricPublicKey),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", SecretErrorKind::UrlSafe),
            ("whsec_C2FVsBQIhrsc ChlQIMV+b5sSYspob7oD", SecretErrorKind::WhiteSpace),
            ("whsec_C2FVsBQIhrsc\nChlQIMV+b5sSYspob7o/", SecretErrorKind::WhiteSpace),
            ("whsec_whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SecretErrorKind::RepeatedPrefix),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDA", SecretErrorKind::Truncated),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSY", SecretErrorKind::Truncated),
            ("whsec_C2FVsBQI!rscChlQIMV+b5sSYspob7oD", SecretErrorKind::NotBase64),
            ("AAA=", SecretErrorKind::TooShort),
            ("WHSEC_C2FVSBQI", SecretErrorKind::PrefixCase),
            ("\"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"", SecretErrorKind::Quoted),
            ("'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SecretErrorKind::Quoted),
            ("“whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD”", SecretErrorKind::Quoted),
            ("CLERK_WEBHOOK_SIGNING_SECRET=whsec_C2FV", SecretErrorKind::VariableName),
            ("export CLERK_WEBHOOK_SIGNING_SECRET=whsec_C2FV", SecretErrorKind::VariableName),
            ("CLERK_WEBHOOK_SIGNING_SECRET:whsec_C2FV", SecretErrorKind::VariableName),
            ("https://example.com/webhooks/clerk", SecretErrorKind::Url),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2ln", SecretErrorKind::JsonWebToken),
            ("whsec_••••••••••••", SecretErrorKind::Hidden),
            ("whsec_abc...", SecretErrorKind::Hidden),
            ("<signing secret>", SecretErrorKind::WhiteSpace),
            ("<secret>", SecretErrorKind::Placeholder),
            ("$CLERK_WEBHOOK_SIGNING_SECRET", SecretErrorKind::Placeholder),
            ("whsec_C2FVsBQIhrscChlQ\u{200b}IMV+b5sSYspob7oD", SecretErrorKind::InvalidCharacter),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
            let in_list = SigningSecret::parse_list(text).unwrap_err();
            assert_eq!(in_list, SecretError::from(expected), "{text:?}");
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
        assert!(error.to_string().starts_with("secret 2: this is a secret key"), "{error}");
        assert_eq!(SigningSecret::parse_list(" , ").unwrap_err().kind(), SecretErrorKind::Blank);
        let error = SigningSecret::parse_list(&format!("{SECRET}, junk")).unwrap_err();
        assert!(error.to_string().starts_with("secret 2: "), "{error}");
        let error =
            SigningSecret::parse_list(&format!("CLERK_WEBHOOK_SIGNING_SECRET = {SECRET}")).unwrap_err();
        assert_eq!(error, SecretErrorKind::VariableName.into());

        let list = format!("{SECRET},sk_live_x \"{SECRET}\"");
        let kinds: Vec<_> = SigningSecret::split_list(&list)
            .map(|text| SigningSecret::parse(text).map_err(|error| error.kind()).err())
            .collect();
        assert_eq!(kinds, [None, Some(SecretErrorKind::SecretApiKey), Some(SecretErrorKind::Quoted)]);
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
        assert!(error.to_string().starts_with("CLERK_WEBHOOK_SECRET: this is a publishable key"));
    }

    #[test]
    fn errors_and_debug_do_not_show_the_secret() {
        for text in ["sk_live_TOPSECRET", "whsec_TOPSECRET-", "whsec_TOPSECRE", "whpk_TOPSECRET"] {
            let error = SigningSecret::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("TOPSECRE"), "{error}");
        }
        assert!(!format!("{:?}", SigningSecret::parse(SECRET)).contains("C2FV"));
    }
}
