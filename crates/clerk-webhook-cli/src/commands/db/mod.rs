//! `clerk-webhook db`.

mod args;
#[cfg(feature = "sync")]
mod forget;
#[cfg(feature = "sync")]
mod purge;
#[cfg_attr(not(feature = "sync"), path = "unavailable.rs")]
mod run;
#[cfg(feature = "sync")]
mod sql;
#[cfg(feature = "sync")]
mod status;

pub(super) use self::args::Args;
pub(super) use self::run::run;
