//! `clerk-webhook verify`.

mod input;
mod report;
mod run;

pub(super) use self::run::Args;
