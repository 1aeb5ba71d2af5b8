//! Checks signing secrets: returns the library's error, or warnings about a usable secret.

use clerk_webhook_core::SigningSecret;

/// Secrets that are published in documentation and tests, so that anyone can sign with them.
const WELL_KNOWN: [&str; 2] = [clerk_webhook_test::SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];

const PREFIX: &str = "whsec_";

/// The result of checking one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The source of the secret, such as a variable or a file.
    pub(crate) place: String,
    /// The length of the key in bytes, or the problem and what to do about it. Never contains the secret.
    pub(crate) verdict: Result<usize, String>,
    /// Warnings about a usable secret.
    pub(crate) warnings: Vec<String>,
}

/// Checks one or more secrets that are separated by white space or commas.
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
        warnings.push("it is published in documentation and tests, so anyone can sign with it".to_owned());
    }
    if !word.starts_with(PREFIX) {
        warnings.push(
            "it does not begin with whsec_, as Clerk's signing secrets do: check that you copied the endpoint's complete \
             signing secret"
                .to_owned(),
        );
    }
    if bytes < 24 {
        warnings.push(format!(
            "the key has only {bytes} bytes: Svix creates keys of 24 bytes, so the end may be missing"
        ));
    }
    if word.strip_prefix(PREFIX).unwrap_or(word).trim_end_matches('=') != encoded {
        warnings.push("its last character contains unused bits, so the end may be missing".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

    #[test]
    fn reports_the_length_and_the_warnings_of_a_usable_secret() {
        let checked = |text: &str| check("test", text).remove(0);
        assert_eq!(checked(&format!(" {SECRET}\n")).verdict, Ok(24));
        assert!(checked(SECRET).warnings.is_empty());
        // The last character contains two bits that belong to no byte.
        let cut = format!("{}B", &SECRET[..SECRET.len() - 1 - 1]);
        for (text, expected) in [
            (clerk_webhook_test::SECRET.to_owned(), "anyone can sign"),
            (SECRET[6..].to_owned(), "does not begin with whsec_"),
            (SECRET[..30].to_owned(), "has only"),
            (cut, "end may be missing"),
        ] {
            let checked = checked(&text);
            let warned = checked.warnings.iter().any(|warning| warning.contains(expected));
            assert!(warned, "{text}: {checked:?}");
        }
    }

    #[test]
    fn checks_each_secret_of_a_list() {
        let verdicts: Vec<_> = check("test", &format!("{SECRET},sk_live_x {SECRET}"))
            .into_iter()
            .map(|checked| checked.verdict.is_ok())
            .collect();
        assert_eq!(verdicts, [true, false, true]);
    }
}
