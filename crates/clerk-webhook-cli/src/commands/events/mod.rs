//! `clerk-webhook events`.

mod args;
mod fields;
mod report;
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
