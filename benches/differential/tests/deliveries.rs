//! Every disagreement over arbitrary deliveries is a documented one, and a library with a hole is found out.

mod support;

use clerk_webhook_differential::library::Library;
use clerk_webhook_differential::suite::{CASES, Suite, extent};

use support::say;

#[test]
fn every_disagreement_is_documented() {
    let (cases, seed) = extent();
    let report = Suite::of_this_project().run(cases, seed).unwrap_or_else(|failure| panic!("{failure}"));
    say(&report);
    if cases < CASES {
        say(&"skipped: with so few deliveries not every rule has to have been seen");
        return;
    }
    assert_eq!(report.unseen(), [""; 0], "what no delivery has shown");
    assert_eq!(report.forged(Library::Svix), ["5"]);
    assert_eq!(report.forged(Library::SvixWithClock), ["5"]);
    assert_eq!(report.forged(Library::StandardWebhooks), ["5", "14"]);
    assert_eq!(report.forged(Library::VulnerableSvix), ["5", "14", "13"]);
}

/// How many deliveries a control needs at most: what it looks for is met after some hundreds.
const CONTROL_CASES: u32 = 10_000;

/// Returns how the suite fails when a library is let off all rules but one.
#[track_caller]
fn hole(library: Library, rule: &str) -> String {
    let (_, seed) = extent();
    Suite::of(library, &[]).run(CONTROL_CASES, seed).expect("all its holes are in the rules");
    let closed = Suite::of(library, &[]).without_rule(rule);
    let failure = closed.run(CONTROL_CASES, seed).expect_err("the suite finds the hole");
    say(&format!("control, rule {rule}: {failure}"));
    assert!(failure.contains(&format!("{library} accepts what nobody signed")), "{failure}");
    failure
}

#[test]
fn the_partial_signature_of_cve_2024_21491_is_found_out() {
    let failure = hole(Library::VulnerableSvix, "13");
    assert!(failure.contains("-signature: \"v1,\""), "{failure}");
}

#[test]
fn the_empty_key_of_standardwebhooks_is_found_out() {
    let failure = hole(Library::StandardWebhooks, "14");
    assert!(failure.contains("secret: \"whsec_\""), "{failure}");
}

#[test]
fn the_two_cuts_of_an_id_with_a_dot_are_found_out() {
    hole(Library::Svix, "5");
}

#[test]
fn svix_of_today_has_neither_of_the_other_holes() {
    let (_, seed) = extent();
    let suite = Suite::of(Library::Svix, &[]).without_rule("13").without_rule("14");
    suite.run(CONTROL_CASES, seed).unwrap();
}

#[test]
fn no_peer_can_take_the_place_of_this_project() {
    let (_, seed) = extent();
    for peer in Library::PEERS {
        let others: Vec<_> = Library::PEERS.iter().copied().filter(|other| other != peer).collect();
        assert!(Suite::of(*peer, &others).run(CONTROL_CASES, seed).is_err(), "{peer}");
    }
}
