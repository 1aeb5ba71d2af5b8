//! `clerk-webhook secret`.

mod args;
mod report;
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
