//! `clerk-webhook scenario`.

mod plan;
mod progress;
mod random;
mod run;
mod sender;
#[cfg_attr(not(feature = "sync"), path = "sync_check/without.rs")]
mod sync_check;
mod tally;

pub(super) use self::run::Args;
