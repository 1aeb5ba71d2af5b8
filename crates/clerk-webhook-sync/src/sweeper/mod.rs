//! Imports once, and compares by schedule.

mod event;
mod log;
mod run;
mod schedule;
mod settings;

pub use event::{SweepEvent, SweepKind};
pub use settings::Sweeper;
