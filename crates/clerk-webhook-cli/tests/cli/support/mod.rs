//! What the modules share.

pub(crate) mod listen;
pub(crate) mod scenario;
pub(crate) mod trigger;
pub(crate) mod verify;
