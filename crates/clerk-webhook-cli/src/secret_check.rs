//! What is wrong with a signing secret, beyond what the library says of it.

use clerk_webhook_core::{SecretErrorKind, SigningSecret};
use zeroize::Zeroizing;

/// Secrets that stand in documentation and tests: everybody can sign with them.
const WELL_KNOWN: [&str; 2] = [clerk_webhook_test::SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];

const PREFIX: &str = "whsec_";

/// What a secret is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Where it comes from.
    pub(crate) place: String,
    /// How many bytes its key has, or what is wrong and what to do; never the secret.
    pub(crate) verdict: Result<usize, String>,
    /// What is odd about one that can be used.
    pub(crate) warnings: Vec<String>,
}

/// Judges one or several secrets, as they are separated by white space and commas.
pub(crate) fn check(place: &str, text: &str) -> Vec<Checked> {
    let words: Vec<&str> = text.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty()).collect();
    let of = |(verdict, warnings)| Checked { place: place.to_owned(), verdict, warnings };
    let is_one = |word: &&str| {
        word.starts_with(PREFIX) || contains_key_of_other_kind(word) || SigningSecret::parse(word).is_ok()
    };
    match words.as_slice() {
        [] => vec![of(judged(""))],
        ["export", named] => vec![of(judged(named))],
        [first, _, ..] if *first == "export" || first.ends_with([':', '=']) => {
            vec![of((Err(NAMED.to_owned()), Vec::new()))]
        }
        [_, rest @ ..] if !rest.iter().all(is_one) => {
            let joined = Zeroizing::new(words.concat());
            let problem = if SigningSecret::parse(&joined).is_ok() {
                "white space or a line break stands inside it: join the parts, and copy the whole value in one piece".to_owned()
            } else {
                "it has white space inside: copy the value itself, whsec_ and what follows up to the end"
                    .to_owned()
            };
            vec![of((Err(problem), Vec::new()))]
        }
        words => words.iter().map(|word| of(judged(word))).collect(),
    }
}

const NAMED: &str = "the name of the variable stands in front of it: give only what follows the equals sign";

fn judged(word: &str) -> (Result<usize, String>, Vec<String>) {
    match SigningSecret::parse(word) {
        Ok(secret) => {
            let text = secret.expose_secret();
            let encoded = text.strip_prefix(PREFIX).unwrap_or(&text).trim_end_matches('=');
            let bytes = encoded.len() * 6 / 8;
            (Ok(bytes), warnings(word, &text, encoded, bytes))
        }
        Err(error) => (Err(problem(word, error.kind()).unwrap_or_else(|| error.to_string())), Vec::new()),
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

/// Says more than the library does; nothing where that says it all.
fn problem(word: &str, kind: SecretErrorKind) -> Option<String> {
    const QUOTES: [char; 8] = ['"', '\'', '`', '“', '”', '‘', '’', '„'];
    if word.starts_with(QUOTES) || word.ends_with(QUOTES) {
        return Some("quotes stand around it: leave them out (.env files and shells drop them, other places keep them)".to_owned());
    }
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if word.split_once(['=', ':']).is_some_and(|(name, _)| is_name(name)) {
        return Some(NAMED.to_owned());
    }
    if !matches!(kind, SecretErrorKind::NotBase64 | SecretErrorKind::TooShort) {
        return None;
    }
    let encoded = word.strip_prefix(PREFIX).unwrap_or(word);
    if word.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX) && start != PREFIX) {
        return Some(
            "it begins with whsec_ in other letters than lower-case ones: copy the value again as it is"
                .to_owned(),
        );
    }
    if encoded.contains(PREFIX) {
        return Some("whsec_ is in it twice: give it once".to_owned());
    }
    if encoded.contains(['*', '•', '…']) || encoded.contains("...") {
        return Some(
            "it is the hidden or shortened form: reveal it in the dashboard, and copy the whole".to_owned(),
        );
    }
    if let Some(odd) = encoded.chars().find(|character| !character.is_ascii_graphic()) {
        return Some(format!("it has the character {} in it: copy it again without", odd.escape_unicode()));
    }
    if encoded.starts_with(['$', '{', '<', '%']) {
        return Some("it is a placeholder: put the secret in its place".to_owned());
    }
    if kind == SecretErrorKind::TooShort {
        let bytes = encoded.trim_end_matches('=').len() * 6 / 8;
        return Some(format!(
            "it has {bytes} bytes, and needs 16 (those of Clerk have 24): copy the whole value again"
        ));
    }
    if encoded.contains(['-', '_']) {
        return Some(
            "it has - or _ in it, of the URL-safe alphabet of base64: secrets have + and / there; copy it from the dashboard \
             again, and write whsec_ in front only once"
                .to_owned(),
        );
    }
    if encoded.trim_end_matches('=').len() % 4 == 1 {
        return Some("a character is missing or too many: copy the whole value again".to_owned());
    }
    None
}

fn contains_key_of_other_kind(word: &str) -> bool {
    ["sk_", "pk_", "whsk_", "whpk_"].iter().any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

    #[test]
    fn each_way_of_pasting_it_wrong_is_told() {
        for (text, expected) in [
            (String::new(), "blank"),
            (format!("\"{SECRET}\""), "quotes"),
            (format!("'{SECRET}"), "quotes"),
            (format!("“{SECRET}”"), "quotes"),
            (format!("CLERK_WEBHOOK_SIGNING_SECRET={SECRET}"), "name of the variable"),
            (format!("export CLERK_WEBHOOK_SIGNING_SECRET={SECRET}"), "name of the variable"),
            (format!("CLERK_WEBHOOK_SIGNING_SECRET: {SECRET}"), "name of the variable"),
            (format!("CLERK_WEBHOOK_SIGNING_SECRET = {SECRET}"), "white space inside"),
            (format!("{}\n{}", &SECRET[..20], &SECRET[20..]), "line break stands inside"),
            (format!("whsec_{SECRET}"), "twice"),
            (SECRET.to_uppercase(), "lower-case"),
            ("whsec_••••••••••••".to_owned(), "hidden"),
            ("whsec_abc...".to_owned(), "hidden"),
            (SECRET.replace('9', "\u{200b}"), "200b"),
            (SECRET.replace('9', "-"), "URL-safe"),
            (SECRET[..19].to_owned(), "character is missing"),
            (SECRET[..14].to_owned(), "6 bytes"),
            ("$CLERK_WEBHOOK_SIGNING_SECRET".to_owned(), "placeholder"),
            ("sk_test_abcdef".to_owned(), "secret key of Clerk's API"),
            ("pk_test_abcdef".to_owned(), "publishable key"),
            ("whpk_abcdef".to_owned(), "asymmetric"),
        ] {
            let checked = check("test", &text);
            assert_eq!(checked.len(), 1, "{text}");
            let problem = checked[0].verdict.clone().unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
            assert!(!problem.contains(&SECRET[10..16]), "{problem}");
        }
    }

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
