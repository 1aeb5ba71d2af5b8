//! Arbitrary input causes no panic, and no forged delivery is accepted.

use bytes::Bytes;
use clerk_webhook_core::{Event, HeaderFamily, MessageId, SigningSecret, Timestamp, Verifier};
use clerk_webhook_tests::{SECRET, message_id, secret};
use proptest::collection::vec;
use proptest::prelude::*;

fn header_name() -> impl Strategy<Value = String> {
    prop_oneof!["(?i)(svix|webhook)-(id|timestamp|signature)", "[a-z-]{1,12}",]
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    let now = Timestamp::now().as_secs();
    prop_oneof![
        vec(any::<u8>(), 0..64),
        Just(now.to_string().into_bytes()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        "(v1|v2|v1a|)[, ]{0,2}[A-Za-z0-9+/=]{0,50}( v1,[A-Za-z0-9+/]{43}=)*".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn rejects_arbitrary_deliveries(
        headers in vec((header_name(), header_value()), 0..8),
        body in vec(any::<u8>(), 0..256),
    ) {
        let verifier = Verifier::new(SECRET).unwrap();
        prop_assert!(verifier.receive(&headers, Bytes::from(body)).is_err());
    }

    #[test]
    fn parses_or_rejects_arbitrary_secrets(text in "\\PC{0,80}", prefixed in "whsec_[A-Za-z0-9+/=_ -]{0,60}") {
        for text in [text, prefixed] {
            if let Ok(secret) = SigningSecret::parse(&text) {
                let again = SigningSecret::parse(&secret.expose_secret()).unwrap();
                prop_assert_eq!(secret.expose_secret(), again.expose_secret());
            }
            let _ = SigningSecret::parse_list(&text);
        }
    }

    #[test]
    fn accepts_every_random_key(key in vec(any::<u8>(), 16..=75)) {
        let secret = SigningSecret::from_bytes(&key).unwrap().expose_secret();
        for text in [secret.as_str(), secret.trim_end_matches('='), &secret[6..]] {
            prop_assert_eq!(SigningSecret::parse(text).map(|parsed| parsed.expose_secret()), Ok(secret.clone()));
        }
    }

    #[test]
    fn rejects_a_secret_that_is_split_over_two_lines(
        key in vec(any::<u8>(), 16..=75),
        place in any::<prop::sample::Index>(),
        line_break in "\\r?\\n *",
        prefixed in any::<bool>(),
    ) {
        let secret = SigningSecret::from_bytes(&key).unwrap().expose_secret();
        let text = if prefixed { &secret } else { &secret[6..] };
        let (first, second) = text.split_at(place.index(text.len() - 1) + 1);
        let text = format!("{first}{line_break}{second}");
        prop_assert!(SigningSecret::parse_list(&text).is_err(), "{text:?}");
    }

    #[test]
    fn verifies_a_signed_body_in_arbitrary_frames(
        key in vec(any::<u8>(), 16..100),
        id in "[!-\\-/-~]{1,256}",
        body in vec(any::<u8>(), 0..2048),
        cuts in vec(0_usize..2048, 0..5),
        webhook in any::<bool>(),
    ) {
        let secret = SigningSecret::from_bytes(&key).unwrap();
        let id: MessageId = id.parse().unwrap();
        let family = if webhook { HeaderFamily::Webhook } else { HeaderFamily::Svix };
        let headers = secret.sign(&id, Timestamp::now(), &body).family(family).to_pairs();
        let verifier = Verifier::builder().secret(secret).build().unwrap();
        let mut verification = verifier.begin_verify(&headers).unwrap();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(body.len())).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            verification.update(&body[pair[0]..pair[1]]);
        }
        let verified = verification.finish().unwrap();
        prop_assert_eq!(verified.message_id(), &id);
    }

    #[test]
    fn rejects_a_delivery_with_one_changed_bit(
        body in vec(any::<u8>(), 1..512),
        place in any::<prop::sample::Index>(),
        bit in 0_u32..8,
        part in 0_usize..4,
    ) {
        let verifier = Verifier::new(SECRET).unwrap();
        let mut headers = secret().sign(&message_id(), Timestamp::now(), &body).to_pairs()
            .map(|(name, value)| (name, value.into_bytes()));
        let mut body = body;
        let target = if part < 3 { &mut headers[part].1 } else { &mut body };
        let place = place.index(target.len());
        target[place] ^= 1 << bit;
        // Whitespace instead of the last character shortens the value, which is rejected too.
        prop_assert!(verifier.verify(&headers, &body).is_err());
    }

    #[test]
    fn parses_or_rejects_arbitrary_bodies(body in vec(any::<u8>(), 0..256), json in json_like()) {
        for body in [Bytes::from(body), Bytes::from(json)] {
            if let Ok(event) = Event::from_trusted(message_id(), Timestamp::now(), body) {
                let _ = (event.data(), event.http_request(), event.occurred_at(), format!("{event:?}"));
                prop_assert!(event.data_as::<Box<serde_json::value::RawValue>>().is_ok());
            }
        }
    }
}

/// Texts that resemble an event envelope.
fn json_like() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just(r#"{"id":"user_1","created_at":-1,"email_addresses":[{}]}"#.to_owned()),
        Just(r#""user.created""#.to_owned()),
        Just(r#""user\"type\":\"x""#.to_owned()),
        Just("1e400".to_owned()),
        Just("18446744073709551615".to_owned()),
        "[\\[\\]{}\",:a1 ]{0,12}",
    ];
    let key = prop_oneof![Just("type"), Just("data"), Just("timestamp"), Just("event_attributes"), Just("x")];
    vec((key, value), 0..6).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}
