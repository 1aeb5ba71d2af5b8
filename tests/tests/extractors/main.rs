//! The adapters for Poem, beyond the cases in `behaviour`.

mod poem;
