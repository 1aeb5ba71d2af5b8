//! The assertions of the fuzz targets, and the format of their inputs.
//!
//! Each target is a `check` function that panics if the product and a simple model of it disagree. Otherwise
//! it returns the outcome in one word, so that the `seeds` program can report which outcomes its seeds reach.

pub mod event;
pub mod frames;
pub mod headers;
pub mod input;
pub mod layer;
pub mod reference;
pub mod script;
pub mod secret;
