//! The interface of a store, independent of an engine.

pub(crate) mod claim;
pub(crate) mod delivery_store;
pub(crate) mod dynamic;
pub(crate) mod key;
pub(crate) mod retention;
pub(crate) mod transaction;
