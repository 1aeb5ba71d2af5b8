//! Compares the verdicts of clerk-webhook with the verdicts of the svix and standardwebhooks crates.
//!
//! A [`suite`] creates deliveries from [`recipe`]s and asks every [`library`] for its verdict. It requires
//! that the libraries agree or that [`rules`] predict both verdicts. There is also an independent check: a
//! recipe knows which message was signed with the receiver's secret, and no library may accept another
//! message unless a rule permits it.
//!
//! Most libraries read only the system clock. Therefore the times in a recipe are relative to the clock,
//! which is read when the delivery is created. If the clock reaches the next second during the comparison,
//! the delivery is created and compared again.

pub mod case;
pub mod judgement;
pub mod key;
pub mod library;
pub mod recipe;
pub mod report;
pub mod rules;
pub mod strategy;
pub mod suite;
pub mod vector;
pub mod verdict;
