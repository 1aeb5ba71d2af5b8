//! What became of a delivery, and how the sender is answered.

mod answer;
mod failure;
mod outcome;

pub use answer::Answer;
pub use failure::Failure;
pub use outcome::Outcome;
