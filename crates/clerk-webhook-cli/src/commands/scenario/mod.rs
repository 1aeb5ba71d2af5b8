//! `clerk-webhook scenario`.

mod args;
mod attempt_report;
mod plan;
mod random;
mod report;
mod run;
mod sender;
mod tally;

pub(super) use self::args::Args;
pub(super) use self::run::run;
