//! Target `secret`: signing secrets from any text and any bytes.

use clerk_webhook_core::{MessageId, SecretError, SecretErrorKind, SigningSecret, Timestamp};

use crate::reference;

/// Reads the input as one secret, as a list of secrets, and as the bytes of a key.
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
            assert_same_text(&error, &SigningSecret::parse(sample(kind)), kind);
            "refused"
        }
        (product, model) => panic!("parse: {product:?}, but the model says {model:?}"),
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
    let texts: Vec<_> = text.split([' ', '\t', '\r', '\n', ',']).filter(|text| !text.is_empty()).collect();
    let keys: Vec<_> = texts.iter().map(|text| reference::parse_secret(text)).collect();
    let flaw = keys.iter().enumerate().find_map(|(index, key)| Some((index, key.clone().err()?)));
    match SigningSecret::parse_list(text) {
        Ok(secrets) => {
            assert!(!secrets.is_empty() && secrets.len() == keys.len() && flaw.is_none(), "{flaw:?}");
            for (secret, key) in secrets.iter().zip(keys.iter().flatten()) {
                check_secret(secret, key);
            }
        }
        Err(error) => {
            // Where nothing is wrong with any of them, there was none.
            let (index, kind) = flaw.unwrap_or((0, SecretErrorKind::Blank));
            assert!(flaw.is_some() || keys.is_empty());
            let good = "AAAAAAAAAAAAAAAAAAAAAA ";
            let after = if index == 0 && keys.len() > 1 { good } else { "" };
            let list = format!("{} {} {after}", good.repeat(index), sample(kind));
            assert_same_text(&error, &SigningSecret::parse_list(&list), kind);
        }
    }
}

/// Compares a secret with the key that it should hold.
fn check_secret(secret: &SigningSecret, key: &[u8]) {
    let exposed = secret.expose_secret();
    assert_eq!(*exposed, format!("whsec_{}", reference::encode_base64(key)));
    let again = SigningSecret::parse(&exposed).expect("what is exposed is a secret");
    assert_eq!(exposed, again.expose_secret());
    assert_eq!(format!("{secret:?}"), "SigningSecret([REDACTED])");

    let id: MessageId = "msg_1".parse().expect("the constant is an id");
    for secret in [secret, &again] {
        let [_, _, (_, signature)] = secret.sign(&id, Timestamp::from_secs(7), b"body").to_pairs();
        assert_eq!(signature, reference::signature(key, b"msg_1", b"7", b"body"));
    }
}

/// Compares an error with that of a constant text: if they read alike, nothing of the secret is in it.
fn assert_same_text<T: std::fmt::Debug>(
    error: &SecretError,
    expected: &Result<T, SecretError>,
    kind: SecretErrorKind,
) {
    assert_eq!(error.kind(), kind);
    let expected = expected.as_ref().expect_err("the sample is flawed");
    assert_eq!(format!("{error} {error:?}"), format!("{expected} {expected:?}"));
}

/// Returns a text with a certain flaw.
fn sample(kind: SecretErrorKind) -> &'static str {
    match kind {
        // White space, but no separator of a list.
        SecretErrorKind::Blank => "\x0c",
        SecretErrorKind::SecretApiKey => "sk_",
        SecretErrorKind::PublishableApiKey => "pk_",
        SecretErrorKind::AsymmetricSecretKey => "whsk_",
        SecretErrorKind::AsymmetricPublicKey => "whpk_",
        SecretErrorKind::NotBase64 => "!",
        SecretErrorKind::TooShort => "whsec_",
        other => panic!("no text of a secret has the flaw {other:?}"),
    }
}
