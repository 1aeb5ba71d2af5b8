//! What became of a delivery, and how the sender is answered.

mod answer;
mod failure;
mod handled;
mod outcome;
mod stopped;

pub use answer::Answer;
pub use failure::Failure;
pub use handled::Handled;
pub use outcome::Outcome;
pub use stopped::Stopped;
