//! Settings of a verifier: secrets, rotation, tolerance, header families.

use std::time::Duration;

use clerk_webhook_core::{
    HeaderFamilies, HeaderFamily, SecretErrorKind, SigningSecret, Timestamp, Verifier, VerifyErrorKind,
};
use clerk_webhook_tests::{message_id, other_secret, secret};

const BODY: &[u8] = b"{}";

fn verdict(verifier: &Verifier, headers: &[(&'static str, String); 3]) -> Result<usize, VerifyErrorKind> {
    verifier.verify(headers, BODY).map(|verified| verified.secret_index()).map_err(|error| error.kind())
}

#[test]
fn any_secret_matches_any_signature_and_is_told() {
    let third = SigningSecret::from_bytes(&[3; 75]).unwrap();
    let now = Timestamp::now();
    let signed = |secret: &SigningSecret| secret.sign(&message_id(), now, BODY);
    let verifier = Verifier::builder().secrets([secret(), other_secret(), third.clone()]).build().unwrap();
    assert_eq!(verdict(&verifier, &signed(&secret()).to_pairs()), Ok(0));
    assert_eq!(verdict(&verifier, &signed(&other_secret()).to_pairs()), Ok(1));
    assert_eq!(verdict(&verifier, &signed(&third).to_pairs()), Ok(2));

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
fn clones_see_replaced_secrets_and_an_empty_list_is_refused() {
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
fn tolerance_is_inclusive_and_settable_for_each_side() {
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

    // No tolerance is so great that it is none at all; that has a name of its own.
    check(builder().tolerance(Duration::MAX).build().unwrap(), 86_400, 86_400);

    let any_age = builder().dangerous_accept_any_age().build().unwrap();
    assert_eq!(verdict(&any_age, &at(-1_700_000_000)), Ok(0));
    let skew = builder().build().unwrap().verify(&at(-302), BODY).unwrap_err();
    assert_eq!(skew.skew_seconds(), Some(-302));
    assert_eq!(skew.to_string(), "svix-timestamp lies 302 s in the past");
}

#[test]
fn a_clock_far_off_refuses_and_does_not_overflow() {
    for now in [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)] {
        let verifier = Verifier::builder().secret(secret()).clock(move || now).build().unwrap();
        for seconds in ["0", "1700000000", "9223372036854775807"] {
            let headers = [("svix-id", "msg_1"), ("svix-timestamp", seconds), ("svix-signature", "v1,x")];
            assert!(verifier.begin(&headers).is_err());
        }
    }
}

#[test]
fn header_families_can_be_switched_off() {
    let svix = secret().sign(&message_id(), Timestamp::now(), BODY);
    let webhook = svix.clone().family(HeaderFamily::Webhook).to_pairs();
    let svix = svix.to_pairs();
    let with = |families| Verifier::builder().secret(secret()).header_families(families).build().unwrap();
    let missing = Err(VerifyErrorKind::MissingHeader);

    let both = with(HeaderFamilies::SvixThenWebhook);
    assert_eq!((verdict(&both, &svix), verdict(&both, &webhook)), (Ok(0), Ok(0)));
    let only_svix = with(HeaderFamilies::Svix);
    assert_eq!((verdict(&only_svix, &svix), verdict(&only_svix, &webhook)), (Ok(0), missing));
    let only_webhook = with(HeaderFamilies::Webhook);
    assert_eq!((verdict(&only_webhook, &svix), verdict(&only_webhook, &webhook)), (missing, Ok(0)));
}

#[test]
fn a_long_list_of_signatures_is_read_up_to_its_bound() {
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
    assert_eq!(verdict(&verifier, &with("v".repeat(16_385))), Err(VerifyErrorKind::InvalidHeader));
    assert_eq!(verdict(&verifier, &with("v2,x ".repeat(99))), Err(VerifyErrorKind::NoMatchingSignature));
}

#[test]
fn a_body_may_take_as_long_as_the_sender_waits_unless_it_is_set() {
    let builder = || Verifier::builder().secret(secret());
    assert_eq!(builder().build().unwrap().read_timeout(), Duration::from_secs(15));
    let short = builder().read_timeout(Duration::from_secs(2)).build().unwrap();
    assert_eq!(short.clone().read_timeout(), Duration::from_secs(2));
}
