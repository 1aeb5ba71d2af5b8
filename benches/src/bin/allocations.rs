//! Prints how often one call of each contestant allocates: group, contestant, count, separated by tabs.
//!
//! It is a program of its own because counting replaces the allocator, which would slow down the ones that
//! are timed, and most the one that allocates most.

use clerk_webhook_benches::GROUPS;

fn main() {
    for (title, make) in GROUPS {
        for mut contestant in make().contestants {
            // The first calls fill what is made once.
            (contestant.call)();
            (contestant.call)();
            let allocations = allocation_counter::measure(|| (contestant.call)()).count_total;
            println!("{title}\t{}\t{allocations}", contestant.name);
        }
    }
}
