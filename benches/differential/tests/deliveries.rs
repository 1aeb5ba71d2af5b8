//! Compares the libraries over random deliveries. Controls prove that the suite detects a vulnerable library.

mod support;

use clerk_webhook_differential::library::Library;
use clerk_webhook_differential::suite::{CASES, Suite, extent};

use support::say;

#[test]
fn libraries_disagree_only_as_documented() {
    let (cases, seed) = extent();
    let report = Suite::of_this_project().run(cases, seed).unwrap_or_else(|failure| panic!("{failure}"));
    say(&report);
    if cases < CASES {
        say(&"skipped: with so few deliveries some rules may not occur");
        return;
    }
    assert_eq!(report.unseen(), [""; 0], "rules and points that no delivery reached");
    assert_eq!(report.forged(Library::Svix), ["5"]);
    assert_eq!(report.forged(Library::SvixWithClock), ["5"]);
    assert_eq!(report.forged(Library::StandardWebhooks), ["5", "14"]);
    assert_eq!(report.forged(Library::VulnerableSvix), ["5", "14", "13"]);
}

/// The number of deliveries of a control. A few hundred are enough to find the vulnerability.
const CONTROL_CASES: u32 = 10_000;

/// Removes one rule and returns the suite's failure.
#[track_caller]
fn vulnerability(library: Library, rule: &str) -> String {
    let (_, seed) = extent();
    Suite::of(library, &[])
        .run(CONTROL_CASES, seed)
        .expect("the rules cover all vulnerabilities of the library");
    let closed = Suite::of(library, &[]).without_rule(rule);
    let failure = closed.run(CONTROL_CASES, seed).expect_err("the suite must detect the vulnerability");
    say(&format!("control, rule {rule}: {failure}"));
    assert!(failure.contains(&format!("{library} accepts an unsigned message")), "{failure}");
    failure
}

#[test]
fn detects_the_partial_signature_of_cve_2024_21491() {
    let failure = vulnerability(Library::VulnerableSvix, "13");
    assert!(failure.contains("-signature: \"v1,\""), "{failure}");
}

#[test]
fn detects_that_standardwebhooks_accepts_an_empty_key() {
    let failure = vulnerability(Library::StandardWebhooks, "14");
    assert!(failure.contains("secret: \"whsec_\""), "{failure}");
}

#[test]
fn detects_that_svix_accepts_an_id_with_a_dot() {
    vulnerability(Library::Svix, "5");
}

#[test]
fn current_svix_rejects_partial_signatures_and_empty_keys() {
    let (_, seed) = extent();
    let suite = Suite::of(Library::Svix, &[]).without_rule("13").without_rule("14");
    suite.run(CONTROL_CASES, seed).unwrap();
}

#[test]
fn the_suite_rejects_every_peer_as_the_candidate() {
    let (_, seed) = extent();
    for peer in Library::PEERS {
        let others: Vec<_> = Library::PEERS.iter().copied().filter(|other| other != peer).collect();
        assert!(Suite::of(*peer, &others).run(CONTROL_CASES, seed).is_err(), "{peer}");
    }
}
