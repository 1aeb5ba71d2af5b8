//! What the test kit signs is accepted by the libraries that other receivers use, and what it breaks is refused.

use clerk_webhook_core::{EventType, HeaderFamily};
use clerk_webhook_test::{Delivery, SECRET, fixture::AnyFixture};
use clerk_webhook_tests::clients::{Judged, official_verdicts};
use clerk_webhook_tests::{OTHER_SECRET, other_secret, secret};

#[test]
fn the_official_libraries_accept_what_is_signed_here_for_every_event_type() {
    let mut deliveries = Vec::new();
    for fixture in AnyFixture::all() {
        let mut judge = |what: &str, secret: &'static str, authentic: bool, delivery: Delivery| {
            deliveries.push(Judged {
                name: format!("{}, {what}", fixture.name()),
                secret,
                authentic,
                delivery,
            });
        };
        let right = Delivery::of(fixture);
        judge("as it is", SECRET, true, right.clone());
        judge("under the other names", SECRET, true, right.clone().header_family(HeaderFamily::Webhook));
        let rotated = right.clone().secrets([other_secret(), secret()]);
        judge("signed by two, with the old secret", SECRET, true, rotated.clone());
        judge("signed by two, with the new secret", OTHER_SECRET, true, rotated);
        judge("with a value set", SECRET, true, right.clone().set("/data/note", "Zo\u{eb} \u{1f980}"));
        judge("altered", SECRET, false, right.clone().altered());
        judge("stale", SECRET, false, right.clone().stale());
        judge("signed with another secret", SECRET, false, right.clone().wrong_secret());
        judge("without a signature", SECRET, false, right.without("svix-signature"));
    }
    let types = EventType::ALL.iter().filter(|known| AnyFixture::of(known).is_some());
    assert_eq!(types.count(), 46);

    for verdict in official_verdicts(&deliveries, "verifying what the test kit signs") {
        clerk_webhook_tests::say(&format!("{} deliveries as they should be: {verdict}", deliveries.len()));
        assert!(verdict.contains(&format!("svix {}", deliveries.len())), "{verdict}");
    }
}
