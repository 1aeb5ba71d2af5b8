//! Imports the objects that Clerk holds, and compares the tables with them.

pub(crate) mod error;
mod import;
pub(crate) mod options;
mod reconcile;
mod refresh;
pub(crate) mod report;
mod rows;
mod run;
pub(crate) mod state;
