//! The adapters for Poem and Rocket, beyond the cases in `behaviour`.

mod poem;
mod rocket;
