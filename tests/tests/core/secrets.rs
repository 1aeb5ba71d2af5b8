//! Texts that people configure instead of a signing secret.

use clerk_webhook_core::{SecretError, SigningSecret};

#[test]
fn names_the_mistake_in_each_text_without_showing_the_text() {
    let cases = include_str!("../../field-cases/secrets.txt");
    for case in cases.lines() {
        let (expected, text) = case.split_once('\t').unwrap();
        let text = text.replace("\\n", "\n");
        for error in
            [SigningSecret::parse(&text), SigningSecret::parse_list(&text).map(|mut list| list.remove(0))]
        {
            let error = error.expect_err(&text);
            assert_eq!(format!("{:?}", error.kind()), expected, "{text}");
            // The error of the kind contains only constant text. It names no position, because there is one text.
            assert_eq!(error, SecretError::from(error.kind()), "{text}");
        }
    }
}

#[test]
fn accepts_the_secrets_of_tests_and_documentation() {
    let secrets = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw C2FVsBQIhrscChlQIMV+b5sSYspob7oD \
                   c168qYorkjPPNE0O2qTHUAI0mPz1D3gA Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC \
                   plJ3nmyCDGBKInavdOK15jsl dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n \
                   MDEyMzQ1Njc4OWFiY2RlZg== MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ubzE= Tk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5O \
                   a2tra2tra2tra2tra2tra2tra2tra2tra2tra2s= eW91cl93ZWJob29rX3NlY3JldF9oZXJl \
                   c2VjcmV0c2VjcmV0c2VjcmV0 AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    for encoded in secrets.split(' ') {
        for text in [encoded.to_owned(), format!("whsec_{encoded}")] {
            assert!(SigningSecret::parse(&text).is_ok(), "{text}");
        }
    }
    let list = format!("whsec_{}", secrets.replace(' ', "\nwhsec_"));
    assert_eq!(SigningSecret::parse_list(&list).unwrap().len(), 13);
}
