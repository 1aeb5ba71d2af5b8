//! Errors in signing secrets.

use std::fmt;

use crate::error_text::debug_is_display;

/// The minimum length of a key in bytes.
pub(super) const MIN_BYTES: usize = 16;

pub(super) const PREFIX: &str = "whsec_";

/// Prefixes of other keys that people paste instead of a signing secret.
const OTHER_KEYS: [(&str, SecretErrorKind); 4] = [
    ("whsk_", SecretErrorKind::AsymmetricSecretKey),
    ("whpk_", SecretErrorKind::AsymmetricPublicKey),
    ("sk_", SecretErrorKind::SecretApiKey),
    ("pk_", SecretErrorKind::PublishableApiKey),
];

const QUOTES: [char; 8] = ['"', '\'', '`', '“', '”', '‘', '’', '„'];

/// The error for a signing secret that cannot be used.
///
/// It occurs when secrets are loaded, never while a delivery is being verified. `Display` and `Debug`
/// describe the mistake and how to correct it. They never show any part of the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretError {
    kind: SecretErrorKind,
    variable: Option<&'static str>,
    position: Option<usize>,
}

impl SecretError {
    /// Returns the kind of mistake.
    #[must_use]
    pub fn kind(&self) -> SecretErrorKind {
        self.kind
    }

    pub(super) fn in_variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// Adds the secret's position in a list, counted from 1.
    pub(super) fn at(self, position: usize) -> Self {
        Self { position: Some(position), ..self }
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

debug_is_display!(SecretError);

macro_rules! copy_it {
    ($problem:literal) => {
        concat!(
            $problem,
            ". Copy the signing secret (whsec_…) from the endpoint's page in the Clerk Dashboard."
        )
    };
}

/// Defines the kinds and their texts from rows of the form `Kind = "text";`.
macro_rules! kinds {
    ($( $(#[$attribute:meta])+ $kind:ident = $text:expr; )+) => {
        /// The kind of mistake in a signing secret.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum SecretErrorKind {
            $( $(#[$attribute])+ $kind, )+
        }

        impl SecretErrorKind {
            fn advice(self) -> &'static str {
                match self {
                    $( Self::$kind => $text, )+
                }
            }
        }
    };
}

kinds! {
    /// None of the environment variables is set.
    Missing = copy_it!("CLERK_WEBHOOK_SIGNING_SECRET is not set");
    /// The text is empty or contains only white space.
    Blank = copy_it!("the signing secret is empty");
    /// The list of secrets is empty.
    NoSecrets = "the list of signing secrets is empty. Pass at least one secret.";
    /// The text is a secret key of Clerk's Backend API (`sk_…`).
    SecretApiKey = copy_it!("this is a secret key of Clerk's API (sk_…), not a signing secret");
    /// The text is a publishable key of Clerk's Frontend API (`pk_…`).
    PublishableApiKey = copy_it!("this is a publishable key of Clerk's API (pk_…), not a signing secret");
    /// The text is the private half of an asymmetric key (`whsk_…`).
    AsymmetricSecretKey = copy_it!("this is the private half of an asymmetric key (whsk_…), which only a sender needs");
    /// The text is the public half of an asymmetric key (`whpk_…`).
    AsymmetricPublicKey = copy_it!("this is an asymmetric public key (whpk_…), which Clerk does not use and this library does not support");
    /// The text is a JSON Web Token.
    JsonWebToken = copy_it!("this is a JSON Web Token (eyJ…), not a signing secret");
    /// The text is a URL.
    Url = copy_it!("this is a URL, not a signing secret");
    /// The text is a placeholder, such as `<secret>` or `$SECRET`.
    Placeholder = copy_it!("this is a placeholder, not a signing secret");
    /// The text is the masked form that the dashboard shows before you reveal the secret, or a shortened
    /// form.
    Hidden = "this is the hidden or shortened form of the signing secret. Reveal it in the Clerk Dashboard, then copy the \
              complete value.";
    /// The text contains quotes.
    Quoted = "quotes are part of the signing secret. Remove them: shells and .env files strip quotes, but other kinds of configuration keep them.";
    /// The text contains a variable name.
    VariableName = "the signing secret contains the name of a variable. Pass only the value after the equals sign.";
    /// The text contains white space.
    WhiteSpace = "the signing secret contains white space or a line break. Copy the complete value, from whsec_ to the end, \
                  without a line break.";
    /// The `whsec_` prefix contains capital letters.
    PrefixCase = "the signing secret begins with whsec_ in capital letters. Copy the value again and do not change it.";
    /// The `whsec_` prefix occurs twice.
    RepeatedPrefix = "the signing secret contains whsec_ twice. Remove one of them.";
    /// The text contains a character that is invisible or not ASCII.
    InvalidCharacter = "the signing secret contains a character that is invisible or not ASCII. Copy the value again, without \
                        formatting.";
    /// The text contains characters that occur only in URL-safe base64.
    UrlSafe = "the signing secret contains - or _, which occur only in URL-safe base64. Copy the value again from the \
               Clerk Dashboard: it contains + and / instead.";
    /// The number of characters is impossible for base64.
    Truncated = "the signing secret is incomplete or has an extra character. Copy the complete value again.";
    /// The text after the prefix is not standard base64 for another reason.
    NotBase64 = "the part of the signing secret after whsec_ is not base64. Copy the complete value again.";
    /// The key has fewer than [`SigningSecret::MIN_BYTES`](crate::SigningSecret::MIN_BYTES) bytes.
    TooShort = "the signing secret has fewer than 16 bytes after whsec_; Clerk's secrets have 24. Copy the complete value again.";
}

impl SecretErrorKind {
    /// If the text has the prefix of a different kind of key, returns the matching error kind.
    pub(super) fn of_other_key(text: &str) -> Option<Self> {
        OTHER_KEYS.into_iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| kind)
    }

    /// Returns whether a word looks like a secret. If it does, the white space before it separates two
    /// secrets.
    pub(super) fn is_meant_as_secret(word: &str) -> bool {
        let word = word.trim_matches(QUOTES);
        word.starts_with(PREFIX) || Self::of_other_key(word).is_some()
    }

    /// Finds the mistake in a text that is not base64 or is too short. Returns `self` if no other mistake is
    /// recognized.
    pub(super) fn refined(self, text: &str) -> Self {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let is_name = |name: &str| {
            let name = name.strip_prefix("export").unwrap_or(name).trim();
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let has_other_case = text
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX) && start != PREFIX);
        if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
            Self::Quoted
        } else if text
            .split_once(['=', ':'])
            .is_some_and(|(name, value)| is_name(name) && !value.trim_matches('=').is_empty())
        {
            Self::VariableName
        } else if text.contains(|character: char| character.is_ascii_whitespace()) {
            Self::WhiteSpace
        } else if text.contains("://") {
            Self::Url
        } else if text.starts_with("eyJ") && text.contains('.') {
            Self::JsonWebToken
        } else if has_other_case {
            Self::PrefixCase
        } else if encoded.contains(PREFIX) {
            Self::RepeatedPrefix
        } else if encoded.contains(['*', '•', '…']) || encoded.contains("...") {
            Self::Hidden
        } else if encoded.contains(|character: char| !character.is_ascii_graphic()) {
            Self::InvalidCharacter
        } else if encoded.starts_with(['$', '{', '<', '%']) {
            Self::Placeholder
        } else if self == Self::TooShort {
            Self::TooShort
        } else if encoded.contains(['-', '_']) {
            Self::UrlSafe
        } else if encoded.trim_end_matches('=').len() % 4 == 1 {
            Self::Truncated
        } else {
            self
        }
    }
}
