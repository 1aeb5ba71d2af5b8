//! Prints the names of the test vectors that the svix and standardwebhooks crates accept, as JSON.

use std::collections::BTreeMap;
use std::panic;

use clerk_webhook_differential::library::Library;
use clerk_webhook_differential::suite::at_one_second;
use clerk_webhook_differential::vector::{Vector, vectors};

const LIBRARIES: [(&str, Library); 2] =
    [("svix", Library::Svix), ("standardwebhooks", Library::StandardWebhooks)];

fn main() {
    // A panic of a library is a rejection.
    panic::set_hook(Box::new(|_| {}));
    let vectors = vectors();
    let accepted: BTreeMap<_, Vec<_>> = LIBRARIES
        .into_iter()
        .map(|(name, library)| {
            let accepted = vectors.iter().filter(|vector| accepts(library, vector));
            (name, accepted.map(|vector| vector.name.as_str()).collect())
        })
        .collect();
    println!("{}", serde_json::to_string(&accepted).expect("the names must be JSON"));
}

/// Asks a library once with each secret. The library reads the system clock.
fn accepts(library: Library, vector: &Vector) -> bool {
    at_one_second(|now| vector.cases_at(now).any(|case| library.verdict(&case).is_accepted()))
}
