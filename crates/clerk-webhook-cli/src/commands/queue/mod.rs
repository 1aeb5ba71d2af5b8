//! `clerk-webhook queue`.

#[cfg(feature = "queue")]
mod actions;
mod args;
#[cfg(feature = "queue")]
mod database;
#[cfg(feature = "queue")]
mod report;
#[cfg_attr(not(feature = "queue"), path = "unavailable.rs")]
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
