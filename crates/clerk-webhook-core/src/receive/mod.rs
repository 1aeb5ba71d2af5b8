//! Receives a delivery whose body arrives in frames.

mod body;
mod delivery;
mod error;

pub use delivery::PendingDelivery;
pub use error::{ReceiveError, ReceiveErrorKind};
