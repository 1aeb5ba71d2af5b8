//! `clerk-webhook listen`.

mod change;
mod connection;
mod delivery;
mod forward;
mod history;
mod live;
mod page;
mod receive;
mod record;
mod redact;
mod respond;
mod run;
mod server;
mod text;
mod verdict;

pub(super) use self::run::Args;
