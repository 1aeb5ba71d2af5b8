//! The check of signing secrets: the error of the library, and warnings about secrets that can be used.

use clerk_webhook_core::SigningSecret;

/// Secrets that stand in documentation and tests: everybody can sign with them.
const WELL_KNOWN: [&str; 2] = [clerk_webhook_test::SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];

const PREFIX: &str = "whsec_";

/// The result for one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Where the secret comes from.
    pub(crate) place: String,
    /// The number of bytes of the key, or what is wrong and what to do. Never the secret.
    pub(crate) verdict: Result<usize, String>,
    /// What is unusual about a secret that can be used.
    pub(crate) warnings: Vec<String>,
}

/// Checks one or several secrets, separated by white space and commas.
pub(crate) fn check(place: &str, text: &str) -> Vec<Checked> {
    let texts: Vec<&str> = SigningSecret::split_list(text).collect();
    let texts = if texts.is_empty() { vec![""] } else { texts };
    let checked = |text| {
        let (verdict, warnings) = judged(text);
        Checked { place: place.to_owned(), verdict, warnings }
    };
    texts.into_iter().map(checked).collect()
}

fn judged(word: &str) -> (Result<usize, String>, Vec<String>) {
    match SigningSecret::parse(word) {
        Ok(secret) => {
            let text = secret.expose_secret();
            let encoded = text.strip_prefix(PREFIX).unwrap_or(&text).trim_end_matches('=');
            let bytes = encoded.len() * 6 / 8;
            (Ok(bytes), warnings(word, &text, encoded, bytes))
        }
        Err(error) => (Err(error.to_string()), Vec::new()),
    }
}

fn warnings(word: &str, text: &str, encoded: &str, bytes: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if WELL_KNOWN.contains(&text) {
        warnings
            .push("it stands in public documentation and tests, so everybody can sign with it".to_owned());
    }
    if !word.starts_with(PREFIX) {
        warnings.push(
            "it does not begin with whsec_, as those of Clerk do; is it the secret of an endpoint, and all of it?".to_owned(),
        );
    }
    if bytes < 24 {
        warnings.push(format!("{bytes} bytes are few: Svix makes 24, and a shorter one may be cut off"));
    }
    if word.strip_prefix(PREFIX).unwrap_or(word).trim_end_matches('=') != encoded {
        warnings.push("its last character says more than is used, so the end may be missing".to_owned());
    }
    let mut different: Vec<u8> = encoded.bytes().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < 8 {
        warnings.push(
            "it hardly varies, so it can be guessed: `clerk-webhook secret new` makes a random one"
                .to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

    #[test]
    fn what_can_be_used_says_how_long_it_is_and_what_is_odd() {
        let checked = |text: &str| check("test", text).remove(0);
        assert_eq!(checked(&format!(" {SECRET}\n")).verdict, Ok(24));
        assert!(checked(SECRET).warnings.is_empty());
        // Two bits of its last character belong to no byte.
        let cut = format!("{}B", &SECRET[..SECRET.len() - 1 - 1]);
        for (text, expected) in [
            (clerk_webhook_test::SECRET.to_owned(), "everybody"),
            (SECRET[6..].to_owned(), "does not begin with whsec_"),
            (SECRET[..30].to_owned(), "are few"),
            (format!("whsec_{}", "A".repeat(32)), "hardly varies"),
            (cut, "end may be missing"),
        ] {
            let checked = checked(&text);
            let warned = checked.warnings.iter().any(|warning| warning.contains(expected));
            assert!(warned, "{text}: {checked:?}");
        }
    }

    #[test]
    fn several_are_judged_one_by_one() {
        let verdicts: Vec<_> = check("test", &format!("{SECRET},sk_live_x {SECRET}"))
            .into_iter()
            .map(|checked| checked.verdict.is_ok())
            .collect();
        assert_eq!(verdicts, [true, false, true]);
    }
}
