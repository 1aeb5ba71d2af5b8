//! Simulates a fixed number of seeds.

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
