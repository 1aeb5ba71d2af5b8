//! Compares the verdicts of clerk-webhook with those of the crates svix and standardwebhooks.
//!
//! A [`suite`] makes deliveries of [`recipe`]s, asks every [`library`] about each of them, and demands that
//! they agree or that [`rules`] predict both verdicts. Beside the comparison stands a truth of its own: a
//! recipe knows what was signed by someone who has the secret, and nothing else may be accepted.
//!
//! Most libraries read the system's clock and no other. So the times in a recipe are relative to a clock that
//! is read late, and where it went on to the next second meanwhile, the delivery is made and judged again.

pub mod case;
pub mod judgement;
pub mod key;
pub mod library;
pub mod recipe;
pub mod report;
pub mod rules;
pub mod strategy;
pub mod suite;
pub mod verdict;
