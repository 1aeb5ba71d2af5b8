//! Prints how many allocations one call of each contestant makes: group, contestant and count, separated by
//! tabs.
//!
//! This is a separate program, because counting replaces the allocator. That would slow down the timed
//! contestants, most of all those that allocate most.

use clerk_webhook_benches::GROUPS;

fn main() {
    for (title, make) in GROUPS {
        for mut contestant in make().contestants {
            // The first calls initialize caches.
            (contestant.call)();
            (contestant.call)();
            let allocations = allocation_counter::measure(|| (contestant.call)()).count_total;
            println!("{title}\t{}\t{allocations}", contestant.name);
        }
    }
}
