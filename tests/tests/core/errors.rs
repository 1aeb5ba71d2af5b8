//! No error and no `Debug` shows a secret, an expected signature or a payload.

use std::error::Error;

use bytes::Bytes;
use clerk_webhook_core::{Timestamp, Verifier};
use clerk_webhook_tests::{SECRET, message_id, secret};

#[test]
fn errors_are_opaque_down_to_their_sources() {
    let verifier = Verifier::new(SECRET).unwrap();
    let now = Timestamp::now();
    let expected = secret().sign(&message_id(), now, b"private").to_pairs();
    let expected_mac = &expected[2].1[3..];
    let forged = secret().sign(&message_id(), now, b"other").to_pairs();
    let malformed = secret().sign(&message_id(), now, b"private").to_pairs();
    for error in [
        verifier.receive(&forged, Bytes::from("private")).unwrap_err(),
        verifier.receive(&malformed, Bytes::from("private")).unwrap_err(),
        verifier.receive(&[("svix-id", "private"), ("svix-id", "private")], Bytes::new()).unwrap_err(),
        verifier.receive(&[("svix-id", "pri vate")], Bytes::new()).unwrap_err(),
    ] {
        let mut text = format!("{error:?}");
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            text.push_str(&error.to_string());
            next = error.source();
        }
        for hidden in ["private", "pri vate", expected_mac, &SECRET[6..], &forged[2].1] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}

#[test]
fn debug_is_opaque() {
    let verifier = Verifier::new(SECRET).unwrap();
    let signed = secret().sign(&message_id(), Timestamp::now(), b"private");
    let pairs = signed.to_pairs();
    let mut delivery = verifier.begin_delivery(&pairs).unwrap();
    delivery.push(Bytes::from("private")).unwrap();
    let mut verification = verifier.begin(&pairs).unwrap();
    verification.update(b"private");
    let text = format!(
        "{verifier:?} {:?} {signed:?} {delivery:?} {verification:?} {:?}",
        Verifier::builder().secret(secret()),
        secret(),
    );
    for hidden in ["private", &SECRET[6..], &pairs[2].1[3..]] {
        assert!(!text.contains(hidden), "{text}");
    }
}
