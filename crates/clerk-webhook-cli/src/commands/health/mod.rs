//! `clerk-webhook health`: whether a running server is alive.

mod args;
#[cfg(feature = "serve")]
mod run;
#[cfg(not(feature = "serve"))]
#[path = "unavailable.rs"]
mod run;

pub(crate) use self::args::Args;
pub(crate) use self::run::run;
