//! `clerk-webhook secret`.

mod run;

pub(super) use self::run::Args;
