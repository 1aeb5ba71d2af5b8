//! Simulates a fixed number of seeds.

use clerk_webhook_tests_simulation::history::{Did, Op, What};
use clerk_webhook_tests_simulation::plan::{Kind, Plan};
use clerk_webhook_tests_simulation::simulate;

#[test]
fn no_seed_breaks_a_promise() {
    for seed in 0..300 {
        let violations = simulate(seed).violations;
        assert!(
            violations.is_empty(),
            "{violations:#?}\nreplay: cargo run --release -p clerk-webhook-tests-simulation -- --seed {seed}"
        );
    }
}

#[test]
fn a_seed_determines_what_happens() {
    let story = |seed| simulate(seed).records.iter().map(ToString::to_string).collect::<Vec<_>>();
    let seeds = 1000..1010;
    assert!(seeds.clone().any(|seed| Plan::new(seed).receiver == Kind::Sync));
    assert!(seeds.clone().any(|seed| Plan::new(seed).suspends));
    for seed in seeds {
        let (first, second) = (story(seed), story(seed));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first, second, "seed {seed}");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Checks that the seeds reach what the checker judges.
#[test]
fn the_seeds_contain_every_kind_of_fault() {
    let mut seen = [0; 17];
    // What an operator does, for each receiver.
    let (mut forgotten, mut purged, mut dead_letters) = ([0; 4], [0; 4], [0; 2]);
    for seed in 0..60 {
        let receiver = match Plan::new(seed).receiver {
            Kind::Deduplicator => 0,
            Kind::Queue => 1,
            Kind::ExactlyOnce => 2,
            Kind::Sync => 3,
        };
        for record in simulate(seed).records {
            let kind = match record.what {
                What::Broken { .. } => 0,
                What::HungUp { .. } => 1,
                What::Blocked { .. } => 2,
                What::Crashed => 3,
                What::Paused { .. } => 4,
                What::Stopping => 5,
                What::Stopped => 6,
                What::Partitioned { .. } => 7,
                What::StoreDown { .. } => 8,
                What::Returned { failed: true, .. } => 9,
                What::Calm => 10,
                What::Effect { .. } => 11,
                What::Verified { accepted: false, .. } => 12,
                What::Executed { op, did: Did::Removed(1..), .. } => {
                    match op {
                        Op::Forget(_) => forgotten[receiver] += 1,
                        Op::Purge(_) => purged[receiver] += 1,
                        Op::RetryDead(_) => dead_letters[0] += 1,
                        _ => dead_letters[1] += 1,
                    }
                    continue;
                }
                What::Occurred { message: None, .. } => 13,
                What::Compared { result: Ok(_), .. } => 14,
                What::Tables { tables, .. } if !tables.deleted.is_empty() => 15,
                What::Suspended { .. } => 16,
                _ => continue,
            };
            seen[kind] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
    assert_eq!(forgotten.map(|times| times > 0), [true, false, true, true], "{forgotten:?}");
    assert!(purged.iter().chain(&dead_letters).all(|times| *times > 0), "{purged:?}, {dead_letters:?}");
}
