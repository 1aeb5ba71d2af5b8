//! `clerk-webhook listen`.

mod args;
mod change;
mod delivery;
mod forward;
mod history;
mod page;
mod printer;
mod receive;
mod record;
mod report;
mod route;
mod run;
mod script;
mod state;
mod verdict;

pub(super) use self::args::Args;
pub(super) use self::run::run;
