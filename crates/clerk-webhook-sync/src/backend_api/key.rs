//! The secret key.

use std::error::Error;
use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

const DEVELOPMENT: &str = "sk_test_";
const PRODUCTION: &str = "sk_live_";

/// A secret key (`sk_…`), which is erased from memory on drop.
pub(super) struct SecretKey {
    /// The value of the `authorization` header.
    bearer: Zeroizing<String>,
    is_development: bool,
}

impl SecretKey {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidSecretKey> {
        let text = text.trim();
        if let Some(mistake) = mistake(text) {
            return Err(InvalidSecretKey(mistake));
        }
        // The text never reallocates, so it leaves no copy of the key in memory.
        let mut bearer = Zeroizing::new(String::with_capacity("Bearer ".len() + text.len()));
        bearer.push_str("Bearer ");
        bearer.push_str(text);
        Ok(Self { bearer, is_development: text.starts_with(DEVELOPMENT) })
    }

    /// Returns whether the key belongs to a development instance.
    pub(super) fn is_development(&self) -> bool {
        self.is_development
    }

    /// Returns the value of the `authorization` header. Its `Debug` does not show the key.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.bearer).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([REDACTED])")
    }
}

/// Finds the mistake in a text: the first rule that applies.
fn mistake(text: &str) -> Option<Mistake> {
    let rest = text.strip_prefix(DEVELOPMENT).or_else(|| text.strip_prefix(PRODUCTION));
    let is_quote = |character| matches!(character, '"' | '\'' | '`' | '“' | '”');
    let is_hidden = |rest: &str| {
        rest.contains(['•', '*', '…'])
            || rest.contains("...")
            || rest.chars().all(|character| character.eq_ignore_ascii_case(&'x'))
    };
    let rules = [
        (text.is_empty(), Mistake::Blank),
        (text.starts_with(is_quote) || text.ends_with(is_quote), Mistake::Quoted),
        (text.starts_with("whsec_"), Mistake::SigningSecret),
        (text.starts_with("pk_"), Mistake::PublishableKey),
        (text.split_once('=').is_some_and(|(_, value)| value.contains("sk_")), Mistake::VariableName),
        (text.starts_with("Bearer"), Mistake::Bearer),
        (rest.is_none(), Mistake::OtherText),
        (rest.is_some_and(str::is_empty), Mistake::OnlyPrefix),
        (rest.is_some_and(is_hidden), Mistake::Hidden),
        (text.contains(char::is_whitespace), Mistake::WhiteSpace),
        (!text.bytes().all(|byte| byte.is_ascii_graphic()), Mistake::InvalidCharacter),
    ];
    rules.into_iter().find_map(|(applies, mistake)| applies.then_some(mistake))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    Blank,
    Quoted,
    SigningSecret,
    PublishableKey,
    VariableName,
    Bearer,
    OtherText,
    OnlyPrefix,
    Hidden,
    WhiteSpace,
    InvalidCharacter,
}

/// The error for a text that is not a secret key of Clerk's Backend API.
///
/// The text of the error states the mistake and what to do. It never contains the value.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidSecretKey(Mistake);

impl fmt::Display for InvalidSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.0 {
            Mistake::Blank => "the secret key is empty",
            Mistake::Quoted => "quotes are part of the secret key. Remove them",
            Mistake::SigningSecret => "this is the signing secret of an endpoint (whsec_…), not a secret key",
            Mistake::PublishableKey => "this is a publishable key (pk_…), not a secret key",
            Mistake::VariableName => "the name of a variable is part of the secret key. Pass only its value",
            Mistake::Bearer => "the secret key begins with Bearer. Pass only the text after it",
            Mistake::OtherText => "this is not a secret key: it begins with neither sk_test_ nor sk_live_",
            Mistake::OnlyPrefix => "the secret key is incomplete: it consists only of its prefix",
            Mistake::Hidden => "this is a hidden or shortened form of the secret key. Reveal it first",
            Mistake::WhiteSpace => "the secret key contains white space or a line break",
            Mistake::InvalidCharacter => "the secret key contains a character that is invisible or not ASCII",
        };
        write!(
            f,
            "{problem}. Copy the secret key (sk_test_… or sk_live_…) from the API keys page of the Clerk Dashboard."
        )
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for InvalidSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidSecretKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_the_mistake_and_never_the_value() {
        for (text, expected) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "signing secret of an endpoint (whsec_…)"),
            ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "publishable key (pk_…)"),
            ("\"sk_live_3kXp0wTq\"", "quotes are part"),
            ("'whsec_3kXp0wTq'", "quotes are part"),
            ("CLERK_SECRET_KEY=sk_live_3kXp0wTq", "name of a variable"),
            ("Bearer sk_live_3kXp0wTq", "begins with Bearer"),
            ("ins_3kXp0wTq", "neither sk_test_ nor sk_live_"),
            ("sk_3kXp0wTq", "neither sk_test_ nor sk_live_"),
            ("SK_LIVE_3kXp0wTq", "neither sk_test_ nor sk_live_"),
            ("sk_live_", "only of its prefix"),
            ("sk_live_•••••3kXp0wTq", "hidden or shortened"),
            ("sk_test_3kXp0wTq...", "hidden or shortened"),
            ("sk_test_xxxxxxxx", "hidden or shortened"),
            ("sk_live_3kXp\n0wTq", "white space"),
            ("sk_live_3kXp0wTq sk_live_3kXp0wTq", "white space"),
            ("sk_live_3kXp\u{200b}0wTq", "invisible"),
            ("sk_live_3kXpä0wTq", "not ASCII"),
        ] {
            let error = SecretKey::parse(text).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains(expected), "{text:?}: {shown}");
            assert!(shown.ends_with("from the API keys page of the Clerk Dashboard."), "{shown}");
            assert!(!shown.contains("3kXp"), "{shown}");
            assert_eq!(format!("{error:?}"), shown);
        }
    }

    #[test]
    fn accepts_both_kinds_of_keys_and_surrounding_white_space() {
        for (text, is_development) in [("sk_test_3kXp0wTq", true), (" sk_live_3kXp0wTq\n", false)] {
            let key = SecretKey::parse(text).unwrap();
            assert_eq!(key.is_development(), is_development);
            let header = key.header().unwrap();
            assert_eq!(header.to_str().unwrap(), format!("Bearer {}", text.trim()));
            assert_eq!(format!("{header:?}, {key:?}"), "Sensitive, SecretKey([REDACTED])");
        }
    }
}
