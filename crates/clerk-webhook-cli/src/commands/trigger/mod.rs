//! `clerk-webhook trigger`.

mod args;
mod assignment;
mod report;
mod run;
mod user;

pub(super) use self::args::Args;
pub(super) use self::run::run;
