//! Bodies that arrive in frames, and why a delivery does not become an event.

mod body;
mod delivery;
mod error;

pub use delivery::PendingDelivery;
pub use error::{ReceiveError, ReceiveErrorKind};
