//! Compares the libraries over the test vectors of the repository.

mod support;

use clerk_webhook_differential::library::Library;
use clerk_webhook_differential::suite::{Suite, at_one_second};
use clerk_webhook_differential::vector::{Vector, vectors};
use clerk_webhook_differential::verdict::{LibraryVerdict, Reason};

use support::say;

fn word(verdict: LibraryVerdict) -> &'static str {
    match verdict {
        LibraryVerdict::Accepted => "accept",
        LibraryVerdict::Panicked => "panic",
        LibraryVerdict::Refused(reason) => match reason {
            Reason::Secret => "invalid_secret",
            Reason::Missing(_) => "missing_header",
            Reason::Repeated(_) => "duplicate_header",
            Reason::Malformed(_) => "invalid_header",
            Reason::NotSeconds => "invalid_timestamp",
            Reason::TooOld => "timestamp_too_old",
            Reason::TooNew => "timestamp_too_new",
            Reason::Signature => "no_matching_signature",
            Reason::Payload => "payload",
        },
    }
}

/// The vectors that all libraries can judge: the libraries have a fixed tolerance.
fn vectors_with_the_usual_tolerance() -> Vec<Vector> {
    vectors().into_iter().filter(|vector| vector.tolerance == 300).collect()
}

#[test]
fn libraries_disagree_over_the_vectors_only_as_documented() {
    let vectors = vectors_with_the_usual_tolerance();
    let suite = Suite::of_this_project();
    let (mut judged, mut differed) = (0, 0);
    for vector in &vectors {
        for index in 0..vector.secrets.len() {
            let at_system_time = at_one_second(|now| {
                suite.judge(&vector.cases_at(now).nth(index).expect("the secret exists"))
            });
            let at_own_time = suite.judge(&vector.cases().nth(index).expect("the secret exists"));
            let judgements = [at_system_time, at_own_time]
                .map(|outcome| outcome.unwrap_or_else(|failure| panic!("{}: {failure}", vector.name)));
            for judgement in judgements.iter().flatten() {
                // With one of several secrets, the verdict can be another one.
                if vector.secrets.len() == 1 {
                    let expected = vector.reason.as_deref().unwrap_or("accept");
                    assert_eq!(word(judgement.ours), expected, "{}", vector.name);
                }
                judged += 1;
                differed += usize::from(judgement.ours != judgement.theirs);
            }
        }
    }
    let secrets: usize = vectors.iter().map(|vector| vector.secrets.len()).sum();
    assert_eq!(judged, secrets * Library::PEERS.len());
    say(&format!(
        "differential: {secrets} vectors x {} peers, {differed} disagreements, all documented",
        Library::PEERS.len(),
    ));
}

#[test]
fn vectors_find_the_known_vulnerability() {
    let accepts = |library: Library| {
        let is_accepted = |vector: &Vector| {
            at_one_second(|now| vector.cases_at(now).any(|case| library.verdict(&case).is_accepted()))
        };
        let vectors = vectors_with_the_usual_tolerance();
        vectors
            .iter()
            .filter(|vector| vector.rule == "whole-signature")
            .filter(|vector| is_accepted(vector))
            .count()
    };
    assert_eq!(accepts(Library::Svix), 0);
    // CVE-2024-21491.
    assert!(accepts(Library::VulnerableSvix) > 1);
}
