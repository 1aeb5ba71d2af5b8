//! `clerk-webhook reconcile`.

mod args;
#[cfg_attr(not(feature = "sync"), path = "unavailable.rs")]
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
