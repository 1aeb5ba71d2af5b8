//! The descriptions of the tables. Statements and row types are derived from them, and a test compares them
//! with the tables that the migrations create.

#[cfg(feature = "backend-api")]
pub(crate) mod batches;
pub(crate) mod dialect;
pub(crate) mod names;
pub(crate) mod queries;
pub(crate) mod record;
pub(crate) mod statements;
pub(crate) mod table;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
mod writer;
pub(crate) mod writes;
