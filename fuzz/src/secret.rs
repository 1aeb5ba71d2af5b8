//! Target `secret`: parses signing secrets from any text and any bytes.

use clerk_webhook_core::{MessageId, SecretError, SecretErrorKind, SigningSecret, Timestamp};

use crate::reference;

/// Parses the input as one secret, as a list of secrets, and as the bytes of a key.
pub fn check(input: &[u8]) -> &'static str {
    check_bytes(input);
    let text = String::from_utf8_lossy(input);
    check_list(&text);
    match (SigningSecret::parse(&text), reference::parse_secret(&text)) {
        (Ok(secret), Ok(key)) => {
            check_secret(&secret, &key);
            "accepted"
        }
        (Err(error), Err(kind)) => {
            assert_kind(error.kind(), kind);
            assert_same_text(&error, &SigningSecret::parse(sample(error.kind())));
            "rejected"
        }
        (product, model) => panic!("parse returned {product:?}, the model {model:?}"),
    }
}

fn check_bytes(key: &[u8]) {
    match SigningSecret::from_bytes(key) {
        Ok(secret) => {
            assert!(key.len() >= 16, "{} bytes are too few", key.len());
            check_secret(&secret, key);
        }
        Err(error) => {
            assert!(key.len() < 16, "{} bytes are enough", key.len());
            assert_eq!(error.kind(), SecretErrorKind::TooShort);
        }
    }
}

fn check_list(text: &str) {
    let texts: Vec<_> = SigningSecret::split_list(text).collect();
    // Splitting removes only separators.
    let characters = |text: &str| text.replace([' ', '\t', '\r', '\n', ','], "");
    assert_eq!(characters(&texts.concat()), characters(text));
    let keys: Vec<_> = texts.iter().map(|text| reference::parse_secret(text)).collect();
    let flaw = keys.iter().enumerate().find_map(|(index, key)| Some((index, key.clone().err()?)));
    match SigningSecret::parse_list(text) {
        Ok(secrets) => {
            assert!(!secrets.is_empty() && secrets.len() == keys.len() && flaw.is_none(), "{flaw:?}");
            // Without a comma, a part of a secret is never accepted as a secret.
            let has_prefixes = texts.iter().all(|text| text.starts_with("whsec_"));
            assert!(secrets.len() == 1 || text.contains(',') || has_prefixes, "a secret without a prefix");
            for (secret, key) in secrets.iter().zip(keys.iter().flatten()) {
                check_secret(secret, key);
            }
        }
        Err(error) => {
            // An error without a flawed secret means that the list is empty.
            let (index, kind) = flaw.unwrap_or((0, SecretErrorKind::Blank));
            assert!(flaw.is_some() || keys.is_empty());
            assert_kind(error.kind(), kind);
            let good = "MDEyMzQ1Njc4OWFiY2RlZg,";
            let after = if index == 0 && keys.len() > 1 { ",MDEyMzQ1Njc4OWFiY2RlZg" } else { "" };
            let list = format!("{}{}{after}", good.repeat(index), sample(error.kind()));
            assert_same_text(&error, &SigningSecret::parse_list(&list));
        }
    }
}

/// Compares kinds of errors. The library is more precise than the model about invalid base64 and short keys.
fn assert_kind(kind: SecretErrorKind, model: SecretErrorKind) {
    let is_vague = matches!(model, SecretErrorKind::NotBase64 | SecretErrorKind::TooShort);
    let is_precise = !matches!(
        kind,
        SecretErrorKind::Blank
            | SecretErrorKind::SecretApiKey
            | SecretErrorKind::PublishableApiKey
            | SecretErrorKind::AsymmetricSecretKey
            | SecretErrorKind::AsymmetricPublicKey
    );
    assert!(kind == model || is_vague && is_precise, "the kind is {kind:?}, in the model {model:?}");
}

/// Compares a secret with its expected key.
fn check_secret(secret: &SigningSecret, key: &[u8]) {
    let exposed = secret.expose_secret();
    assert_eq!(*exposed, format!("whsec_{}", reference::encode_base64(key)));
    let again = match SigningSecret::parse(&exposed) {
        Ok(again) => again,
        Err(error) => return assert_eq!(Err(error.kind()), reference::parse_secret(&exposed)),
    };
    assert_eq!(exposed, again.expose_secret());
    assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");

    let id: MessageId = "msg_1".parse().expect("the constant is a valid message id");
    for secret in [secret, &again] {
        let [_, _, (_, signature)] = secret.sign(&id, Timestamp::from_secs(7), b"body").to_pairs();
        assert_eq!(signature, reference::signature(key, b"msg_1", b"7", b"body"));
    }
}

/// Compares an error with the error for a constant text. If both read the same, the error reveals no part of
/// the secret.
fn assert_same_text<T: std::fmt::Debug>(error: &SecretError, expected: &Result<T, SecretError>) {
    let expected = expected.as_ref().expect_err("the sample must be invalid");
    assert_eq!(error.kind(), expected.kind());
    assert_eq!(format!("{error} {error:?}"), format!("{expected} {expected:?}"));
}

/// Returns a constant text with the given flaw.
fn sample(kind: SecretErrorKind) -> &'static str {
    match kind {
        // White space that does not separate secrets in a list.
        SecretErrorKind::Blank => "\x0c",
        SecretErrorKind::SecretApiKey => "sk_",
        SecretErrorKind::PublishableApiKey => "pk_",
        SecretErrorKind::AsymmetricSecretKey => "whsk_",
        SecretErrorKind::AsymmetricPublicKey => "whpk_",
        SecretErrorKind::JsonWebToken => "eyJ.",
        SecretErrorKind::Url => "://",
        SecretErrorKind::Placeholder => "<",
        SecretErrorKind::Hidden => "...",
        SecretErrorKind::Quoted => "'",
        SecretErrorKind::VariableName => "A_B",
        SecretErrorKind::WhiteSpace => "a b",
        SecretErrorKind::MisspelledPrefix => "WHSEC_",
        SecretErrorKind::RepeatedPrefix => "whsec_whsec_",
        SecretErrorKind::OtherKey => "re_",
        SecretErrorKind::Id => "user_1",
        SecretErrorKind::InsideJson => "{}",
        SecretErrorKind::Comment => "#",
        SecretErrorKind::TextBefore => "-whsec_",
        SecretErrorKind::EncodedTwice => "d2hzZWNf",
        SecretErrorKind::InvalidCharacter => "\u{e9}",
        SecretErrorKind::UrlSafe => "whsec_-",
        SecretErrorKind::Truncated => "a",
        SecretErrorKind::NotBase64 => "!!",
        SecretErrorKind::TooShort => "whsec_",
        other => panic!("no sample for the kind {other:?}"),
    }
}
