//! Reads and erases rows.

mod forget;
mod queries;
