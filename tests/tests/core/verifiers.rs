//! Settings of a verifier: secrets, rotation, tolerance, header families.

use std::env;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::{
    AcceptedHeaders, HeaderFamily, HeaderFields, SecretErrorKind, SigningSecret, Timestamp, Verifier,
    VerifyErrorKind,
};
use clerk_webhook_tests::{OTHER_SECRET, SECRET, message_id, other_secret, secret};

const BODY: &[u8] = br#"{"type":"x"}"#;

fn verdict(verifier: &Verifier, headers: &(impl HeaderFields + ?Sized)) -> Result<usize, VerifyErrorKind> {
    verifier.verify(headers, BODY).map(|verified| verified.secret_index()).map_err(|error| error.kind())
}

#[test]
fn returns_the_index_of_the_secret_that_matches_a_signature() {
    let third = SigningSecret::from_bytes(&[3; 75]).unwrap();
    let now = Timestamp::now();
    let signed = |secret: &SigningSecret| secret.sign(&message_id(), now, BODY);
    let verifier = Verifier::builder().secrets([secret(), other_secret(), third.clone()]).build().unwrap();
    assert_eq!(verdict(&verifier, &signed(&secret()).to_pairs()), Ok(0));
    assert_eq!(verdict(&verifier, &signed(&other_secret()).to_pairs()), Ok(1));
    assert_eq!(verdict(&verifier, &signed(&third).to_pairs()), Ok(2));
    let verified = verifier.verify(&signed(&third).to_pairs(), BODY).unwrap();
    let signed_at = Timestamp::from_secs(now.as_secs());
    assert_eq!((verified.message_id(), verified.attempted_at()), (&message_id(), signed_at));
    let event = verifier.receive(&signed(&third).to_pairs(), BODY.into()).unwrap();
    assert_eq!(
        (event.secret_index(), event.message_id(), event.attempted_at()),
        (Some(2), &message_id(), signed_at)
    );

    let foreign = SigningSecret::from_bytes(&[9; 24]).unwrap();
    assert_eq!(verdict(&verifier, &signed(&foreign).to_pairs()), Err(VerifyErrorKind::NoMatchingSignature));
    let mut many = signed(&foreign);
    for index in 0..9 {
        many = many.and_signed_with(&SigningSecret::from_bytes(&[100 + index; 24]).unwrap(), BODY);
    }
    assert_eq!(verdict(&verifier, &many.to_pairs()), Err(VerifyErrorKind::NoMatchingSignature));
    assert_eq!(verdict(&verifier, &many.and_signed_with(&third, BODY).to_pairs()), Ok(2));
}

#[test]
fn accepts_a_repeated_signature() {
    let verifier = Verifier::builder().secret(secret()).build().unwrap();
    let signed = secret().sign(&message_id(), Timestamp::now(), BODY).and_signed_with(&secret(), BODY);
    assert_eq!(verdict(&verifier, &signed.to_pairs()), Ok(0));
}

#[test]
fn rejects_a_signature_with_one_or_two_changed_bytes() {
    let verifier = Verifier::builder().secret(secret()).build().unwrap();
    let [id, timestamp, (name, signature)] = secret().sign(&message_id(), Timestamp::now(), BODY).to_pairs();
    let mac = STANDARD.decode(&signature[3..]).unwrap();
    // Two equal differences must not cancel each other out.
    for first in 0..mac.len() {
        for second in first..mac.len() {
            let mut mac = mac.clone();
            mac[first] ^= 1;
            mac[second] ^= if first == second { 2 } else { 1 };
            let signature = format!("v1,{}", STANDARD.encode(mac));
            let headers = [id.clone(), timestamp.clone(), (name, signature)];
            assert_eq!(verdict(&verifier, &headers), Err(VerifyErrorKind::NoMatchingSignature));
        }
    }
}

#[test]
fn clones_share_replaced_secrets_and_an_empty_list_is_rejected() {
    let verifier = Verifier::builder().secret(secret()).build().unwrap();
    let clone = verifier.clone();
    let old = secret().sign(&message_id(), Timestamp::now(), BODY).to_pairs();
    let new = other_secret().sign(&message_id(), Timestamp::now(), BODY).to_pairs();
    assert_eq!(
        (verdict(&clone, &old), verdict(&clone, &new)),
        (Ok(0), Err(VerifyErrorKind::NoMatchingSignature))
    );

    verifier.replace_secrets([other_secret()]).unwrap();
    assert_eq!(
        (verdict(&clone, &old), verdict(&clone, &new)),
        (Err(VerifyErrorKind::NoMatchingSignature), Ok(0))
    );

    assert_eq!(verifier.replace_secrets([]).unwrap_err().kind(), SecretErrorKind::NoSecrets);
    assert_eq!(verdict(&clone, &new), Ok(0));
    assert_eq!(Verifier::builder().build().unwrap_err().kind(), SecretErrorKind::NoSecrets);
}

#[test]
fn the_tolerance_is_inclusive_and_can_be_set_for_each_direction() {
    let now = Timestamp::from_secs(1_700_000_000);
    let at =
        |skew: i64| secret().sign(&message_id(), Timestamp::from_secs(now.as_secs() + skew), BODY).to_pairs();
    let builder = || Verifier::builder().secret(secret()).clock(move || now);
    let check = |verifier: Verifier, past: i64, future: i64| {
        assert_eq!(verdict(&verifier, &at(-past)), Ok(0));
        assert_eq!(verdict(&verifier, &at(future)), Ok(0));
        assert_eq!(verdict(&verifier, &at(-past - 1)), Err(VerifyErrorKind::TimestampTooOld));
        assert_eq!(verdict(&verifier, &at(future + 1)), Err(VerifyErrorKind::TimestampTooNew));
    };
    check(builder().build().unwrap(), 300, 300);
    check(builder().tolerance(Duration::from_secs(60)).build().unwrap(), 60, 60);
    check(builder().tolerance(Duration::ZERO).build().unwrap(), 0, 0);
    check(
        builder()
            .tolerance_past(Duration::from_secs(600))
            .tolerance_future(Duration::from_millis(5_999))
            .build()
            .unwrap(),
        600,
        5,
    );

    // The tolerance is at most one day. Only `dangerous_accept_any_age` removes the check.
    check(builder().tolerance(Duration::MAX).build().unwrap(), 86_400, 86_400);

    let any_age = builder().dangerous_accept_any_age().build().unwrap();
    assert_eq!(verdict(&any_age, &at(-1_700_000_000)), Ok(0));
    let skew = builder().build().unwrap().verify(&at(-302), BODY).unwrap_err();
    assert_eq!(skew.skew_seconds(), Some(-302));
    assert!(skew.to_string().starts_with("svix-timestamp is 302 s in the past: "), "{skew}");
}

#[test]
fn an_extreme_clock_rejects_without_overflow() {
    for now in [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)] {
        let verifier = Verifier::builder().secret(secret()).clock(move || now).build().unwrap();
        for seconds in ["0", "1700000000", "9223372036854775807"] {
            let headers = [("svix-id", "msg_1"), ("svix-timestamp", seconds), ("svix-signature", "v1,x")];
            assert!(verifier.begin_verify(&headers).is_err());
        }
    }
}

#[test]
fn a_header_family_can_be_disabled() {
    let svix = secret().sign(&message_id(), Timestamp::now(), BODY);
    let webhook = svix.clone().family(HeaderFamily::Webhook).to_pairs();
    let svix = svix.to_pairs();
    let with = |families| Verifier::builder().secret(secret()).accepted_headers(families).build().unwrap();
    let missing = Err(VerifyErrorKind::MissingHeader);

    let both = with(AcceptedHeaders::Any);
    assert_eq!((verdict(&both, &svix), verdict(&both, &webhook)), (Ok(0), Ok(0)));
    let only_svix = with(AcceptedHeaders::Svix);
    assert_eq!((verdict(&only_svix, &svix), verdict(&only_svix, &webhook)), (Ok(0), missing));
    let only_webhook = with(AcceptedHeaders::Webhook);
    assert_eq!((verdict(&only_webhook, &svix), verdict(&only_webhook, &webhook)), (missing, Ok(0)));
}

#[test]
fn accepts_headers_in_any_collection() {
    fn check(headers: &(impl HeaderFields + ?Sized), complete: bool) {
        let expected = if complete { Ok(0) } else { Err(VerifyErrorKind::MissingHeader) };
        let verifier = Verifier::builder().secret(secret()).build().unwrap();
        assert_eq!(verdict(&verifier, headers), expected);
        assert_eq!(headers.has_complete_signature_headers(), complete);
        assert!(headers.has_signature_headers());
    }

    let signed = secret().sign(&message_id(), Timestamp::now(), BODY);
    let array = signed.to_pairs();
    check(&array, true);
    check(&array[..], true);
    check(&array[..2], false);
    check(&array.to_vec(), true);
    check(&array.each_ref().map(|(name, value)| (name.as_bytes(), value.as_bytes())), true);
    check(&http::HeaderMap::from(&signed), true);
    check(&&array, true);
}

#[test]
fn rejects_a_list_of_signatures_that_exceeds_the_limit() {
    let verifier = Verifier::builder().secret(secret()).build().unwrap();
    let [id, timestamp, (name, signature)] = secret().sign(&message_id(), Timestamp::now(), BODY).to_pairs();
    let with = |list: String| [id.clone(), timestamp.clone(), (name, list)];
    let other = "v1,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= ";
    for foreign in ["v2,x ", "v1,x ", other] {
        let after = |count| verdict(&verifier, &with(format!("{}{signature}", foreign.repeat(count))));
        assert_eq!(after(255), Ok(0), "{foreign}");
        assert_eq!(after(256), Err(VerifyErrorKind::InvalidHeader), "{foreign}");
        assert_eq!(after(1_000), Err(VerifyErrorKind::InvalidHeader), "{foreign}");
    }
    assert_eq!(verdict(&verifier, &with("v".repeat(16_384))), Err(VerifyErrorKind::NoMatchingSignature));
    assert_eq!(verdict(&verifier, &with("v".repeat(16_385))), Err(VerifyErrorKind::InvalidHeader));
    assert_eq!(verdict(&verifier, &with("v2,x ".repeat(99))), Err(VerifyErrorKind::NoMatchingSignature));
}

#[test]
fn has_default_limits_that_can_be_changed() {
    let builder = || Verifier::builder().secret(secret());
    assert_eq!(builder().build().unwrap().body_limit(), 2_097_152);
    assert_eq!(builder().body_limit(7).build().unwrap().clone().body_limit(), 7);
    assert_eq!(builder().build().unwrap().read_timeout(), Duration::from_secs(15));
    let short = builder().read_timeout(Duration::from_secs(2)).build().unwrap();
    assert_eq!(short.clone().read_timeout(), Duration::from_secs(2));
}

/// Runs itself in child processes, so that the environment of other tests does not change.
#[test]
fn reads_the_secrets_from_the_environment() {
    const EXPECTED: &str = "EXPECTED_RESULT_OF_FROM_ENV";

    if let Ok(expected) = env::var(EXPECTED) {
        let found = match Verifier::from_env() {
            Ok(verifier) => format!("{verifier:?}"),
            Err(error) => format!("{:?}", error.kind()),
        };
        assert_eq!(found, expected);
        return;
    }
    let (official, other) = ("CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET");
    let both = format!("{SECRET}\n{OTHER_SECRET}\n");
    for (variables, expected) in [
        (vec![], "Missing"),
        (vec![(official, SECRET)], "Verifier { secrets: 1, .. }"),
        (vec![(official, both.as_str()), (other, "sk_x")], "Verifier { secrets: 2, .. }"),
        (vec![(other, SECRET)], "Verifier { secrets: 1, .. }"),
        (vec![(official, "sk_x"), (other, SECRET)], "SecretApiKey"),
    ] {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "verifiers::reads_the_secrets_from_the_environment"])
            .env_remove(official)
            .env_remove(other)
            .envs(variables)
            .env(EXPECTED, expected)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}
