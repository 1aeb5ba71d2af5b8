//! Reads and erases what is kept.

mod forget;
mod queries;
