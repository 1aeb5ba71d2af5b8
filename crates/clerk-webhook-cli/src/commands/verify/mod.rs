//! `clerk-webhook verify`.

mod args;
mod input;
mod report;
mod run;
mod warnings;

pub(super) use self::args::Args;
pub(super) use self::run::run;
