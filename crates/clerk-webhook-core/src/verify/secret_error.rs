//! Errors in signing secrets.

use std::fmt;

use crate::error_text::debug_is_display;

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
    /// The platform, `wasm32-unknown-unknown`, has no system clock, and the builder was not given another one;
    /// see [`VerifierBuilder::clock`](crate::VerifierBuilder::clock).
    NoClock = "this platform has no system clock, which the verifier needs to reject old deliveries. Build the verifier with \
               VerifierBuilder::clock.";
    /// The text is a secret key (`sk_…`), such as the key of Clerk's Backend API.
    SecretApiKey = copy_it!("this is a secret API key (sk_…), not a signing secret");
    /// The text is a publishable key (`pk_…`), such as the key of Clerk's Frontend API.
    PublishableApiKey = copy_it!("this is a publishable API key (pk_…), not a signing secret");
    /// The text is the private half of an asymmetric key (`whsk_…`).
    AsymmetricSecretKey = copy_it!("this is the private half of an asymmetric key (whsk_…), which only a sender needs");
    /// The text is the public half of an asymmetric key (`whpk_…`).
    AsymmetricPublicKey = copy_it!("this is an asymmetric public key (whpk_…), which Clerk does not use and this library does not support");
    /// The text has the prefix of another key, such as `lin_wh_` or `re_`.
    OtherKey = copy_it!("this is another kind of key, as its prefix shows, not a signing secret of Clerk");
    /// The text is an id of Clerk or Svix, such as `user_…`, `ins_…`, `msg_…` or `ep_…`.
    Id = copy_it!("this is an id of Clerk or Svix, as its prefix shows, not a signing secret");
    /// The text is a JSON Web Token.
    JsonWebToken = copy_it!("this is a JSON Web Token (eyJ…), not a signing secret");
    /// The text is a URL.
    Url = copy_it!("this is a URL, not a signing secret");
    /// The text is JSON, such as an object that contains the secret.
    InsideJson = "this is JSON, not only the signing secret. Pass only the value that begins with whsec_, without quotes.";
    /// The text is a placeholder, such as `<secret>`, `whsec_your_secret_here`, `whsec_xxxx` or `undefined`.
    Placeholder = copy_it!("this is a placeholder, not a signing secret");
    /// The text is the masked form that the dashboard shows before you reveal the secret, or a shortened
    /// form.
    Hidden = "this is the hidden or shortened form of the signing secret. Reveal it in the Clerk Dashboard, then copy the \
              complete value.";
    /// The text contains quotes.
    Quoted = "quotes are part of the signing secret. Remove them: shells and .env files strip quotes, but other kinds of configuration keep them.";
    /// The text contains a variable name, such as `A_NAME=whsec_…`, `${A_NAME}` or `process.env.A_NAME`.
    VariableName = "the signing secret contains the name of a variable. Pass only the variable's value, which begins with \
                    whsec_.";
    /// Other text precedes the `whsec_` prefix.
    TextBefore = "other text, such as \"v1,\" or \"Bearer\", precedes whsec_. Remove all text before whsec_.";
    /// The text contains `#`, usually because a comment follows the secret.
    Comment = "the signing secret contains #, which does not begin a comment here. Remove the comment.";
    /// The text is base64 of a secret's text, as in the `data` of a Kubernetes secret.
    EncodedTwice = "the signing secret was encoded with base64 again. Remove whsec_ from its start if it is there, and decode the rest until it begins with whsec_.";
    /// The text contains white space, for example because the secret is split over two lines.
    WhiteSpace = "the signing secret contains white space or a line break. Is it one secret over two lines? Then join the \
                  lines, without white space. Separate several secrets with commas.";
    /// The prefix is a changed form of `whsec_`, such as `WHSEC_` or `whsec-`.
    MisspelledPrefix = "the signing secret begins with a changed form of whsec_, which is in lower case and ends with an \
                        underscore. Copy the value again and do not change it.";
    /// The `whsec_` prefix occurs twice.
    RepeatedPrefix = "the signing secret contains whsec_ more than once. Remove the repetition, or separate the secrets with commas.";
    /// The text contains a character that is invisible or not ASCII.
    InvalidCharacter = "the signing secret contains a character that is invisible or not ASCII. Copy the value again, without \
                        formatting.";
    /// The text contains characters that occur only in URL-safe base64.
    UrlSafe = "the signing secret contains - or _, as in URL-safe base64. Copy the value again from the \
               Clerk Dashboard: it contains + and / instead.";
    /// The number of characters is impossible for base64.
    Truncated = "the signing secret is incomplete or has an extra character. Copy the complete value again.";
    /// The text after the prefix is not standard base64 for another reason.
    NotBase64 = copy_it!("the signing secret is not whsec_ followed by base64");
    /// The key has fewer than [`SigningSecret::MIN_BYTES`](crate::SigningSecret::MIN_BYTES) bytes.
    TooShort = "the signing secret has fewer than 16 bytes; Clerk's secrets have 24. Copy the complete value again.";
}
