//! `clerk-webhook replay`.

mod args;
mod plan;
mod report;
mod run;
mod send;

pub(super) use self::args::Args;
pub(super) use self::run::run;
