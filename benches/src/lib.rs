//! The contestants of the benchmarks. Each is a function that processes one delivery and panics if the result
//! is wrong.
//!
//! The benchmarks and the counting programs in `src/bin` measure the same groups.

pub mod delivery;
mod group;
pub mod hand_written;
pub mod handlers;
mod once;
mod verification;

pub use delivery::TYPICAL;
pub use group::{Contestant, Goal, Group, OURS, SVIX};

/// The title of a group and the function that creates it. Each group is created shortly before it is
/// measured, because signatures expire.
pub type Entry = (&'static str, fn() -> Group);

/// All groups, in output order.
pub const GROUPS: &[Entry] = &[
    ("verify 300 B", || verification::verify(300, 1.95)),
    ("verify 2 KB", verification::verify_typical),
    ("verify 16 KB", || verification::verify(16 * 1024, 1.03)),
    ("verify 256 KB", || verification::verify(256 * 1024, 1.01)),
    ("reject: stale timestamp", verification::refuse_stale),
    ("reject: missing header", verification::refuse_missing),
    ("reject: malformed signature", verification::refuse_malformed),
    ("many signatures, 2 KB", verification::many_signatures),
    ("many secrets, 2 KB", verification::many_secrets),
    ("whole path, user.created of 1.9 KB", handlers::group),
    ("whole path, forged", handlers::forged),
    ("once: new deliveries", once::new_deliveries),
    ("once: duplicates", once::duplicates),
    ("once: deliveries without a handler", once::ignored),
];
