//! What the commands for the tables of clerk-webhook-sync have in common.

#[cfg(feature = "sync")]
mod api;
mod args;
#[cfg(feature = "sync")]
mod display;
#[cfg(feature = "sync")]
mod failure;
mod prefix;
#[cfg(feature = "sync")]
mod report;
#[cfg(feature = "sync")]
mod run;
mod schema;
#[cfg(feature = "sync")]
mod selection;
#[cfg(feature = "sync")]
mod table_status;
#[cfg(feature = "sync")]
mod target;
#[cfg(not(feature = "sync"))]
mod unavailable;

#[cfg(feature = "sync")]
pub(crate) use self::api::api;
#[cfg(feature = "serve")]
pub(crate) use self::api::client;
#[cfg(feature = "serve")]
pub(crate) use self::args::DEFAULT_API_URL;
#[cfg(feature = "sync")]
pub(crate) use self::args::Names;
pub(crate) use self::args::{ApiArgs, NameArgs, TableArgs};
#[cfg(feature = "sync")]
pub(crate) use self::display::Display;
#[cfg(feature = "sync")]
pub(crate) use self::failure::{explain, explain_database, explain_sync, is_missing};
#[cfg(feature = "sync")]
pub(crate) use self::prefix::Prefix;
#[cfg(feature = "sync")]
pub(crate) use self::report::{Kind, report};
#[cfg(feature = "sync")]
pub(crate) use self::run::{interrupted, until_interrupted};
#[cfg(feature = "serve")]
pub(crate) use self::schema::SCHEMA_VARIABLE;
pub(crate) use self::schema::Schema;
#[cfg(feature = "sync")]
pub(crate) use self::selection::Selection;
#[cfg(feature = "sync")]
pub(crate) use self::table_status::TableStatus;
#[cfg(feature = "serve")]
pub(crate) use self::target::database;
#[cfg(feature = "sync")]
pub(crate) use self::target::{AnySync, IfMissing, Target, on};
#[cfg(not(feature = "sync"))]
pub(crate) use self::unavailable::unavailable;
