//! `clerk-webhook api`.

mod args;
mod report;
mod run;
mod server;

pub(super) use self::args::Args;
pub(super) use self::run::run;
