//! `clerk-webhook doctor`.

mod args;
mod check;
mod judge;
mod measure;
mod report;
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
