//! What the fuzz targets assert, and how their inputs are read and written.
//!
//! Each target is a function `check` that panics where the product and a simple model of it disagree, and otherwise
//! returns in one word what became of the input, so that the program `seeds` can tell what its seeds reach.

pub mod event;
pub mod frames;
pub mod headers;
pub mod input;
pub mod layer;
pub mod reference;
pub mod script;
pub mod secret;
