//! `clerk-webhook events`.

mod fields;
mod run;

pub(super) use self::run::Args;
