//! The cost of verifying and rejecting a delivery.

use std::hint::black_box;
use std::sync::Arc;

use clerk_webhook_core::{SigningSecret, VerifyErrorKind};
use sha2::{Digest as _, Sha256};

use crate::delivery::{self, FOREIGN, SignedDelivery, TYPICAL};
use crate::group::{Contestant, Goal, Group, OURS, SVIX};
use crate::hand_written::HandWritten;

pub(crate) fn verify_typical() -> Group {
    let mut group = verify(TYPICAL, 1.18);
    group.goals.push(Goal::TimesFaster { who: OURS, against: SVIX, ratio: 5.8 });
    group
}

pub(crate) fn verify(size: usize, of_raw_hash: f64) -> Group {
    const RAW: &str = "raw SHA-256 (sha2)";

    let body = delivery::body_of(size);
    let delivery = SignedDelivery::new(body.clone());
    let verifier = delivery::verifier();
    let svix = delivery::svix();
    let standard = standardwebhooks::Webhook::new(delivery::SECRET).unwrap();
    let hand_written = HandWritten::new();
    let (by_svix, by_hand) = (delivery.clone(), delivery.clone());
    let renamed = delivery.with_standard_names();
    let contestants = vec![
        Contestant::new(RAW, move || {
            black_box(Sha256::digest(black_box(&*body)));
        }),
        Contestant::new(OURS, move || {
            assert!(verifier.verify(black_box(&delivery.headers), black_box(&*delivery.body)).is_ok());
        }),
        Contestant::new("hmac + sha2 + String by hand", move || {
            assert!(hand_written.verify(black_box(&by_hand.headers), black_box(&*by_hand.body)));
        }),
        Contestant::new(SVIX, move || {
            assert!(svix.verify(black_box(&*by_svix.body), black_box(&by_svix.headers)).is_ok());
        }),
        Contestant::new("standardwebhooks 1.0", move || {
            assert!(standard.verify(black_box(&*renamed.body), black_box(&renamed.headers)).is_ok());
        }),
    ];
    let goals =
        vec![Goal::AtMost { who: OURS, against: RAW, ratio: of_raw_hash }, Goal::NoAllocation { who: OURS }];
    Group { contestants, goals }
}

pub(crate) fn refuse_stale() -> Group {
    refuse(SignedDelivery::signed_ago(delivery::body_of(TYPICAL), 3600), VerifyErrorKind::TimestampTooOld)
}

pub(crate) fn refuse_missing() -> Group {
    let mut delivery = SignedDelivery::new(delivery::body_of(TYPICAL));
    delivery.headers.remove("svix-signature");
    refuse(delivery, VerifyErrorKind::MissingHeader)
}

pub(crate) fn refuse_malformed() -> Group {
    let mut delivery = SignedDelivery::new(delivery::body_of(TYPICAL));
    delivery.set_signature("v1,bm90IGEgbWFj".to_owned());
    refuse(delivery, VerifyErrorKind::NoMatchingSignature)
}

fn refuse(delivery: SignedDelivery, reason: VerifyErrorKind) -> Group {
    let verifier = delivery::verifier();
    let svix = delivery::svix();
    let by_svix = delivery.clone();
    let contestants = vec![
        Contestant::new(OURS, move || {
            // The part of `verify` that precedes the body.
            let refused = verifier.begin_verify(black_box(&delivery.headers));
            assert!(refused.is_err_and(|error| error.kind() == reason));
        }),
        Contestant::new(SVIX, move || {
            assert!(svix.verify(black_box(&*by_svix.body), black_box(&by_svix.headers)).is_err());
        }),
    ];
    let goals =
        vec![Goal::AtMost { who: OURS, against: SVIX, ratio: 0.55 }, Goal::NoAllocation { who: OURS }];
    Group { contestants, goals }
}

pub(crate) fn many_signatures() -> Group {
    const ONE: &str = "1 signature";
    const THOUSAND: &str = "1,001 signatures, rejected as too many";

    let verifier = delivery::verifier();
    let one = SignedDelivery::new(delivery::body_of(TYPICAL));
    let foreign = format!("{FOREIGN} ");
    let contestants = [
        (ONE, one.clone(), true),
        ("11 signatures, the last matches", one.with_signatures_before(&foreign, 10), true),
        ("256 signatures, the last matches", one.with_signatures_before(&foreign, 255), true),
        (THOUSAND, one.with_signatures_before("v1,x ", 1000), false),
    ]
    .map(|(name, delivery, accepted)| {
        let verifier = verifier.clone();
        Contestant::new(name, move || {
            let verdict = verifier.verify(black_box(&delivery.headers), black_box(&*delivery.body));
            assert_eq!(verdict.is_ok(), accepted);
        })
    })
    .into();
    let goals = vec![Goal::AtMost { who: THOUSAND, against: ONE, ratio: 2.0 }];
    Group { contestants, goals }
}

pub(crate) fn many_secrets() -> Group {
    const NAMES: [&str; 3] = ["1 secret", "2 secrets, the last matches", "3 secrets, the last matches"];

    let delivery = Arc::new(SignedDelivery::new(delivery::body_of(TYPICAL)));
    let contestants = (1..)
        .zip(NAMES)
        .map(|(count, name)| {
            let others = (1..count).map(|key| SigningSecret::from_bytes(&[key; 24]).unwrap());
            let verifier = delivery::builder().secrets(others).secret(delivery::secret()).build().unwrap();
            let delivery = Arc::clone(&delivery);
            Contestant::new(name, move || {
                assert!(verifier.verify(black_box(&delivery.headers), black_box(&*delivery.body)).is_ok());
            })
        })
        .collect();
    let [one, two, three] = NAMES;
    let goals = vec![
        Goal::AtMost { who: two, against: one, ratio: 2.0 },
        Goal::AtMost { who: three, against: one, ratio: 3.0 },
        Goal::NoAllocation { who: two },
    ];
    Group { contestants, goals }
}
