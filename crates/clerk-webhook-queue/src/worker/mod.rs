//! Takes jobs from a queue and runs their handlers.

mod backoff;
pub(crate) mod builder;
mod dispatch;
mod execute;
mod lease;
mod log;
mod note;
#[cfg(feature = "postgres")]
mod register;
#[cfg(feature = "metrics")]
mod reporter;
pub(crate) mod running;
mod settings;
mod settle;
mod taken;
mod transaction;
