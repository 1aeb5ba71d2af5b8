//! The official libraries accept the deliveries that the test kit signs, and reject those that it breaks.

use clerk_webhook_core::{EventType, HeaderFamily};
use clerk_webhook_test::{Delivery, SECRET, fixture::AnyFixture};
use clerk_webhook_tests::clients::{Judged, official_verdicts};
use clerk_webhook_tests::{OTHER_SECRET, other_secret, secret};

#[test]
fn the_official_libraries_agree_with_the_test_kit_for_every_event_type() {
    let mut deliveries = Vec::new();
    for fixture in AnyFixture::all() {
        let mut judge = |what: &str, secret: &'static str, authentic: bool, delivery: Delivery| {
            deliveries.push(Judged {
                name: format!("{}, {what}", fixture.name()),
                secret,
                authentic,
                headers: delivery
                    .headers()
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                body: delivery.body().to_vec(),
            });
        };
        let genuine = Delivery::of(fixture);
        judge("unchanged", SECRET, true, genuine.clone());
        judge("with webhook-* headers", SECRET, true, genuine.clone().header_family(HeaderFamily::Webhook));
        let rotated = genuine.clone().secrets([other_secret(), secret()]);
        judge("signed with both secrets, verified with the old one", SECRET, true, rotated.clone());
        judge("signed with both secrets, verified with the new one", OTHER_SECRET, true, rotated);
        judge("with a value set", SECRET, true, genuine.clone().set("/data/note", "Zo\u{eb} \u{1f980}"));
        judge("altered", SECRET, false, genuine.clone().altered());
        judge("stale", SECRET, false, genuine.clone().stale());
        judge("signed with another secret", SECRET, false, genuine.clone().wrong_secret());
        judge("without a signature", SECRET, false, genuine.without("svix-signature"));
    }
    let types = EventType::ALL.iter().filter(|known| AnyFixture::of(known).is_some());
    assert_eq!(types.count(), 46);

    for verdict in official_verdicts(&deliveries, "verifying deliveries of the test kit") {
        clerk_webhook_tests::say(&format!(
            "{} deliveries with the expected verdicts: {verdict}",
            deliveries.len()
        ));
        assert!(verdict.contains(&format!("svix {}", deliveries.len())), "{verdict}");
    }
}
