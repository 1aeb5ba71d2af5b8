//! `clerk-webhook sign`.

mod run;

pub(super) use self::run::Args;
