//! `clerk-webhook replay`.

mod plan;
mod run;
mod send;

pub(super) use self::run::Args;
