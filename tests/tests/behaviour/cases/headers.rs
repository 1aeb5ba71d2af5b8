//! Signature headers in all their forms, and other headers of a delivery.

use clerk_webhook_core::{Outcome, SigningSecret, Timestamp};
use clerk_webhook_tests::{other_secret, secret};

use super::super::case::Case;
use super::super::seen::Seen;
use super::super::stacks::Setup::{Rotation, Standard};
use super::super::wire_request::{BODY, WireRequest};

/// A well-formed signature that matches no delivery.
const FOREIGN: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub fn cases() -> Vec<Case> {
    [signatures(), ages(), families(), repeated(), incomplete(), unrelated()].into_iter().flatten().collect()
}

fn signatures() -> Vec<Case> {
    let foreign = |number: u8| SigningSecret::from_bytes(&[number; 24]).unwrap();
    let others = |count: u8| (1..=count).map(foreign).collect::<Vec<_>>();
    let first = |count| [vec![secret()], others(count)].concat();
    let last = |count| [others(count), vec![secret()]].concat();
    let listed = |signatures: &str| {
        let delivery = WireRequest::of(BODY);
        let signature = delivery.value("svix-signature");
        delivery.set("svix-signature", signatures.replace("{}", &signature))
    };
    let after = |others: usize| listed(&format!("{} {{}}", vec![FOREIGN; others].join(" ")));
    let accepted = |name: &str, secrets: Vec<SigningSecret>| {
        Case::new(Standard, name).accepts(&WireRequest::signed_by(&secrets, BODY))
    };
    vec![
        accepted("one signature", vec![secret()]),
        accepted("two signatures, the first one valid", first(1)),
        accepted("two signatures, the second one valid", last(1)),
        accepted("eleven signatures, the first one valid", first(10)),
        accepted("eleven signatures, the last one valid", last(10)),
        Case::new(Standard, "eleven signatures, none valid")
            .rejects(&WireRequest::signed_by(&others(11), BODY), Outcome::InvalidSignature),
        Case::new(Rotation, "a receiver with two secrets, the first one used")
            .accepts(&WireRequest::signed_by(&[secret()], BODY)),
        Case::new(Rotation, "a receiver with two secrets, the second one used")
            .accepts(&WireRequest::signed_by(&[other_secret()], BODY)),
        Case::new(Rotation, "a receiver with two secrets, both used")
            .accepts(&WireRequest::signed_by(&[other_secret(), secret()], BODY)),
        Case::new(Rotation, "a receiver with two secrets, a third one used")
            .rejects(&WireRequest::signed_by(&[foreign(1)], BODY), Outcome::InvalidSignature),
        Case::new(Standard, "a secret that the receiver does not have")
            .rejects(&WireRequest::signed_by(&[other_secret()], BODY), Outcome::InvalidSignature),
        Case::new(Standard, "256 signatures, the last one valid").accepts(&after(255)),
        Case::new(Standard, "257 signatures, the last one valid").rejects(&after(256), Outcome::Malformed),
        Case::new(Standard, "1,000 signatures, the last one valid").rejects(&after(999), Outcome::Malformed),
        Case::new(Standard, "signatures of 100 KB, the last one valid")
            .rejects(&after(2000), Outcome::Malformed),
        Case::new(Standard, "signatures of 2 MB, the last one valid")
            .write(after(40_000).with_length())
            .sees(Seen::Plain(431)),
        Case::new(Standard, "a signature with a version only")
            .rejects(&WireRequest::of(BODY).set("svix-signature", "v1,"), Outcome::InvalidSignature),
        Case::new(Standard, "a signature of an unknown version")
            .rejects(&listed("v9{}"), Outcome::InvalidSignature),
        Case::new(Standard, "the id of another delivery")
            .rejects(&WireRequest::of(BODY).set("svix-id", "msg_another"), Outcome::InvalidSignature),
    ]
}

fn ages() -> Vec<Case> {
    let at = |seconds| WireRequest::at(Timestamp::from_secs(Timestamp::now().as_secs() + seconds), BODY);
    vec![
        Case::new(Standard, "signed four minutes ago").accepts(&at(-240)),
        Case::new(Standard, "signed ten minutes ago").rejects(&at(-600), Outcome::ExpiredTimestamp),
        Case::new(Standard, "signed four minutes from now").accepts(&at(240)),
        Case::new(Standard, "signed ten minutes from now").rejects(&at(600), Outcome::ExpiredTimestamp),
    ]
}

fn families() -> Vec<Case> {
    let webhook = |delivery: WireRequest| delivery.rename(|name| name.replace("svix-", "webhook-"));
    let title = |name: &str| {
        let parts = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]);
        parts.collect::<Vec<_>>().join("-")
    };
    let mut cases = vec![
        Case::new(Standard, "names in lower case").accepts(&WireRequest::of(BODY).rename(str::to_lowercase)),
        Case::new(Standard, "names in title case").accepts(&WireRequest::of(BODY).rename(title)),
        Case::new(Standard, "names in upper case").accepts(&WireRequest::of(BODY).rename(str::to_uppercase)),
        Case::new(Standard, "webhook-* headers").accepts(&webhook(WireRequest::of(BODY))),
        Case::new(Standard, "webhook-* headers in title case")
            .accepts(&webhook(WireRequest::of(BODY)).rename(title)),
        Case::new(Standard, "webhook-* headers with the signature of another body")
            .rejects(&webhook(WireRequest::of("{}")).with_body(BODY), Outcome::InvalidSignature),
        Case::new(Standard, "svix-* headers and a stray webhook-id")
            .accepts(&WireRequest::of(BODY).header("webhook-id", "whatever")),
    ];
    for odd in ["svix-id", "svix-timestamp", "svix-signature"] {
        let renamed = |rename: &dyn Fn(&str) -> bool| {
            let name = |name: &str| {
                if rename(name) { name.replace("svix-", "webhook-") } else { name.to_owned() }
            };
            WireRequest::of(BODY).rename(name)
        };
        cases.extend([
            Case::new(Standard, format!("webhook-* headers and {odd}"))
                .rejects(&renamed(&|name| name != odd), Outcome::MissingHeader),
            Case::new(Standard, format!("svix-* headers, but webhook-* for {odd}"))
                .rejects(&renamed(&|name| name == odd), Outcome::MissingHeader),
        ]);
    }
    cases
}

fn repeated() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let delivery = WireRequest::of(BODY);
        let value = delivery.value(name);
        let other = match name {
            "svix-id" => "msg_another".to_owned(),
            "svix-timestamp" => (value.parse::<i64>().unwrap() - 1).to_string(),
            _ => FOREIGN.to_owned(),
        };
        cases.extend([
            Case::new(Standard, format!("{name} twice with the same value"))
                .rejects(&delivery.clone().header(name, value.clone()), Outcome::Malformed),
            Case::new(Standard, format!("{name} twice, the first one valid"))
                .rejects(&delivery.clone().header(name, other.clone()), Outcome::Malformed),
            Case::new(Standard, format!("{name} twice, the second one valid"))
                .rejects(&delivery.set(name, other).header(name, value), Outcome::Malformed),
        ]);
    }
    cases
}

fn incomplete() -> Vec<Case> {
    let mut cases = vec![
        Case::new(Standard, "no signature headers")
            .rejects(&WireRequest::unsigned(BODY), Outcome::MissingHeader),
    ];
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        cases.extend([
            Case::new(Standard, format!("no {name}"))
                .rejects(&WireRequest::of(BODY).without(name), Outcome::MissingHeader),
            Case::new(Standard, format!("an empty {name}"))
                .rejects(&WireRequest::of(BODY).set(name, ""), Outcome::MissingHeader),
            Case::new(Standard, format!("a blank {name}"))
                .rejects(&WireRequest::of(BODY).set(name, " \t "), Outcome::MissingHeader),
        ]);
    }
    cases
}

/// Headers that do not belong to the signature must not cause a rejection.
fn unrelated() -> Vec<Case> {
    let many = (0..80).fold(WireRequest::of(BODY), |delivery, number| {
        delivery.header(&format!("x-number-{number}"), number.to_string())
    });
    let with = |name: &str, header: &str, value: &str| {
        Case::new(Standard, name).accepts(&WireRequest::of(BODY).header(header, value))
    };
    vec![
        with("an Authorization header", "Authorization", "Basic dXNlcjpwYXNzd29yZA=="),
        with("a Cookie header", "Cookie", "session=1; other=2"),
        with("an Origin header of another site", "Origin", "https://example.com"),
        with(
            "Svix's User-Agent",
            "User-Agent",
            "Svix-Webhooks/1.84.0 (sender-9YMgn; +https://www.svix.com/http-sender/)",
        ),
        with("an Accept header that excludes every answer", "Accept", "image/png"),
        with("a header that is not ASCII", "X-Name", "Zo\u{eb}"),
        Case::new(Standard, "headers that claim a verification").rejects(
            &["x-clerk-event", "x-verified", "webhook-delivery"]
                .into_iter()
                .fold(WireRequest::of("{}").with_body(BODY), |delivery, name| delivery.header(name, "true")),
            Outcome::InvalidSignature,
        ),
        Case::new(Standard, "80 other headers").accepts(&many),
        Case::new(Standard, "no Content-Type").accepts(&WireRequest::of(BODY).without("Content-Type")),
        Case::new(Standard, "an empty Content-Type").accepts(&WireRequest::of(BODY).set("Content-Type", "")),
        Case::new(Standard, "an invalid Content-Type")
            .accepts(&WireRequest::of(BODY).set("Content-Type", "%%%")),
        Case::new(Standard, "a Content-Type of a form")
            .accepts(&WireRequest::of(BODY).set("Content-Type", "application/x-www-form-urlencoded")),
        Case::new(Standard, "a Content-Type with a charset")
            .accepts(&WireRequest::of(BODY).set("Content-Type", "application/json; charset=utf-16")),
    ]
}
