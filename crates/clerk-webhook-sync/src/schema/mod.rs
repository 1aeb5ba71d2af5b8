//! The tables, described once. Statements and row types follow from the description, and a test compares it with what the
//! migrations create.

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
