//! Explores all orders of the steps of a few requests or jobs, within bounds.

use std::collections::BTreeSet;

use clerk_webhook_tests_simulation::interleavings::Bounds;

#[test]
fn no_order_of_steps_breaks_a_promise() {
    let mut outcomes = BTreeSet::new();
    for (name, bounds) in Bounds::all() {
        let explored = bounds.explore().unwrap_or_else(|story| panic!("{name}:\n{story}"));
        assert!(explored.interleavings > 50.0, "{name}: {explored:?}");
        outcomes.extend(explored.outcomes);
    }
    let expected = [
        "duplicate",
        "failed",
        "handler_timeout",
        "ignored",
        "in_progress",
        "lease_lost",
        "processed",
        "queued",
        "store_unavailable",
    ];
    assert_eq!(outcomes, BTreeSet::from(expected));
}
