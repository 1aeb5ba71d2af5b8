//! Texts that people configure instead of a signing secret.

use clerk_webhook_core::{SecretError, SigningSecret};

#[test]
fn names_the_mistake_in_each_text_without_showing_the_text() {
    let cases = include_str!("../../field-cases/secrets.txt");
    for case in cases.lines() {
        let (expected, text) = case.split_once('\t').unwrap();
        for error in
            [SigningSecret::parse(text), SigningSecret::parse_list(text).map(|mut list| list.remove(0))]
        {
            let error = error.expect_err(text);
            assert_eq!(format!("{:?}", error.kind()), expected, "{text}");
            // The error of the kind contains only constant text. It names no position, because there is one text.
            assert_eq!(error, SecretError::from(error.kind()), "{text}");
        }
    }
}
