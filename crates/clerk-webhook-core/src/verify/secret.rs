//! Signing secrets and what can be wrong with them.

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

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The environment variables that [`Verifier::from_env`](crate::Verifier::from_env) reads, the first that is
/// set wins: the official name, then the one that many tutorials use.
pub(crate) const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

const PREFIX: &str = "whsec_";

/// What people paste instead of a signing secret, by its prefix.
const OTHER_KEYS: [(&str, SecretErrorKind); 4] = [
    ("whsk_", SecretErrorKind::AsymmetricSecretKey),
    ("whpk_", SecretErrorKind::AsymmetricPublicKey),
    ("sk_", SecretErrorKind::SecretApiKey),
    ("pk_", SecretErrorKind::PublishableApiKey),
];

/// Standard alphabet; padding is optional and trailing bits are ignored, because both leave the key's bytes
/// unambiguous and both are seen in secrets that other libraries accept. Nothing else is.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The signing secret of one webhook endpoint, as Clerk's dashboard shows it (`whsec_…`).
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
    /// The key schedule, computed once and not for every delivery.
    mac: HmacSha256,
}

impl SigningSecret {
    /// The least number of bytes that a key must have: 128 bits. Svix makes keys of 24 bytes and more.
    pub const MIN_BYTES: usize = 16;

    /// Reads a secret from its text form.
    ///
    /// White space around it is cut off, since secrets often come from files that end in a line break. The
    /// prefix `whsec_` and the base64 padding are optional.
    ///
    /// # Errors
    ///
    /// Says what the text is instead of a signing secret; the text itself is never part of the error.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(SecretErrorKind::Blank.into());
        }
        if let Some((_, kind)) = OTHER_KEYS.into_iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(kind.into());
        }

        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        // The capacity is there from the start, so that no reallocation leaves a copy of the key behind.
        let mut key = Zeroizing::new(Vec::with_capacity(encoded.len()));
        KEY_ENCODING.decode_vec(encoded, &mut key).map_err(|_| SecretErrorKind::NotBase64)?;
        Self::from_key(key)
    }

    /// Reads one or several secrets, separated by white space or commas.
    ///
    /// Several are needed while an endpoint's secret is rotated, and where several endpoints share one URL. During a rotation
    /// list the new secret first, see [`Verified::secret_index`](crate::Verified::secret_index).
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), for the first secret that is flawed, and when there is none at all.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SecretError> {
        let texts = || text.split([' ', '\t', '\r', '\n', ',']).filter(|text| !text.is_empty());
        let several = texts().nth(1).is_some();
        let secrets = texts()
            .enumerate()
            .map(|(index, text)| Self::parse(text).map_err(|error| error.at(several.then_some(index + 1))))
            .collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() {
            return Err(SecretErrorKind::Blank.into());
        }
        Ok(secrets)
    }

    /// Creates a secret from the bytes of a key.
    ///
    /// # Errors
    ///
    /// Refuses a key of fewer than [`MIN_BYTES`](Self::MIN_BYTES) bytes.
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

    /// Reads the secrets from the environment.
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
                    return Err(SecretError::from(SecretErrorKind::NotBase64).in_variable(name));
                }
            }
        }
        Err(SecretErrorKind::Missing.into())
    }

    /// Returns the secret in its text form, `whsec_…`, for a tool that has to hand it on.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + self.key.len().div_ceil(3) * 4));
        text.push_str(PREFIX);
        general_purpose::STANDARD.encode_string(self.key.as_slice(), &mut text);
        text
    }

    /// Returns a MAC that has been keyed and has seen no message yet.
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

/// The error of a signing secret that cannot be used; it surfaces at start-up, never per request.
///
/// Its message says what to do and never shows the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    kind: SecretErrorKind,
    variable: Option<&'static str>,
    position: Option<usize>,
}

impl SecretError {
    /// Returns what is wrong with the secret.
    #[must_use]
    pub fn kind(&self) -> SecretErrorKind {
        self.kind
    }

    fn in_variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    fn at(self, position: Option<usize>) -> Self {
        Self { position, ..self }
    }
}

impl From<SecretErrorKind> for SecretError {
    fn from(kind: SecretErrorKind) -> Self {
        Self { kind, variable: None, position: None }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.variable, self.position) {
            (Some(variable), Some(position)) => write!(f, "{variable}, secret {position}: ")?,
            (Some(variable), None) => write!(f, "{variable}: ")?,
            (None, Some(position)) => write!(f, "secret {position}: ")?,
            (None, None) => {}
        }
        f.write_str(self.kind.advice())
    }
}

impl std::error::Error for SecretError {}

/// What is wrong with a signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretErrorKind {
    /// Neither environment variable is set.
    Missing,
    /// The text is empty or white space.
    Blank,
    /// The list of secrets is empty: a verifier without a secret would let everything in or nothing.
    NoSecrets,
    /// A secret key of Clerk's Backend API (`sk_…`) was pasted.
    SecretApiKey,
    /// A publishable key of Clerk's Frontend API (`pk_…`) was pasted.
    PublishableApiKey,
    /// The private half of an asymmetric key (`whsk_…`) was pasted.
    AsymmetricSecretKey,
    /// The public half of an asymmetric key (`whpk_…`) was pasted.
    AsymmetricPublicKey,
    /// What follows the prefix is not standard base64.
    NotBase64,
    /// The key has fewer than [`SigningSecret::MIN_BYTES`] bytes.
    TooShort,
}

impl SecretErrorKind {
    fn advice(self) -> &'static str {
        match self {
            Self::Missing => {
                "CLERK_WEBHOOK_SIGNING_SECRET is not set (nor is CLERK_WEBHOOK_SECRET); set it to the signing \
                 secret of your endpoint, Clerk Dashboard > Webhooks > the endpoint > Signing Secret (whsec_…)"
            }
            Self::Blank => {
                "the signing secret is blank; copy it from Clerk Dashboard > Webhooks > the endpoint > Signing \
                 Secret (whsec_…)"
            }
            Self::NoSecrets => "the list of signing secrets is empty; give at least one",
            Self::SecretApiKey => {
                "this is a secret key of Clerk's API (sk_…), not a signing secret; copy the one that starts \
                 with whsec_ from Clerk Dashboard > Webhooks > the endpoint"
            }
            Self::PublishableApiKey => {
                "this is a publishable key of Clerk's API (pk_…), not a signing secret; copy the one that \
                 starts with whsec_ from Clerk Dashboard > Webhooks > the endpoint"
            }
            Self::AsymmetricSecretKey => {
                "this is the private half of an asymmetric key (whsk_…), which only a sender needs; Clerk \
                 signs with a shared secret that starts with whsec_"
            }
            Self::AsymmetricPublicKey => {
                "this is an asymmetric public key (whpk_…), which is not supported; Clerk signs with a shared \
                 secret that starts with whsec_"
            }
            Self::NotBase64 => {
                "the signing secret is not base64 after whsec_; copy the whole value again, without quotes, \
                 line breaks or blanks inside"
            }
            Self::TooShort => {
                "the signing secret has fewer than 16 bytes after whsec_; copy the whole value again"
            }
        }
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
    fn each_flaw_has_its_own_kind() {
        for (text, expected) in [
            ("", SecretErrorKind::Blank),
            (" \n", SecretErrorKind::Blank),
            ("whsec_", SecretErrorKind::TooShort),
            ("whsec_dGVzdA==", SecretErrorKind::TooShort),
            ("sk_live_abc", SecretErrorKind::SecretApiKey),
            ("pk_test_abc", SecretErrorKind::PublishableApiKey),
            ("whsk_abc", SecretErrorKind::AsymmetricSecretKey),
            ("whpk_abc", SecretErrorKind::AsymmetricPublicKey),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", SecretErrorKind::NotBase64),
            ("whsec_C2FVsBQIhrsc ChlQIMV+b5sSYspob7oD", SecretErrorKind::NotBase64),
            ("whsec_whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SecretErrorKind::NotBase64),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDA", SecretErrorKind::NotBase64),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
        assert_eq!(SigningSecret::from_bytes(&[7; 15]).unwrap_err().kind(), SecretErrorKind::TooShort);
        assert!(SigningSecret::from_bytes(&[7; 16]).is_ok());
    }

    #[test]
    fn prefix_and_surrounding_white_space_are_optional() {
        for text in [SECRET.to_owned(), format!("{SECRET}\n"), format!(" {SECRET}\t"), SECRET[6..].to_owned()]
        {
            assert_eq!(*SigningSecret::parse(&text).unwrap().expose_secret(), SECRET);
        }
    }

    #[test]
    fn a_list_names_the_secret_that_is_flawed() {
        assert_eq!(SigningSecret::parse_list(&format!("{SECRET},{SECRET}\n {SECRET}")).unwrap().len(), 3);
        let error = SigningSecret::parse_list(&format!("{SECRET}, sk_live_x")).unwrap_err();
        assert!(error.to_string().starts_with("secret 2: this is a secret key"), "{error}");
        assert_eq!(SigningSecret::parse_list(" , ").unwrap_err().kind(), SecretErrorKind::Blank);
    }

    #[test]
    fn the_official_variable_wins_and_errors_name_theirs() {
        let environment = |official: Option<&str>, other: Option<&str>| {
            let (official, other) = (official.map(str::to_owned), other.map(str::to_owned));
            SigningSecret::list_from(move |name| {
                let value = if name == VARIABLES[0] { &official } else { &other };
                value.clone().ok_or(VarError::NotPresent)
            })
        };
        assert_eq!(environment(Some(SECRET), Some("sk_x")).unwrap().len(), 1);
        assert_eq!(environment(None, Some(SECRET)).unwrap().len(), 1);
        assert_eq!(environment(None, None).unwrap_err().kind(), SecretErrorKind::Missing);

        // A variable that is set but blank is a mistake to show, not one to look past.
        let error = environment(Some(""), Some(SECRET)).unwrap_err();
        assert!(error.to_string().starts_with("CLERK_WEBHOOK_SIGNING_SECRET: the signing secret is blank"));
        let error = environment(None, Some("pk_x")).unwrap_err();
        assert!(error.to_string().starts_with("CLERK_WEBHOOK_SECRET: this is a publishable key"));
    }

    #[test]
    fn no_error_or_debug_shows_the_value() {
        for text in ["sk_live_TOPSECRET", "whsec_TOPSECRET-", "whsec_TOPSECRE", "whpk_TOPSECRET"] {
            let error = SigningSecret::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("TOPSECRE"), "{error}");
        }
        assert!(!format!("{:?}", SigningSecret::parse(SECRET)).contains("C2FV"));
    }
}
