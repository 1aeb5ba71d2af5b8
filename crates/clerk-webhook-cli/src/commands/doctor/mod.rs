//! `clerk-webhook doctor`.

mod check;
mod judge;
mod run;

pub(super) use self::run::Args;
