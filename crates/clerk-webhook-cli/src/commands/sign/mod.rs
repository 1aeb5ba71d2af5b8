//! `clerk-webhook sign`.

mod args;
mod report;
mod run;

pub(super) use self::args::Args;
pub(super) use self::run::run;
