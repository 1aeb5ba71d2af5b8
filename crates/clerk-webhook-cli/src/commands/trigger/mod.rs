//! `clerk-webhook trigger`.

mod assignment;
mod run;

pub(super) use self::run::Args;
