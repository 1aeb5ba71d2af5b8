//! The outcome of a delivery, and the answer to the sender.

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
